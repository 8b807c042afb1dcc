/**
 * The test harness: contract suites that every adapter passes, fakes named as such, and a database per test.
 *
 * Nothing shipped imports this. `testDatabase` needs `postgres-server.ts` as vitest's global set-up; parts that need no
 * database can be imported from their own files.
 *
 * @module
 */

export { opensslMissing, type TestAuthority, testAuthority } from "./certificates.ts";
export { presentSigner, type TestDatabase, testDatabase } from "./database.ts";
export { CONTRACT_TABLE, type DatabaseUnderTest, databaseContract } from "./database-contract.ts";
export { freePort } from "./free-port.ts";
export { redisMissing, startRedis, type TestRedis } from "./redis-server.ts";
export { type SoftHsm, softHsm, softHsmMissing } from "./sealing/softhsm.ts";
export { CONTRACT_TENANTS, type SecretStoreUnderTest, secretStoreContract } from "./secrets/index.ts";
export type { TestServer } from "./servers/template.ts";
export { type BuilderUnderTest, type OpenBuilder, type Send, transactionsContract } from "./transactions/index.ts";
