import { sql } from "kysely";
import { wall } from "../../migrations/index.ts";
import { openSql, type PostgresDatabase, postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { type ServiceActor, statement, systemClock, type TenantId, type Transaction } from "../../src/core/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import { type TestDatabase, testDatabase } from "../../src/testing/index.ts";

/** Two tenants' notes behind the wall, and a host application whose statements an attacker completes. */
export interface ContextStage {
  readonly data: TestDatabase;
  readonly attacker: TenantId;
  readonly victim: TenantId;
  /** As `bank_app`, over a lane and one connection, so that everybody meets everybody's leavings. */
  readonly pool: PostgresDatabase;
  /** Texts of the notes that the victim has, and nobody else may see. */
  readonly secret: string;
  /** Runs each text in one transaction of the attacker's; what went wrong is told by message. */
  inject(...texts: readonly string[]): Promise<readonly (readonly object[] | string)[]>;
  /** What the victim's application does all day: a read and a write in a transaction, and a read alone. */
  victimWorks(): Promise<void>;
  close(): Promise<void>;
}

export const as = (tenant: TenantId): ServiceActor => ({ type: "service", tenant, name: "host" });

const READ = statement<{ text: string }>("host.read", "select id, text from host.note order by id");
const ONE = statement<{ text: string }>("host.one", "select id, text from host.note where id = $1");
const TOUCH = statement("host.touch", "update host.note set seen = seen + 1 where id = $1");
const ADD = statement("host.add", "insert into host.note (text) values ($1)");

export async function contextStage(): Promise<ContextStage> {
  const data = await testDatabase();
  const [attacker, victim] = [await data.createTenant("mallory"), await data.createTenant("bank-b")];
  const secret = "only-for-bank-b";
  const owner = openSql(data.target("ringwall_migrate"));
  await sql`create schema host`.execute(owner);
  await sql`grant usage on schema host to ringwall_client`.execute(owner);
  await sql`
    create table host.note (
      tenant_id text not null default ringwall.tenant() check (tenant_id <> ''),
      id integer generated always as identity, text text not null, seen integer not null default 0,
      primary key (tenant_id, id))`.execute(owner);
  await wall(owner, "host.note", { ringwall_client: ["select", "insert", "update", "delete"] });
  await owner.destroy();
  await data.owner.query("insert into host.note (tenant_id, text) values ($1, 'own'), ($2, $3)", [
    attacker,
    victim,
    secret,
  ]);
  const pool = postgresDatabase({
    target: data.target("bank_app"),
    signer: contextSigner(data.contextKey),
    clock: systemClock,
    connectionsMax: 2,
  });
  let next = 0;
  const run = async (tx: Transaction, text: string): Promise<readonly object[] | string> => {
    next += 1;
    try {
      return await tx.run(statement(`injected.${String(next)}`, text));
    } catch (error) {
      return said(error);
    }
  };
  return {
    data,
    attacker,
    victim,
    pool,
    secret,
    async inject(...texts) {
      const got: (readonly object[] | string)[] = [];
      await pool
        .forTenant(attacker, as(attacker), async (tx) => {
          for (const text of texts) got.push(await run(tx, text));
        })
        .catch((error: unknown) => {
          got.push(said(error));
        });
      return got;
    },
    async victimWorks() {
      await pool.forTenant(victim, as(victim), async (tx) => {
        await tx.run(READ);
        await tx.run(TOUCH, [1]);
        await tx.run(ADD, [secret]);
      });
      await pool.once(victim, as(victim), ONE, [1]);
      await pool.once(victim, as(victim), READ);
    },
    async close() {
      await pool.close();
      await data.close();
    },
  };
}

function said(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { detail } = error as { detail?: Record<string, unknown> };
  return `${error.message} ${JSON.stringify(detail ?? {})} ${said(error.cause ?? "")}`;
}
