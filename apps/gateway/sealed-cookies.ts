import { createHash } from "node:crypto";
import { type Clock, type CounterStore, PLATFORM_TENANT, RingwallError, randomToken } from "ringwall/core";
import type { Keys } from "ringwall/data/keys";
import { z } from "zod";

/** The session of one route host. Another host cannot open it, and no server takes it for a token. */
export const HOST_COOKIE = "__Host-rw_gateway";
/** The session at the sign-in page, so that a second host does not ask for a password again. */
export const SIGN_IN_COOKIE = "__Host-rw_sign_in";
/** A sign-in that waits for its code, at the sign-in page alone. */
export const LOGIN_COOKIE = "__Host-rw_login";
/** What a browser keeps while it is away at the sign-in page: proof that the code it comes back with is its own. */
export const STATE_COOKIE = "__Host-rw_state";

// Lax: a link from elsewhere may open the page signed in. What changes something is held by Origin and Fetch Metadata.
const ATTRIBUTES = "Path=/; Secure; HttpOnly; SameSite=Lax";
/** A minute is long for a redirect. */
const CODE_LIFE_MS = 60_000;
/** A code that was used stays known for longer than it lives. */
const CODE_MEMORY_MS = 4 * CODE_LIFE_MS;
/** Sealed, a token has about 200 characters. */
const SEALED_CHARS_MAX = 1_024;
/** Opened cookies remembered, for a minute each: opening one derives a key. */
const OPENED_MAX = 20_000;
const OPENED_MS = 60_000;

const Code = z.strictObject({ token: z.string().length(47), untilMs: z.int(), id: z.string().length(22) });

/** What cookies and codes stand on. */
export interface SealingParts {
  readonly keys: Pick<Keys, "sealValue" | "openValue">;
  readonly counters: CounterStore;
  readonly clock: Clock;
}

/** Tokens on their way through a browser: bound to one host, and codes to one browser and one use as well. */
export class SealedCookies {
  readonly #parts: SealingParts;
  readonly #opened = new Map<string, { readonly token: string; readonly untilMs: number }>();

  constructor(parts: SealingParts) {
    this.#parts = parts;
  }

  /** The `Set-Cookie` that carries a session to one host. */
  async cookie(name: string, host: string, token: string): Promise<string> {
    return `${name}=${await this.#seal(["gateway-cookie", name, host], token)}; ${ATTRIBUTES}`;
  }

  /**
   * The token in a cookie's value. At once while it is remembered.
   * @throws RingwallError `identity.sign_in_required` for what is not this host's, or nobody's
   */
  open(name: string, host: string, value: string): string | Promise<string> {
    const key = createHash("sha256").update(`${name} ${host} ${value}`).digest("base64");
    const known = this.#opened.get(key);
    if (known !== undefined && this.#parts.clock() < known.untilMs) return known.token;
    return this.#unseal(["gateway-cookie", name, host], value).then((token) => {
      // Emptied when full: values that open are our own, so a stranger cannot fill it.
      if (this.#opened.size >= OPENED_MAX) this.#opened.clear();
      this.#opened.set(key, { token, untilMs: this.#parts.clock() + OPENED_MS });
      return token;
    });
  }

  /** A code for one host and for the browser that holds the verifier of `challenge`. */
  async code(host: string, challenge: string, token: string): Promise<string> {
    const code = { token, untilMs: this.#parts.clock() + CODE_LIFE_MS, id: randomToken(16) };
    return await this.#seal(["gateway-code", host, challenge], JSON.stringify(code));
  }

  /**
   * The session behind a code, once.
   * @throws RingwallError `identity.sign_in_required` for a code of another host or browser, an old one, a used one
   */
  async redeem(host: string, verifier: string, sealed: string): Promise<string> {
    const text = await this.#unseal(["gateway-code", host, challengeOf(verifier)], sealed);
    const { id, token, untilMs } = Code.parse(JSON.parse(text));
    if (this.#parts.clock() >= untilMs) throw unknown("code_expired");
    const bucket = { key: `-:gateway-code:${id}`, limit: 1, periodMs: CODE_MEMORY_MS, burst: 1 };
    const taken = await this.#parts.counters.take([bucket]);
    if (!taken.allowed) throw unknown("code_used");
    return token;
  }

  async #seal(context: readonly string[], text: string): Promise<string> {
    const sealed = await this.#parts.keys.sealValue(PLATFORM_TENANT, "identity", context, Buffer.from(text));
    return sealed.toString("base64url");
  }

  async #unseal(context: readonly string[], sealed: string): Promise<string> {
    if (sealed.length > SEALED_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(sealed)) throw unknown("form");
    const bytes = Buffer.from(sealed, "base64url");
    // The last letter has bits that say nothing: one value has one spelling.
    if (bytes.toString("base64url") !== sealed) throw unknown("form");
    try {
      return (await this.#parts.keys.openValue(PLATFORM_TENANT, "identity", context, bytes)).toString("utf8");
    } catch (cause) {
      // Anything but a value that does not open here (keys that cannot be had) is no word on the visitor.
      if (cause instanceof RingwallError && cause.code === "keys.decrypt_failed") throw unknown("not_ours");
      throw cause;
    }
  }
}

/** The `Set-Cookie` that ends one. */
export function endedCookie(name: string): string {
  return `${name}=; ${ATTRIBUTES}; Max-Age=0`;
}

/** A plain `Set-Cookie` for what a browser keeps during a sign-in. */
export function shortCookie(name: string, value: string, seconds: number): string {
  return `${name}=${value}; ${ATTRIBUTES}; Max-Age=${seconds}`;
}

/** As PKCE's S256 (RFC 7636, section 4.2): the sign-in page sees this, the browser alone the verifier. */
export function challengeOf(verifier: string): string {
  return createHash("sha256").update(verifier).digest("base64url");
}

/** The one cookie of that name; undefined when there is none, or several. */
export function cookieOf(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined;
  const found = header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair.startsWith(`${name}=`));
  return found.length === 1 ? found[0]?.slice(name.length + 1) : undefined;
}

function unknown(reason: string): RingwallError {
  return new RingwallError("identity.sign_in_required", { detail: { reason } });
}
