import { hash, verify } from "@node-rs/argon2";
import { assert, RingwallError, randomBytes } from "../../../core/index.ts";

export interface HashingLimits {
  readonly argon2: { readonly memoryKib: number; readonly passes: number; readonly lanes: number };
  readonly hashesAtOnce: number;
  readonly hashesWaiting: number;
}

/** Turns passwords into hashes. Everything goes through one bounded queue, so that a flood is refused, not served late. */
export interface Hasher {
  /** @throws RingwallError `identity.overloaded` when the queue is full; nothing was computed then. */
  hash(password: string): Promise<string>;
  /** Takes the same work for every hash of the current parameters, right or wrong. @throws as `hash`. */
  verify(stored: string, password: string): Promise<boolean>;
  /** A hash with the current parameters that no password fits, for accounts that do not exist or may not sign in. */
  readonly dummy: string;
  /** Whether a stored hash was made with other parameters and should be made anew at the next sign-in. */
  outdated(stored: string): boolean;
}

const SALT_BYTES = 16;
const OUTPUT_BYTES = 32;
/** Algorithm.Argon2id and Version.V0x13 of @node-rs/argon2, whose ambient enums a single-file compile cannot name. */
const ARGON2ID = 2;
const VERSION_13 = 1;
const RETRY_AFTER_SECONDS = 2;

/** Argon2id (RFC 9106) on the thread pool; the event loop never waits for it. */
export function createHasher(limits: HashingLimits): Hasher {
  const { memoryKib, passes, lanes } = limits.argon2;
  const options = {
    algorithm: ARGON2ID,
    version: VERSION_13,
    memoryCost: memoryKib,
    timeCost: passes,
    parallelism: lanes,
    outputLen: OUTPUT_BYTES,
  } as const;
  const queue = createQueue(limits.hashesAtOnce, limits.hashesWaiting);
  // The PHC string format: algorithm, version and costs come first, so a prefix says whether they are the current ones.
  const current = `$argon2id$v=19$m=${memoryKib},t=${passes},p=${lanes}$`;
  return {
    // Random salt and output: verifying against it does all the work and succeeds with chance 2^-256.
    dummy: current + [SALT_BYTES, OUTPUT_BYTES].map(unpaddedBase64).join("$"),
    outdated: (stored) => !stored.startsWith(current),
    hash: (password) => queue(() => hash(password, { ...options, salt: randomBytes(SALT_BYTES) })),
    verify: (stored, password) => queue(() => verify(stored, password)),
  };
}

function unpaddedBase64(bytes: number): string {
  return randomBytes(bytes).toString("base64").replaceAll("=", "");
}

type Queue = <T>(work: () => Promise<T>) => Promise<T>;

/** First come, first served; at most `atOnce` run and `waitingMax` wait. */
export function createQueue(atOnce: number, waitingMax: number): Queue {
  const waiting: (() => void)[] = [];
  let running = 0;
  return async (work) => {
    if (running >= atOnce) {
      if (waiting.length >= waitingMax) {
        throw new RingwallError("identity.overloaded", { retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      // The slot is handed over, not freed and taken again: nobody who comes in between can overtake.
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
      });
    } else {
      running += 1;
    }
    assert(running >= 1 && running <= atOnce, "a slot is held while work runs");
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
