import { type Database, isoTime, PlainSecret, type Recorder, RingwallError } from "../../core/index.ts";
import type { Keys } from "../keys/index.ts";
import { secretContext, secretEvent } from "./marks.ts";
import { secretBytes } from "./name.ts";
import { ADD_VERSION, ENSURE, LOCK_POINTERS, POINT_CURRENT, READ_CURRENT } from "./statements.ts";
import { keyPath, type SecretKey, type SecretStore, type StoreWrite } from "./store.ts";

/** What Ringwall's own store stands on. */
interface OwnStoreOptions {
  readonly database: Database;
  readonly keys: Keys;
  readonly recorder: Recorder;
}

/** What a write may ask for. */
export interface SetOptions {
  /** From then on reads are refused. */
  readonly expiresMs?: number;
  readonly expectedVersion?: number;
  readonly abandonRotation?: boolean;
}

/** Beyond the port: an end, a version as a number, and writing over a rotation that did not finish. */
export interface OwnSecretStore extends SecretStore {
  put(key: SecretKey, value: PlainSecret, options: Pick<StoreWrite, "actor"> & SetOptions): Promise<number>;
}

const VERSION = /^[1-9][0-9]{0,8}$/;

/**
 * Ringwall's own store: sealed by the key tree, in PostgreSQL behind the tenant wall. A write commits with its record.
 * Versions count from 1. An outage of the database is `database.unavailable`, which is what it is.
 */
export function databaseSecretStore(options: OwnStoreOptions): OwnSecretStore {
  const put: OwnSecretStore["put"] = (key, value, change) => putVersion(options, key, value, change);
  return {
    kind: "ringwall",
    async read(key, actor) {
      const { database, keys } = options;
      const [, ...segments] = keyPath(key);
      const name = segments.join("/");
      const [row] = await database.once(key.tenant, actor, READ_CURRENT, [name]);
      if (row === undefined) return undefined;
      const bytes = await keys.openValue(key.tenant, "secrets", secretContext(name, row.version), row.sealed);
      const value = new PlainSecret(bytes.toString("utf8"));
      bytes.fill(0);
      return { value, version: String(row.version), expiresMs: row.expires_ms };
    },
    async write(key, value, { actor, expected }) {
      if (expected === undefined) return String(await put(key, value, { actor }));
      const isOurs = expected === null || VERSION.test(expected);
      // What is no version of ours is none that is in use.
      if (!isOurs) throw changedMeanwhile();
      return String(await put(key, value, { actor, expectedVersion: Number(expected ?? 0) }));
    },
    put,
  };
}

async function putVersion(
  { database, keys, recorder }: OwnStoreOptions,
  key: SecretKey,
  value: PlainSecret,
  change: Pick<StoreWrite, "actor"> & SetOptions,
): Promise<number> {
  const { tenant } = key;
  const [, ...segments] = keyPath(key);
  const name = segments.join("/");
  const bytes = secretBytes(value);
  // Loaded before the transaction, so that it does not wait for another connection while it holds the row.
  await keys.current(tenant, "secrets");
  try {
    return await database.forTenant(tenant, change.actor, async (tx) => {
      await tx.run(ENSURE, [name]);
      const [pointers] = await tx.run(LOCK_POINTERS, [name]);
      if (pointers === undefined) throw new RingwallError("internal", { detail: { what: "secret row vanished" } });
      refuseConflict(pointers, change);
      const next = pointers.latest_version + 1;
      const sealed = await keys.sealValue(tenant, "secrets", secretContext(name, next), bytes);
      const expires = change.expiresMs === undefined ? null : isoTime(change.expiresMs);
      await tx.run(ADD_VERSION, [name, next, sealed, expires]);
      await tx.run(POINT_CURRENT, [name, next]);
      tx.invalidate({ kind: "secret", tenant, id: name });
      const facts = { version: next, abandonedRotation: pointers.pending_version !== null };
      const action = pointers.current_version === null ? "secret.created" : "secret.changed";
      await recorder.record(tx, secretEvent(action, "success", tenant, change.actor, name, facts));
      return next;
    });
  } finally {
    bytes.fill(0);
  }
}

function refuseConflict(
  pointers: { readonly current_version: number | null; readonly pending_version: number | null },
  { expectedVersion, abandonRotation = false }: SetOptions,
): void {
  if (pointers.pending_version !== null && !abandonRotation) {
    throw new RingwallError("resource.conflict", {
      message: "a rotation of this secret is unfinished: rotate it again",
    });
  }
  if (expectedVersion !== undefined && expectedVersion !== (pointers.current_version ?? 0)) throw changedMeanwhile();
}

function changedMeanwhile(): RingwallError {
  return new RingwallError("resource.conflict", { message: "the secret was changed by somebody else meanwhile" });
}
