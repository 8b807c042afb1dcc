/**
 * The bank's two routes guarded by the parts a competent team assembles today, each as its documentation has it:
 * better-auth sessions, CASL abilities, helmet, rate limits, zod, row-level security by `set_config` inside a
 * transaction, AES-256-GCM for the account number, an audit row in the same transaction, a request log.
 */
import { AbilityBuilder, createMongoAbility, type MongoAbility, subject } from "@casl/ability";
import helmet from "@fastify/helmet";
import rateLimit from "@fastify/rate-limit";
import { fromNodeHeaders } from "better-auth/node";
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from "fastify";
import { Pool, type PoolClient } from "pg";
import { z } from "zod";
import { type Auth, createAuth } from "./assembled-auth.ts";
import { serve } from "./child.ts";
import { type FieldCipher, fieldCipher } from "./field-cipher.ts";

const Config = z.object({
  database: z.object({
    host: z.string(),
    port: z.number(),
    database: z.string(),
    user: z.string(),
    password: z.string(),
  }),
  poolConnections: z.number(),
  port: z.number(),
  baseUrl: z.string(),
  authSecret: z.string(),
  fieldKey: z.string(),
  cachesSessions: z.boolean(),
});

/** High enough that the benchmark's one address never meets it; every request is still counted. */
const REQUESTS_PER_MINUTE = 10_000_000;

const AccountParams = z.strictObject({ id: z.uuid() });
const TransferBody = z.strictObject({
  from_account: z.uuid(),
  to_account: z.uuid(),
  amount: z.int().positive(),
  reference: z.string().max(140).default(""),
});

interface User {
  readonly id: string;
  readonly bank: string;
  readonly role: string;
}

interface AccountRow {
  id: string;
  bank: string;
  owner_id: string;
  holder: string;
  account_number: Buffer;
  currency: string;
  balance: string;
}

/** What a person may do. A customer reads and debits the accounts that are theirs; staff read all of their bank. */
function abilityOf(user: User): MongoAbility {
  const { can, build } = new AbilityBuilder<MongoAbility>(createMongoAbility);
  can(["read", "transfer"], "Account", { bank: user.bank, owner_id: user.id });
  if (user.role === "staff") can("read", "Account", { bank: user.bank });
  return build();
}

/** Runs `work` in a transaction that row-level security ties to one bank. */
async function withBank<T>(pool: Pool, bank: string, work: (client: PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    await client.query("select set_config('app.bank', $1, true)", [bank]);
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function audit(
  client: PoolClient,
  user: User,
  action: string,
  target: string,
  request: FastifyRequest,
): Promise<void> {
  await client.query(
    "insert into audit_log (bank, user_id, action, target, ip_address, request_id) values ($1, $2, $3, $4, $5, $6)",
    [user.bank, user.id, action, target, request.ip, request.id],
  );
}

class Refused extends Error {
  readonly statusCode: number;

  constructor(statusCode: number, message: string) {
    super(message);
    this.statusCode = statusCode;
  }
}

async function requireUser(auth: Auth, request: FastifyRequest): Promise<User> {
  const session = await auth.api.getSession({ headers: fromNodeHeaders(request.headers) });
  const bank = session?.user.bank;
  if (session === null || typeof bank !== "string") throw new Refused(401, "sign in first");
  return { id: session.user.id, bank, role: session.user.role ?? "customer" };
}

const READ_ACCOUNT = "select id, bank, owner_id, holder, account_number, currency, balance from accounts where id = $1";

interface Services {
  readonly pool: Pool;
  readonly auth: Auth;
  readonly cipher: FieldCipher;
}

function serveAuth(app: FastifyInstance, auth: Auth, baseUrl: string): void {
  app.route({
    method: ["GET", "POST"],
    url: "/api/auth/*",
    async handler(request, reply) {
      const headers = fromNodeHeaders(request.headers);
      const body = request.body === undefined ? {} : { body: JSON.stringify(request.body) };
      const answer = await auth.handler(
        new Request(new URL(request.url, baseUrl), { method: request.method, headers, ...body }),
      );
      reply.code(answer.status);
      for (const [name, value] of answer.headers) reply.header(name, value);
      return reply.send(await answer.text());
    },
  });
}

function serveAccounts(app: FastifyInstance, { pool, auth, cipher }: Services): void {
  app.get("/api/accounts/:id", async (request) => {
    const user = await requireUser(auth, request);
    const { id } = AccountParams.parse(request.params);
    return withBank(pool, user.bank, async (client) => {
      const { rows } = await client.query<AccountRow>(READ_ACCOUNT, [id]);
      const account = rows[0];
      if (account === undefined || !abilityOf(user).can("read", subject("Account", account)))
        throw new Refused(404, "not found");
      await audit(client, user, "account.read", id, request);
      return {
        id: account.id,
        holder: account.holder,
        account_number: cipher.open(account.account_number, account.id),
        currency: account.currency,
        balance: Number(account.balance),
      };
    });
  });
}

function serveTransfers(app: FastifyInstance, { pool, auth }: Services): void {
  app.post("/api/transfers", async (request, reply: FastifyReply) => {
    const user = await requireUser(auth, request);
    const { from_account, to_account, amount, reference } = TransferBody.parse(request.body);
    const done = await withBank(pool, user.bank, async (client) => {
      const { rows } = await client.query<AccountRow>(READ_ACCOUNT, [from_account]);
      const account = rows[0];
      if (account === undefined || !abilityOf(user).can("transfer", subject("Account", account)))
        throw new Refused(404, "not found");
      const debited = await client.query<{ balance: string }>(
        "update accounts set balance = balance - $2 where id = $1 and balance >= $2 returning balance",
        [from_account, amount],
      );
      const credited = await client.query("update accounts set balance = balance + $2 where id = $1", [
        to_account,
        amount,
      ]);
      const source = debited.rows[0];
      if (source === undefined || credited.rowCount !== 1) throw new Refused(409, "transfer refused");
      const inserted = await client.query<{ id: string }>(
        "insert into transfers (bank, from_account, to_account, amount, reference) values ($1, $2, $3, $4, $5) returning id",
        [user.bank, from_account, to_account, amount, reference],
      );
      const id = inserted.rows[0]?.id ?? "";
      await audit(client, user, "transfer.executed", id, request);
      return { id, balance: Number(source.balance) };
    });
    return reply.code(201).send(done);
  });
}

serve(Config, async (config) => {
  const pool = new Pool({ ...config.database, max: config.poolConnections });
  const auth = createAuth({
    pool,
    secret: config.authSecret,
    baseUrl: config.baseUrl,
    cachesSessions: config.cachesSessions,
  });
  const cipher = fieldCipher(config.fieldKey);
  const app = Fastify({ logger: { redact: ["req.headers.cookie", "req.headers.authorization"] } });
  await app.register(helmet);
  await app.register(rateLimit, { max: REQUESTS_PER_MINUTE, timeWindow: "1 minute" });

  app.setErrorHandler((error, _request, reply) => {
    if (error instanceof z.ZodError) return reply.code(400).send({ error: "invalid request" });
    if (error instanceof Refused) return reply.code(error.statusCode).send({ error: error.message });
    return reply.send(error);
  });

  serveAuth(app, auth, config.baseUrl);
  serveAccounts(app, { pool, auth, cipher });
  serveTransfers(app, { pool, auth, cipher });
  return app.listen({ port: config.port, host: "127.0.0.1" });
});
