/**
 * What tests of Ringwall and of applications on it stand on: a real PostgreSQL per run and a fresh database per test,
 * the contract suites every adapter passes, and the few fakes, each named as one.
 *
 * Not for production: nothing in `src` imports it, and it needs vitest with `postgres-server.ts` as global setup.
 *
 * @module
 */
export { counterStoreContract } from "./counter-store.ts";
export { type TestDatabase, testDatabase } from "./database.ts";
export { redisMissing, startRedis } from "./redis-server.ts";
