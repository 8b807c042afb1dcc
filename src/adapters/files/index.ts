/**
 * What Ringwall keeps in files of its own beside the database: the master key, the key that
 * signs audit heads, copies of those heads, the ledger of what was erased, and secrets where no better store is at hand.
 *
 * Guards: files are 0600 and never followed through a symbolic link; a key that others may read is refused; head copies
 * are only appended to and synced before they count. Does not guard against whoever is the process's own account or root.
 *
 * @module
 */
export { fileHeadStore } from "./audit-heads.ts";
export { createAuditKeyFile, readAuditKeyFile } from "./audit-key.ts";
export { fileErasureLedger } from "./erasure-ledger.ts";
export { openMasterKeyFile } from "./master-key.ts";
export { readPrivateFile, writePrivateFile } from "./private-file.ts";
export { type FileSecretsOptions, fileSecretStore } from "./secret-store.ts";
