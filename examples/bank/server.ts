/**
 * The example bank: one application, two competing banks, on Ringwall.
 *
 * What is the bank's own is here: its routes, its rules and its statements. Who is asking, in which bank, what a request
 * may look like and which rows it reaches is Ringwall's.
 *
 * @module
 */
import type { FastifyInstance } from "fastify";
import {
  createServer,
  healthRoutes,
  type RouteDefinition,
  register,
  type ServerOptions,
} from "ringwall/adapters/fastify";
import type { Bank } from "./bank.ts";
import { accounts } from "./routes/accounts.ts";
import { customers } from "./routes/customers.ts";
import { documents } from "./routes/documents.ts";
import { page } from "./routes/page.ts";
import { signIn } from "./routes/sign-in.ts";
import { transfers } from "./routes/transfers.ts";

export type { Bank } from "./bank.ts";

/** Another name than the server's: both are reached as `localhost`, and cookies know no ports. */
export const SESSION_COOKIE = "__Host-bank_session";

/** Every route of the bank. */
export function bankRoutes(bank: Bank): readonly RouteDefinition[] {
  const health = healthRoutes(() => ({ draining: bank.draining(), ping: () => bank.database.ping() }));
  const own = [page, signIn, customers, accounts, transfers, documents].flatMap((routes) => routes(bank));
  return [...health, ...own];
}

/**
 * The bank's server; nothing listens yet.
 * @param behind - How the gateway's assertions are checked, for a server that takes requests from nobody else.
 */
export function createBank(bank: Bank, behind: Pick<ServerOptions, "assertion"> = {}): FastifyInstance {
  const app = createServer(bank.ringwall.guard, behind);
  register(app, bankRoutes(bank));
  return app;
}
