/**
 * Layer 4, keys: the tree that every sealed thing in Ringwall hangs on.
 *
 * A master key wraps tenant keys, one for each tenant and purpose; service keys are the platform tenant's. A tenant's
 * `data` key wraps one key for each row, and a row key gives one key for each column. Tenant keys are made on first
 * use, in one insert that two processes may race for, and have versions: the newest seals, all open.
 *
 * Guards against whoever reads or writes the database without the master key: a wrapped key opens only for its own
 * tenant, purpose, version, table and row, and is checked against a commitment. A database that belongs to another
 * master key is refused at start. Does not guard against who can read this process's memory, and does not stop
 * somebody with write access from putting an older sealed value back in its own place.
 *
 * Limits: an unwrapped key is used for 300 seconds and 2^20 times at most, then the master is asked again; 10,000 keys
 * and 64 MiB of them are kept; a data key wraps 2^31 row keys, counted over all processes, before its next version is
 * made; 64 versions of a key; a sealed value holds 1 MiB. Keys live as `KeyObject`s, outside JavaScript's memory, and are
 * wiped when they are collected; buffers that held one are wiped at once.
 *
 * Fails closed: a master that does not answer means no key, after at most 300 seconds. Without the bus, every use
 * reads the key's rows from the database, so that a revoked key is noticed. A key that was erased is `keys.erased` for
 * whoever would seal. Whatever cannot be opened is one error,
 * `keys.decrypt_failed`, whatever the reason.
 *
 * @module
 */
export { DataConfig, type MasterKeyConfig } from "./config.ts";
export { subkeyOf } from "./derive.ts";
export { BOX_OVERHEAD_BYTES, box, decryptFailed, unbox } from "./envelope.ts";
export type { JobKey } from "./job-key.ts";
export { type MasterKey, newMasterText, parseMasterText, softwareMaster } from "./master.ts";
export {
  isErasedRowKey,
  mintRowKey,
  openRowKey,
  ROW_KEY_BYTES,
  type RowKey,
  type RowPlace,
  rowKeyVersion,
} from "./row-key.ts";
export { databaseKeyStore, KEY_KEEPER, type KeyChanges, type KeyStore, type WrappedKey } from "./store.ts";
export {
  type KeyPlace,
  type KeyPurpose,
  SERVICE_PURPOSES,
  type ServicePurpose,
  TENANT_PURPOSES,
  TenantKey,
  type TenantPurpose,
} from "./tenant-key.ts";
export { createKeys, type Keys, type KeysOptions, recordedMasterId } from "./tree.ts";
export { cacheKey, type Kept, WarmCache } from "./warm-cache.ts";
export type { Every } from "./watched-bus.ts";
export { WRAPS_ROTATE } from "./wrap-budget.ts";
