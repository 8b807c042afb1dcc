/**
 * A master key in the Transit engine of OpenBao or HashiCorp Vault, and secrets in its KV engine, version 2.
 *
 * Guards: the key stays in the engine; one that could be exported or backed up in clear is refused. What it wraps opens
 * only with the same key and in the same context, which is the engine's associated data. The server's certificate and
 * host name are verified; no redirect is followed, since the token would go along. Needs no package.
 *
 * Does not guard against who holds the token or the role's secret id, and does not renew what has an end: a role gives
 * a new token when the old one is refused, a plain token has to be replaced in its file.
 *
 * The policy that it needs: `update` on `MOUNT/encrypt/KEY` and `MOUNT/decrypt/KEY`, `read` on `MOUNT/keys/KEY`; for
 * secrets `read`, and to write them `create` and `update`, on `MOUNT/data/PREFIX/TENANT/*`.
 *
 * Fails closed: a server that is sealed, gone, or silent for five seconds is `keys.unavailable`, or
 * `secrets.unavailable`.
 *
 * @module
 */
export type { Credential } from "./client.ts";
export { type TransitOptions, transitMaster } from "./master-key.ts";
export { type KvOptions, openBaoSecretStore } from "./secret-store.ts";
