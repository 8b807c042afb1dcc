import { type Actor, isTenantId, type PlainSecret, RingwallError, type TenantId } from "../../core/index.ts";
import { isSecretName, secretName } from "./name.ts";

/** Where one secret is, in parts: a store spells them as it needs to, and never splits a text that came from outside. */
export interface SecretKey {
  /** The platform's is the global scope. */
  readonly tenant: TenantId;
  /** One to eight, each of 1 to 64 of a-z, 0-9, `_` and `-`. */
  readonly segments: readonly string[];
}

/** A value as a store gives it. */
export interface StoredSecret {
  readonly value: PlainSecret;
  /** The store's own word for the version: equal for the same write, different for any other. Shows nothing of the value. */
  readonly version: string;
  /** From then on the value is not handed out. Null where there is no end, or the store knows none. */
  readonly expiresMs: number | null;
}

/** What a write may ask for. */
export interface StoreWrite {
  readonly actor: Actor;
  /** Writes only over this version; null writes only where there is nothing. */
  readonly expected?: string | null;
}

/**
 * Where secrets are kept. Values are text of 1 to `SECRET_BYTES_MAX` bytes, and come back byte for byte. A method ends
 * within ten seconds. Who may do it was decided before: `actor` is what the store's own walls and records need.
 *
 * Every method throws RingwallError `secrets.unavailable` when the store cannot be asked, `secrets.denied` when it
 * refuses us, and `secrets.invalid` for what is no key. No error shows a value.
 */
export interface SecretStore {
  /** Stands in logs, e.g. `openbao`. */
  readonly kind: string;
  /** The value in use. @returns Undefined when there is none, or it was deleted. */
  read(key: SecretKey, actor: Actor): Promise<StoredSecret | undefined>;
  /**
   * Makes a value the one in use.
   * @returns Its version.
   * @throws RingwallError `resource.conflict` when `expected` is not the version in use; nothing was changed then.
   */
  write(key: SecretKey, value: PlainSecret, options: StoreWrite): Promise<string>;
}

/** @throws RingwallError `secrets.invalid` when the name has another form than a secret's. */
export function secretKey(tenant: TenantId, name: string): SecretKey {
  return { tenant, segments: secretName(name).split("/") };
}

/**
 * What a store puts between its separators. Checked again, where the path is made: a key is a plain object, and whoever
 * made it may have forgotten to.
 * @throws RingwallError `secrets.invalid` for a key that `secretKey` would not have made.
 */
export function keyPath(key: SecretKey): readonly [tenant: string, ...segments: string[]] {
  const { segments, tenant } = key;
  // Segment by segment: one that holds the separator is two.
  if (!isTenantId(tenant) || !isSecretName(segments.join("/")) || segments.some((one) => one.includes("/"))) {
    throw new RingwallError("secrets.invalid");
  }
  return [tenant, ...segments];
}
