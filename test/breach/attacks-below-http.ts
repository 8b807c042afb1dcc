import { sql } from "kysely";
import { openSql } from "../../src/adapters/postgres/index.ts";
import { RingwallError, statement } from "../../src/core/index.ts";
import { type Attack, judge, REACHED, type Result, stopped } from "./attack.ts";
import { as, send } from "./http.ts";
import type { BreachStage } from "./stage.ts";

const SEE = statement<{ account_id: string }>("breach.see", "select account_id from bank.account");
const PLANT = statement(
  "breach.plant",
  `insert into bank.document (tenant_id, document_id, owner_id, title, body)
   values ($1, gen_random_uuid(), $2, 'Planted', 'by the other bank')`,
);
const PLAINTEXT = statement(
  "breach.plaintext",
  "insert into bank.customer (customer_id, user_id, name, national_id, row_key) values (gen_random_uuid(), gen_random_uuid(), 'P', $1, $2)",
);
const OVERDRAW = statement(
  "breach.overdraw",
  "update bank.account set balance = balance - 1000000 where account_id = $1",
);
const ROW_KEY = Buffer.alloc(98, 1);

async function refusal(work: () => Promise<unknown>): Promise<Result> {
  try {
    await work();
    return REACHED;
  } catch (error) {
    return stopped(error instanceof RingwallError ? error.code : "refused by PostgreSQL");
  }
}

const actor = ({ north }: BreachStage) => ({ type: "service", tenant: north.owner.tenant, name: "breach" }) as const;

/** Attacks of somebody who already runs code in the application: it holds the application's own database login. */
export const attacksBelowHttp: readonly Attack[] = [
  {
    id: "no-context",
    aim: "the application's login reads accounts without saying for whom",
    stops: [[4, "no rows"]],
    run: async (stage) => {
      const bare = openSql(stage.at.target("bank_app"));
      const { rows } = await sql`select account_id from bank.account`.execute(bare);
      await bare.destroy();
      return rows.length > 0 ? REACHED : stopped("no rows");
    },
  },
  {
    id: "forged-context",
    aim: "the application's login writes itself a context for another tenant",
    stops: [[4, "refused by PostgreSQL"]],
    run: async (stage) => {
      const bare = openSql(stage.at.target("bank_app"));
      try {
        return await refusal(async () => {
          await bare.transaction().execute(async (tx) => {
            await sql`select set_config('ringwall.context', 'v1.k1.southbank.9999999999.AAAA', true)`.execute(tx);
            const { rows } = await sql`select account_id from bank.account`.execute(tx);
            if (rows.length === 0) throw new Error("no rows");
          });
        });
      } finally {
        await bare.destroy();
      }
    },
  },
  {
    id: "other-tenants-rows",
    aim: "a statement without a condition, in one bank's transaction, sees the other's accounts",
    stops: [[4, "only the own bank's"]],
    run: async (stage) => {
      const rows = await stage.at.client.once(stage.north.owner.tenant, actor(stage), SEE);
      const foreign = rows.some(({ account_id }) => account_id === stage.south.customer.account);
      return foreign ? REACHED : stopped("only the own bank's");
    },
  },
  {
    id: "planted-row",
    aim: "one bank's transaction writes a row into the other bank",
    stops: [[4, "internal"]],
    run: async (stage) => {
      const values = [stage.south.owner.tenant, stage.south.owner.user];
      return await refusal(() => stage.at.client.once(stage.north.owner.tenant, actor(stage), PLANT, values));
    },
  },
  {
    id: "plaintext",
    aim: "a national id lands in its sealed column in clear",
    stops: [[4, "request.invalid"]],
    run: async (stage) => {
      const values = [Buffer.from("19850412-0057, in clear, for everybody"), ROW_KEY];
      return await refusal(() => stage.at.client.once(stage.north.owner.tenant, actor(stage), PLAINTEXT, values));
    },
  },
  {
    id: "overdraft",
    aim: "a faulty statement takes more from an account than it holds",
    stops: [[4, "request.invalid"]],
    run: async (stage) => {
      const values = [stage.north.other.account];
      return await refusal(() => stage.at.client.once(stage.north.owner.tenant, actor(stage), OVERDRAW, values));
    },
  },
  {
    id: "swapped-seal",
    aim: "an administrator of the database shows one customer another one's account number",
    stops: [[4, "500 keys.decrypt_failed"]],
    run: async (stage) => {
      const { other, viewer } = stage.north;
      await stage.at.owner.query(
        `update bank.account mine set number = theirs.number
         from bank.account theirs where mine.account_id = $1 and theirs.account_id = $2`,
        [viewer.account, other.account],
      );
      return judge(await send(stage, `/api/accounts/${viewer.account}`, { headers: as(stage, viewer, "viewer") }));
    },
  },
  {
    id: "erased-trace",
    aim: "the application's login deletes what it has recorded",
    stops: [
      [5, "refused by PostgreSQL"],
      [4, "refused by PostgreSQL"],
    ],
    run: async (stage) => {
      const bare = openSql(stage.at.target("bank_app"));
      try {
        return await refusal(() => sql`delete from ringwall.audit_outbox`.execute(bare));
      } finally {
        await bare.destroy();
      }
    },
  },
  {
    id: "transfer-without-trace",
    aim: "money moves, and no record says so",
    stops: [[5, "it is on record"]],
    run: async (stage) => {
      const { customer, other } = stage.north;
      const count = async (): Promise<number> => {
        const [row] = await stage.at.owner.query<{ count: number }>(
          "select count(*)::int as count from ringwall.audit_outbox where leaf like '%transfer.executed%'",
        );
        return row?.count ?? 0;
      };
      const before = await count();
      const answer = await send(stage, "/api/transfers", {
        body: { from: customer.account, to: other.account, amount: 7 },
        headers: { ...as(stage, customer, "editor"), "idempotency-key": "breach-trace" },
      });
      if (answer.status !== 201) return stopped(`not even done: ${answer.status} ${answer.code ?? ""}`);
      return (await count()) > before ? stopped("it is on record") : REACHED;
    },
  },
];
