/**
 * The bank's two routes as an ordinary good engineer writes them on Fastify and `pg`: a pool, parameterised queries,
 * one transaction for the transfer, JSON schemas for input and output. No security at all, and the account number
 * lies in the table in clear.
 */
import Fastify from "fastify";
import { Pool } from "pg";
import { z } from "zod";
import { serve } from "./child.ts";

const Config = z.object({
  database: z.object({
    host: z.string(),
    port: z.number(),
    database: z.string(),
    user: z.string(),
    password: z.string(),
  }),
  poolConnections: z.number(),
});

interface AccountRow {
  id: string;
  holder: string;
  account_number: string;
  currency: string;
  balance: string;
}

interface TransferBody {
  from_account: string;
  to_account: string;
  amount: number;
  reference: string;
}

const uuid = { type: "string", format: "uuid" } as const;
const accountSchema = {
  type: "object",
  properties: {
    id: { type: "string" },
    holder: { type: "string" },
    account_number: { type: "string" },
    currency: { type: "string" },
    balance: { type: "integer" },
  },
} as const;
const transferBodySchema = {
  type: "object",
  required: ["from_account", "to_account", "amount"],
  additionalProperties: false,
  properties: {
    from_account: uuid,
    to_account: uuid,
    amount: { type: "integer", minimum: 1 },
    reference: { type: "string", maxLength: 140 },
  },
} as const;
const transferSchema = {
  type: "object",
  properties: { id: { type: "string" }, balance: { type: "integer" } },
} as const;

serve(Config, async ({ database, poolConnections }) => {
  const pool = new Pool({ ...database, max: poolConnections });
  const app = Fastify({ logger: false });

  app.get<{ Params: { id: string } }>(
    "/api/accounts/:id",
    { schema: { params: { type: "object", properties: { id: uuid } }, response: { 200: accountSchema } } },
    async (request, reply) => {
      const { rows } = await pool.query<AccountRow>(
        "select id, holder, account_number, currency, balance from accounts where id = $1",
        [request.params.id],
      );
      const account = rows[0];
      if (account === undefined) return reply.code(404).send({ error: "not found" });
      return { ...account, balance: Number(account.balance) };
    },
  );

  app.post<{ Body: TransferBody }>(
    "/api/transfers",
    { schema: { body: transferBodySchema, response: { 201: transferSchema } } },
    async (request, reply) => {
      const { from_account, to_account, amount, reference } = request.body;
      const client = await pool.connect();
      try {
        await client.query("BEGIN");
        const debited = await client.query<{ balance: string }>(
          "update accounts set balance = balance - $2 where id = $1 and balance >= $2 returning balance",
          [from_account, amount],
        );
        const credited = await client.query("update accounts set balance = balance + $2 where id = $1", [
          to_account,
          amount,
        ]);
        const source = debited.rows[0];
        if (source === undefined || credited.rowCount !== 1) {
          await client.query("ROLLBACK");
          return await reply.code(409).send({ error: "transfer refused" });
        }
        const inserted = await client.query<{ id: string }>(
          "insert into transfers (from_account, to_account, amount, reference) values ($1, $2, $3, $4) returning id",
          [from_account, to_account, amount, reference],
        );
        await client.query("COMMIT");
        return await reply.code(201).send({ id: inserted.rows[0]?.id, balance: Number(source.balance) });
      } catch (error) {
        await client.query("ROLLBACK");
        throw error;
      } finally {
        client.release();
      }
    },
  );

  return app.listen({ port: 0, host: "127.0.0.1" });
});
