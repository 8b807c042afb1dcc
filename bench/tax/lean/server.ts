/**
 * The two routes on Ringwall's own plumbing with every protection taken out: the Fastify adapter with a guard that has
 * no steps, the pool and the wire without a tenant, nothing sealed, counted, logged or audited.
 */
import { z } from "zod";
import { Answer, createServer, register, route } from "../../../src/adapters/fastify/index.ts";
import { RingwallError, statement, systemClock, uuidv7 } from "../../../src/core/index.ts";
import type { Guard } from "../../../src/pipeline.ts";
import { serve } from "../child.ts";
import { POOL_CONNECTIONS } from "../variant.ts";
import { type LeanDatabase, leanDatabase } from "./database.ts";

const Config = z.object({
  database: z.object({
    host: z.string(),
    port: z.number(),
    database: z.string(),
    user: z.string(),
    password: z.string(),
  }),
});

const NOTHING: readonly string[] = [];

/** Lets everything through, and looks at none of it. */
const openGuard: Guard = {
  steps: [],
  clock: systemClock,
  sessionCookie: "__Host-none",
  bodyBytesMax: 1_048_576,
  open: ({ method, target }) => ({
    method,
    target,
    route: undefined,
    header: NO_HEADER,
    client: { address: "", rateKey: "", viaProxy: false, blocked: false, note: undefined },
    site: NO_SITE,
    requestId: "",
    correlation: undefined,
    startedMs: 0,
    rate: undefined,
  }),
  parseBody: (bytes): unknown => JSON.parse(bytes.toString("utf8")),
  headersFor: () => NOTHING,
  completed: () => {},
};

const NO_SITE = {
  method: "",
  https: false,
  host: undefined,
  origin: undefined,
  fetchSite: undefined,
  cookie: undefined,
} as const;
const NO_HEADER = {
  host: undefined,
  origin: undefined,
  cookie: undefined,
  userAgent: undefined,
  forwardedFor: undefined,
  forwardedProto: undefined,
  fetchSite: undefined,
  requestId: undefined,
  preflightMethod: undefined,
  preflightHeaders: undefined,
  contentLength: undefined,
  transferEncoding: undefined,
  idempotencyKey: undefined,
  flaw: undefined,
} as const;

interface AccountRow {
  readonly account_id: string;
  readonly owner_id: string;
  readonly balance: bigint;
  readonly currency: string;
  readonly number: string;
}

const READ_ACCOUNT = statement<AccountRow>(
  "lean.read_account",
  "select account_id, owner_id, balance, currency, number from account where account_id = $1",
);

// The whole transfer in one statement, as nobody has to be asked in between.
const TRANSFER = statement<{ balance: bigint; currency: string }>(
  "lean.transfer",
  `with payer as (
     update account set balance = balance - $4::bigint where account_id = $2 and balance >= $4::bigint
     returning balance, currency),
   payee as (
     update account set balance = balance + $4::bigint
     where account_id = $3 and exists (select from payer where payer.currency = account.currency)
     returning currency),
   written as (
     insert into transfer (transfer_id, from_account, to_account, amount, currency)
     select $1, $2, $3, (select $4::bigint from payee), currency from payer)
   select balance, currency from payer`,
);

const Account = z.strictObject({
  id: z.string(),
  owner: z.string(),
  balance: z.int(),
  currency: z.string(),
  number: z.string(),
});

/** As the bank's input, which no step checks here. */
interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

function routes(database: LeanDatabase): ReturnType<typeof route>[] {
  return [
    route(
      "GET",
      "/api/accounts/:id",
      { access: "public", output: Account, summary: "Shows one account." },
      async ({ exchange }) => {
        const { id } = exchange.params as { readonly id: string };
        const [row] = await database.read(READ_ACCOUNT, [id]);
        if (row === undefined) throw new RingwallError("resource.not_found");
        const { account_id, balance, currency, number, owner_id: owner } = row;
        return { id: account_id, owner, balance: Number(balance), currency, number };
      },
    ),
    route(
      "POST",
      "/api/transfers",
      { access: "public", summary: "Moves money between two accounts." },
      async ({ exchange }) => {
        const { amount, from, to } = exchange.body as Transfer;
        const id = uuidv7(systemClock());
        const [row] = await database.write(TRANSFER, [id, from, to, amount]);
        if (row === undefined) throw new RingwallError("transfer.insufficient_funds");
        return new Answer(201, { id, from, to, amount, currency: row.currency, balance: Number(row.balance) });
      },
    ),
  ];
}

serve(Config, async ({ database }) => {
  const app = createServer(openGuard);
  register(app, routes(leanDatabase(database, POOL_CONNECTIONS)));
  return app.listen({ port: 0, host: "127.0.0.1" });
});
