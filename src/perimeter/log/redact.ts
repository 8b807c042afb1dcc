import { isCardNumber, scrub, scrubShort } from "./shapes.ts";

const MASK = "[redacted]";
/** Log objects are flat by habit; what is deeper or wider than this was logged by mistake. */
const DEPTH_MAX = 6;
const ENTRIES_MAX = 100;
const TEXT_CHARS_MAX = 8_192;
const KEY_CHARS_MAX = 128;

/** Parts of a key, with `_`, `-` and case taken out, whose value is never logged. */
const SECRET_PARTS = [
  "authorization",
  "cookie",
  "password",
  "passwd",
  "passphrase",
  "pwd",
  "token",
  "secret",
  "credential",
  "apikey",
  "privatekey",
  "otp",
  "recovery",
  "iban",
  "cardnumber",
  "creditcard",
  "accountnumber",
  "nationalid",
  "cvv",
  "cvc",
  "signature",
  "assertion",
];
/** Whole keys: as parts they would hide `statusCode`, `mapping` and `company`. */
const SECRET_KEYS: ReadonlySet<string> = new Set(["code", "pin", "pan", "ssn", "seed", "card", "jwt", "key", "pass"]);

// Keys come from our own code and repeat; the memory is emptied when somebody logs made-up ones.
const KEYS_REMEMBERED_MAX = 1_024;
const remembered = new Map<string, boolean>();

/** True when a value under this key must not be logged, whatever it looks like. */
function isSecretKey(key: string): boolean {
  let secret = remembered.get(key);
  if (secret === undefined) {
    const plain = key.toLowerCase().replaceAll(/[^a-z0-9]/g, "");
    secret = SECRET_KEYS.has(plain) || SECRET_PARTS.some((part) => plain.includes(part));
    if (remembered.size >= KEYS_REMEMBERED_MAX) remembered.clear();
    remembered.set(key, secret);
  }
  return secret;
}

/**
 * A copy of any value that may be logged: secrets masked by key and by shape, cycles and sizes cut off, errors reduced
 * to type, message, stack and causes. Never throws, since an error while logging would hide what was to be logged.
 */
export function redact(value: unknown): unknown {
  return redactValue(value, 0);
}

function redactValue(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case "string":
      return scrubShort(value, TEXT_CHARS_MAX);
    case "number":
      return isCardNumber(value) ? MASK : value;
    case "bigint":
      return isCardNumber(value) ? MASK : String(value);
    case "boolean":
    case "undefined":
      return value;
    case "object":
      return value === null ? null : redactObject(value, depth);
    case "function":
    case "symbol":
      return `[${typeof value}]`;
  }
}

function redactObject(value: object, depth: number): unknown {
  if (depth >= DEPTH_MAX) return "[deep]";
  try {
    if (value instanceof Error) return redactError(value, depth);
    // Raw bytes are keys, ciphertexts or bodies; none of them belongs in a log.
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) return "[bytes]";
    if (Array.isArray(value)) return redactList(value, depth);
    if (value instanceof Map || value instanceof Set)
      return `[${value instanceof Map ? "map" : "set"} of ${value.size}]`;
    // How a value wants to be shown: a time as text, a PlainSecret as `[secret]`.
    if ("toJSON" in value && typeof value.toJSON === "function") {
      const shown: unknown = value.toJSON();
      return shown === value ? redactEntries(value, depth) : redactValue(shown, depth + 1);
    }
    return redactEntries(value, depth);
  } catch {
    return "[unreadable]";
  }
}

function redactList(list: readonly unknown[], depth: number): unknown[] {
  const shown = list.slice(0, ENTRIES_MAX).map((item) => redactValue(item, depth + 1));
  return list.length > ENTRIES_MAX ? [...shown, `[${list.length - ENTRIES_MAX} more]`] : shown;
}

function redactEntries(value: object, depth: number): Record<string, unknown> {
  // Without a prototype, so that a key named __proto__ is a key like any other.
  const out = Object.create(null) as Record<string, unknown>;
  let entries = 0;
  for (const key in value) {
    if (!Object.hasOwn(value, key)) continue;
    entries += 1;
    if (entries > ENTRIES_MAX) {
      out["more"] = "[cut]";
      break;
    }
    const shownKey = scrubShort(key, KEY_CHARS_MAX);
    const member: unknown = Reflect.get(value, key);
    out[shownKey] = isSecretKey(key) && member !== undefined && member !== null ? MASK : redactValue(member, depth + 1);
  }
  return out;
}

/**
 * Named fields only: database drivers hang rows and parameters onto their errors. `errorCode` is the driver's or our
 * own code (`23505`, `access.denied`), when it has the form of one.
 */
function redactError(error: Error, depth: number): Record<string, unknown> {
  // Declared as text, but anybody can assign anything to them.
  const { name, message }: { name: unknown; message: unknown } = error;
  const out: Record<string, unknown> = {
    type: scrubShort(String(name), KEY_CHARS_MAX),
    message: scrubShort(String(message), TEXT_CHARS_MAX),
  };
  if (typeof error.stack === "string") out["stack"] = scrubShort(error.stack, TEXT_CHARS_MAX);
  if ("code" in error && typeof error.code === "string" && /^[A-Za-z0-9_.]{1,64}$/.test(error.code)) {
    out["errorCode"] = scrub(error.code);
  }
  if ("detail" in error && typeof error.detail === "object") out["detail"] = redactValue(error.detail, depth + 1);
  if (error.cause !== undefined) out["cause"] = redactValue(error.cause, depth + 1);
  return out;
}
