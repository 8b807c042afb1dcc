import type { KeyObject } from "node:crypto";
import { assert, type TenantId } from "../../core/index.ts";
import { subkeyOf } from "./derive.ts";
import { WrapBudget } from "./wrap-budget.ts";

/** What a tenant's keys are for. One key each, so that rotating or destroying one does not force the others. */
export const TENANT_PURPOSES = ["data", "index", "vault", "secrets", "objects", "audit", "identity"] as const;
/** Purposes of a tenant's keys. */
export type TenantPurpose = (typeof TENANT_PURPOSES)[number];

/** Keys of the installation itself, under the platform tenant. `anchor` ties a database to its master key. */
export const SERVICE_PURPOSES = [
  "anchor",
  "session-pepper",
  "link-pepper",
  "attempt-pepper",
  "audit-commitment",
] as const;
/** Purposes of Ringwall's own keys, under the platform tenant. */
export type ServicePurpose = (typeof SERVICE_PURPOSES)[number];
/** What a key is for; keys of different purposes are never derived from one another. */
export type KeyPurpose = TenantPurpose | ServicePurpose;

/** Which version of which key. */
export interface KeyPlace {
  readonly tenant: TenantId;
  readonly purpose: KeyPurpose;
  readonly version: number;
}

// Labels are constants of the code. More than a few on one key means that somebody made them of data.
const LABELS_MAX = 32;

/**
 * One version of one key of a tenant, unwrapped. The key itself cannot be had: what callers get are subkeys, one for
 * each use, so that no two uses share a key.
 */
export class TenantKey {
  readonly tenant: TenantId;
  readonly purpose: KeyPurpose;
  readonly version: number;
  /** Counts the row keys wrapped under it, by everybody who holds it in this process. */
  readonly wraps: WrapBudget;
  readonly #key: KeyObject;
  readonly #subkeys = new Map<string, KeyObject>();

  constructor(place: KeyPlace, key: KeyObject, wraps = new WrapBudget()) {
    const { tenant, purpose, version } = place;
    assert(key.symmetricKeySize === 32, "a tenant key has 32 bytes");
    this.wraps = wraps;
    this.tenant = tenant;
    this.purpose = purpose;
    this.version = version;
    this.#key = key;
  }

  /**
   * The key for one use, e.g. `createHmac("sha256", key.subkey("session/token"))`. Derived once and kept.
   * @param label - A constant of the code that names the use; never made of data.
   */
  subkey(label: string): KeyObject {
    const known = this.#subkeys.get(label);
    if (known !== undefined) return known;
    assert(this.#subkeys.size < LABELS_MAX, "subkey labels are constants");
    const derived = subkeyOf(this.#key, "rw/subkey/v1", label);
    this.#subkeys.set(label, derived);
    return derived;
  }
}
