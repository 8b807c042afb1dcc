/**
 * Layer 4, secrets: read at run time, rotated without a restart, never seen.
 *
 * Secrets live sealed under their tenant's key, in versions; the platform's are the global scope. `get` gives a
 * `PlainSecret`, which prints as `[secret]`. Every read is audited, from memory or not; every change commits with its
 * record. A rotation stages the next value, applies it where it is used, tests it and only then promotes it; whatever
 * step it dies at, the next one finishes it.
 *
 * Values are in Ringwall's own store, or in another behind the port `SecretStore`, which `createSecretReader` reads with
 * the same memory, records and refusals.
 *
 * Guards against a stolen database or backup, against another tenant (the wall and the seal), against hostile names,
 * and against secrets in shared caches: values are kept in this process only. Does not guard against who can read this
 * process's memory: a value that was handed out is a JavaScript string, which cannot be wiped.
 *
 * Limits: names of one to eight segments of 64 characters; 64 KiB a value; 300 seconds and 1,024 values in memory,
 * forgotten within a second of a change on any node.
 *
 * Fails closed, and tells apart: no such secret (or not yours: the two look the same), expired, database gone, audit
 * not durable. In memory a value outlives an outage of the database by its age at most. Without the bus every read asks
 * the database.
 *
 * @module
 */
export { SecretsConfig } from "./config.ts";
export { isSecretName, SECRET_BYTES_MAX, secretBytes, secretName } from "./name.ts";
export { databaseSecretStore, type OwnSecretStore, type SetOptions } from "./own-store.ts";
export { createSecretReader, type SecretReader, type SecretReaderOptions } from "./reader.ts";
export type { Rotator } from "./rotation.ts";
export type { Scope } from "./scope.ts";
export { createSecrets, type SecretSummary, type Secrets, type SecretsOptions } from "./secrets.ts";
export { keyPath, type SecretKey, type SecretStore, type StoredSecret, type StoreWrite, secretKey } from "./store.ts";
