import { createPrivateKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import type { JSONWebKeySet } from "jose";
import { z } from "zod";
import {
  type Actor,
  type Clock,
  PLATFORM_TENANT,
  PlainSecret,
  parseConfig,
  RingwallError,
  randomToken,
} from "../../core/index.ts";
import type { Secrets } from "../../data/secrets/index.ts";
import { ALGORITHM, LIFE_SECONDS_MAX } from "./claims.ts";

/** Where the keys are, sealed: a secret of the platform's. */
export const KEYS_SECRET = "gateway/assertion-keys";
/** Sorts right before it, so that a list of any length begins with it. */
const BEFORE_KEYS_SECRET = "gateway/assertion-key";
/**
 * A new key is shown this long before it signs, so that whoever keeps the key set (ten minutes by default with jose)
 * and every other node knows it by then.
 */
export const LEAD_MS = 900_000;
/** What was signed in a key's last moment is good for a minute, at clocks that differ by some seconds. */
export const OVERLAP_MS = LIFE_SECONDS_MAX * 1_000 + 60_000;
/** Two overlap in ordinary life; more come from rotations by hand. */
const KEYS_MAX = 8;

const KEEPER: Actor = { type: "service", tenant: PLATFORM_TENANT, name: "gateway" };

const StoredKey = z.strictObject({
  kid: z.string().length(22),
  /** From when it signs, until when it signs, and until when it is shown. */
  fromMs: z.int(),
  untilMs: z.int(),
  goneMs: z.int(),
  jwk: z.strictObject({
    kty: z.literal("EC"),
    crv: z.literal("P-256"),
    x: z.string().length(43),
    y: z.string().length(43),
    d: z.string().length(43),
  }),
});
type StoredKey = z.output<typeof StoredKey>;
const StoredKeys = z.array(StoredKey).min(1).max(KEYS_MAX);

/** A key that signs now. */
export interface SigningKey {
  readonly kid: string;
  readonly key: KeyObject & { readonly dsaEncoding: "ieee-p1363" };
}

/** The gateway's signing keys: shared by its nodes, rotated with an overlap, shown without their private part. */
export interface AssertionKeys {
  /** @throws RingwallError `keys.unavailable` when no key is in its time: nothing is signed with an expired one. */
  signing(): SigningKey;
  /** What verifiers may accept now. */
  keySet(): JSONWebKeySet;
  /** Reads what other nodes wrote, and makes the next key when it is time. Call it every minute. */
  refresh(): Promise<void>;
  /** Makes a new key that signs at once; the present one stays shown for as long as what it signed is good. */
  rotate(): Promise<void>;
}

/** What the keys stand on. */
export interface AssertionKeysOptions {
  readonly secrets: Pick<Secrets, "getFresh" | "set" | "list">;
  readonly clock: Clock;
  /** How long a key signs. */
  readonly keySeconds: number;
}

interface OpenKey extends StoredKey {
  readonly key: KeyObject & { readonly dsaEncoding: "ieee-p1363" };
}

/**
 * Opens the keys, making the first one where there is none.
 * @throws RingwallError whatever the secret store refuses with: without keys there is no gateway.
 */
export async function openAssertionKeys(options: AssertionKeysOptions): Promise<AssertionKeys> {
  const ring = new KeyRing(options);
  await ring.refresh();
  return ring;
}

class KeyRing implements AssertionKeys {
  readonly #options: AssertionKeysOptions;
  #keys: readonly OpenKey[] = [];

  constructor(options: AssertionKeysOptions) {
    this.#options = options;
  }

  signing(): SigningKey {
    const nowMs = this.#options.clock();
    const [newest] = this.#keys
      .filter((key) => key.fromMs <= nowMs && nowMs < key.untilMs)
      .toSorted((left, right) => right.fromMs - left.fromMs);
    if (newest === undefined) throw new RingwallError("keys.unavailable", { detail: { what: "assertion_key" } });
    return newest;
  }

  keySet(): JSONWebKeySet {
    const nowMs = this.#options.clock();
    const shown = this.#keys.filter((key) => nowMs < key.goneMs);
    return {
      keys: shown.map(({ jwk: { kty, crv, x, y }, kid }) => ({ kty, crv, x, y, kid, use: "sig", alg: ALGORITHM })),
    };
  }

  async refresh(): Promise<void> {
    const { keys, version } = await this.#read();
    const nowMs = this.#options.clock();
    const lastUntil = Math.max(0, ...keys.map((key) => key.untilMs));
    if (lastUntil - nowMs > 2 * LEAD_MS) {
      this.#open(keys);
      return;
    }
    // The first key, or the one after a long sleep, signs at once: there is nothing that could sign meanwhile.
    const fromMs = lastUntil > nowMs ? nowMs + LEAD_MS : nowMs;
    await this.#add(keys, version, this.#newKey(fromMs));
  }

  async rotate(): Promise<void> {
    const { keys, version } = await this.#read();
    const nowMs = this.#options.clock();
    const ending = keys.map((key) => ({
      ...key,
      untilMs: Math.min(key.untilMs, nowMs),
      goneMs: Math.min(key.goneMs, nowMs + OVERLAP_MS),
    }));
    await this.#add(ending, version, this.#newKey(nowMs));
  }

  #newKey(fromMs: number): StoredKey {
    const untilMs = fromMs + this.#options.keySeconds * 1_000;
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const { kty, crv, x, y, d } = privateKey.export({ format: "jwk" });
    const jwk = StoredKey.shape.jwk.parse({ kty, crv, x, y, d });
    return { kid: randomToken(16), fromMs, untilMs, goneMs: untilMs + OVERLAP_MS, jwk };
  }

  /** Of two nodes that make a key at once one wins, and both use its. */
  async #add(keys: readonly StoredKey[], version: number, made: StoredKey): Promise<void> {
    const nowMs = this.#options.clock();
    const kept = keys.filter((key) => nowMs < key.goneMs);
    const next = [made, ...kept].slice(0, KEYS_MAX);
    const text = new PlainSecret(JSON.stringify(next));
    try {
      await this.#options.secrets.set(KEYS_SECRET, text, {
        actor: KEEPER,
        expectedVersion: version,
      });
      this.#open(next);
    } catch (error) {
      if (!(error instanceof RingwallError) || error.code !== "resource.conflict") throw error;
      this.#open((await this.#read()).keys);
    }
  }

  async #read(): Promise<{ keys: readonly StoredKey[]; version: number }> {
    const { secrets } = this.#options;
    // Listed first: a value that changes in between only makes the write after it conflict.
    const listed = await secrets.list({ actor: KEEPER, after: BEFORE_KEYS_SECRET });
    const summary = listed.find(({ name }) => name === KEYS_SECRET);
    if (summary?.version === undefined || summary.version === null) return { keys: [], version: 0 };
    const text = await secrets.getFresh(KEYS_SECRET, { actor: KEEPER });
    return { keys: parseConfig(StoredKeys, JSON.parse(text.open())), version: summary.version };
  }

  #open(stored: readonly StoredKey[]): void {
    const known = new Map(this.#keys.map((key) => [key.kid, key.key]));
    this.#keys = stored.map((one) => ({
      ...one,
      key: known.get(one.kid) ?? signingKeyOf(one.jwk),
    }));
  }
}

/**
 * JOSE's form of a signature (RFC 7518, section 3.4) is set on the key itself: `sign` reads its options off its key
 * argument, and an object around the key costs more than the signature (measured, 45 us against 40).
 */
function signingKeyOf(jwk: StoredKey["jwk"]): SigningKey["key"] {
  return Object.assign(createPrivateKey({ key: jwk, format: "jwk" }), { dsaEncoding: "ieee-p1363" } as const);
}
