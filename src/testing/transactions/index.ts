/**
 * The suite that every wrapper of a driver passes, directly and behind PgBouncer.
 *
 * Nothing shipped imports this.
 *
 * @module
 */
export { type BuilderUnderTest, type OpenBuilder, type Send, transactionsContract } from "./contract.ts";
