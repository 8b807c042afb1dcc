import { timingSafeEqual } from "node:crypto";
import { assert, RingwallError } from "../../core/index.ts";
import { commitmentOf, keyFrom } from "./derive.ts";
import { decryptFailed } from "./envelope.ts";
import type { MasterKey } from "./master.ts";
import type { WrappedKey } from "./store.ts";
import { type KeyPlace, TenantKey } from "./tenant-key.ts";
import type { WrapBudget } from "./wrap-budget.ts";

/** The master key in use, and those before it that still open what they wrapped. */
export class Masters {
  readonly current: MasterKey;
  readonly #byId: ReadonlyMap<string, MasterKey>;

  constructor(current: MasterKey, previous: readonly MasterKey[] = []) {
    this.current = current;
    this.#byId = new Map([...previous, current].map((master) => [master.id, master]));
  }

  /** A fresh key in its place, wrapped by the master in use. */
  async make(place: KeyPlace): Promise<WrappedKey> {
    const { plaintext, wrapped } = await this.current.generate(wrapContext(place));
    const commitment = commitmentOf(keyFrom(plaintext));
    return { ...place, masterId: this.current.id, wrapped, commitment };
  }

  /** @throws RingwallError `keys.master_refused` when no master key that is here wrapped it; `keys.decrypt_failed` */
  async open(key: WrappedKey, wraps: WrapBudget): Promise<TenantKey> {
    const bytes = keyFrom(await this.#unwrap(key));
    if (!timingSafeEqual(commitmentOf(bytes), key.commitment)) throw decryptFailed(placeOf(key));
    return new TenantKey(key, bytes, wraps);
  }

  /**
   * The same key, wrapped by the master in use. Opened again and held against its commitment before it is given back: a
   * wrapped key that is about to be replaced is the only copy there is.
   */
  async rewrap(key: WrappedKey): Promise<WrappedKey> {
    assert(key.state !== "destroyed", "a destroyed key has nothing to wrap");
    const bytes = await this.#unwrap(key);
    try {
      const wrapped = await this.current.wrap(bytes, wrapContext(key));
      const fresh = { ...key, masterId: this.current.id, wrapped };
      const opened = await this.current.unwrap(wrapped, wrapContext(key));
      const same = opened.equals(bytes);
      if (!same || !timingSafeEqual(commitmentOf(keyFrom(opened)), key.commitment)) throw decryptFailed(placeOf(key));
      return fresh;
    } finally {
      bytes.fill(0);
    }
  }

  async #unwrap(key: WrappedKey): Promise<Buffer> {
    const master = this.#byId.get(key.masterId);
    if (master === undefined) throw otherMaster(key, this.current.id);
    return await master.unwrap(key.wrapped, wrapContext(key));
  }
}

function wrapContext({ purpose, tenant, version }: KeyPlace): readonly string[] {
  return ["rw/tenant-key/v1", tenant, purpose, String(version)];
}

function placeOf({ purpose, tenant, version }: WrappedKey) {
  return { tenant, purpose, keyVersion: version };
}

function otherMaster(key: WrappedKey, masterId: string): RingwallError {
  return new RingwallError("keys.master_refused", {
    message:
      `this master key does not belong to this database: it is ${masterId}, the database was made with ` +
      `${key.masterId}. Put that key back from your backup, or name the right file in masterKey.`,
    detail: { tenant: key.tenant, purpose: key.purpose, version: key.version },
  });
}
