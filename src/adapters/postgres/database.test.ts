import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { wall } from "../../../migrations/index.ts";
import { PlainSecret, type ServiceActor, statement, systemClock, type TenantId } from "../../core/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";
import { CONTRACT_TABLE, databaseContract, type TestDatabase, testDatabase } from "../../testing/index.ts";
import { openSql, postgresDatabase } from "./index.ts";

let data: TestDatabase;
let a: TenantId;
let b: TenantId;
const as = (tenant: TenantId): ServiceActor => ({ type: "service", tenant, name: "test" });

beforeAll(async () => {
  data = await testDatabase();
  [a, b] = [await data.createTenant("bank-a"), await data.createTenant("bank-b")];
  const owner = openSql(data.target("ringwall_migrate"));
  await sql`
    create table ringwall.contract_note (
      tenant_id text not null default ringwall.tenant() check (tenant_id <> ''),
      id integer not null,
      text text not null,
      primary key (tenant_id, id)
    )`.execute(owner);
  await wall(owner, CONTRACT_TABLE, { ringwall_app: ["select", "insert"] });
  await sql`grant update (text) on ringwall.contract_note to ringwall_app`.execute(owner);
  await owner.destroy();
});
afterAll(() => data.close());

describe("PostgreSQL as Database", () => {
  databaseContract(() => ({ database: data.database, tenants: [a, b] }));
});

const COUNT = statement<{ n: bigint }>("test.count", "select count(*) as n from ringwall.contract_note");
const ADD = statement("test.add", "insert into ringwall.contract_note (id, text) values ($1, $2)");
const CONTEXT = statement<{ context: string | null }>(
  "test.context",
  "select current_setting('ringwall.context', true) as context",
);
const SLEEP = statement("test.sleep", "select pg_sleep(30)");

describe("reads of one turn", () => {
  const AT = statement<{ at: string; context: string }>(
    "test.at",
    "select transaction_timestamp()::text as at, current_setting('ringwall.context', true) as context",
  );
  const DIVIDE = statement<{ n: number }>("test.divide", "select 12 / $1::integer as n");

  test("share a transaction with those of their own tenant, and with no other's", async () => {
    const asked = Array.from({ length: 12 }, (_, index) => (index % 3 === 0 ? b : a));
    const rows = await Promise.all(asked.map((tenant) => data.database.once(tenant, as(tenant), AT)));
    for (const [index, tenant] of asked.entries()) expect(rows[index]?.[0]?.context).toContain(`.${tenant}.`);
    const transactions = (tenant: TenantId): number =>
      new Set(rows.filter((_, index) => asked[index] === tenant).map(([row]) => row?.at)).size;
    expect([transactions(a), transactions(b)]).toEqual([1, 1]);
  });

  test("fail alone, and get their own rows", async () => {
    const divisors = Array.from({ length: 40 }, (_, index) => index % 7);
    const results = await Promise.allSettled(divisors.map((n) => data.database.once(a, as(a), DIVIDE, [n])));
    for (const [index, result] of results.entries()) {
      const divisor = divisors[index] ?? 0;
      if (divisor === 0) expect(result).toMatchObject({ status: "rejected", reason: { code: "request.invalid" } });
      else expect(result).toEqual({ status: "fulfilled", value: [{ n: Math.floor(12 / divisor) }] });
    }
  });
});

const killed =
  "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = $1";

describe("a lost connection", () => {
  test("while idle is replaced without anyone noticing", async () => {
    await data.database.once(a, as(a), COUNT);
    await data.owner.query(killed, ["ringwall_app"]);
    await expect(data.database.forTenant(a, as(a), (tx) => tx.run(COUNT))).resolves.toHaveLength(1);
    await expect(data.database.once(a, as(a), COUNT)).resolves.toHaveLength(1);
  });

  test("before the commit undoes everything and the work is tried once more", async () => {
    let attempts = 0;
    await data.database.forTenant(a, as(a), async (tx) => {
      attempts += 1;
      await tx.run(ADD, [90_001, "x"]);
      if (attempts === 1) await data.owner.query(killed, ["ringwall_app"]);
      await tx.run(COUNT);
    });
    expect(attempts).toBe(2);
  });

  test("under a statement is 503 with an unknown outcome", async () => {
    const running = data.database.once(a, as(a), SLEEP);
    const refused = expect(running).rejects.toMatchObject({
      code: "database.unavailable",
      retryAfterSeconds: 2,
      detail: { outcome: "unknown" },
    });
    for (let killedOne = false; !killedOne; ) {
      const rows = await data.owner.query<{ pid: number }>(
        "select pg_terminate_backend(pid), pid from pg_stat_activity where datname = current_database() and query like '%pg_sleep%' and usename = 'ringwall_app'",
      );
      killedOne = rows.length > 0;
    }
    await refused;
  });

  test("of a server that is not there is 503, and nothing hangs", async () => {
    const gone = postgresDatabase({
      target: { ...data.target("ringwall_app"), host: "/nonexistent" },
      signer: contextSigner(data.contextKey),
      clock: systemClock,
    });
    const attempts = await Promise.allSettled([
      gone.once(a, as(a), COUNT),
      gone.forTenant(a, as(a), (tx) => tx.run(COUNT)),
      gone.ping(),
    ]);
    for (const attempt of attempts)
      expect(attempt).toMatchObject({ status: "rejected", reason: { code: "database.unavailable" } });
    await gone.close();
  });
});

describe("the signed context", () => {
  test("is not left behind by a commit, a rollback or a single trip", async () => {
    const small = postgresDatabase({
      target: data.target("ringwall_app"),
      signer: contextSigner(data.contextKey),
      clock: systemClock,
      connectionsMax: 2,
    });
    const inside = await small.forTenant(a, as(a), (tx) => tx.run(CONTEXT));
    expect(inside[0]?.context).toMatch(/^v1\./);
    await small
      .forTenant(a, as(a), async (tx) => {
        await tx.run(CONTEXT);
        throw new Error("no");
      })
      .catch(() => {});
    await small.once(a, as(a), CONTEXT);
    // Look-ups send no context, so they see what the connection was left with.
    const left = await small.lookup<{ tenant_id: string }>("tenant_by_id", ["bank-a"]);
    expect(left?.tenant_id).toBe("bank-a");
    const rows = await data.owner.query<{ query: string }>(
      "select query from pg_stat_activity where datname = current_database() and usename = 'ringwall_app'",
    );
    // Neither a statement's text nor anything else that other backends could show holds a token.
    for (const { query } of rows) expect(query).not.toMatch(/v1\.t1/);
    await small.close();
  });

  test("of a pooled connection is gone for the next statement without one", async () => {
    const raw = openSql(data.target("ringwall_app"));
    const token = contextSigner(data.contextKey).sign(a, await pidOf(raw), systemClock() + 10_000);
    const seen = await raw.transaction().execute(async (tx) => {
      await sql`select set_config('ringwall.context', ${token}, true)`.execute(tx);
      return (await sql<{ tenant: string | null }>`select ringwall.tenant() as tenant`.execute(tx)).rows[0]?.tenant;
    });
    expect(seen).toBe("bank-a");
    const { rows } = await sql<{ tenant: string | null }>`select ringwall.tenant() as tenant`.execute(raw);
    expect(rows[0]?.tenant).toBeNull();
    await raw.destroy();
  });
});

async function pidOf(raw: ReturnType<typeof openSql>): Promise<number> {
  const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(raw);
  return rows[0]?.pid ?? 0;
}

describe("a clock that jumps", () => {
  test.each([3_600_000, -3_600_000])("by %d ms stops nobody: contexts are measured and signed anew", async (jumpMs) => {
    let jumpedMs = 0;
    const database = postgresDatabase({
      target: data.target("ringwall_app"),
      signer: contextSigner(data.contextKey),
      clock: () => systemClock() + jumpedMs,
    });
    const work = async (): Promise<void> => {
      await Promise.all([
        ...Array.from({ length: 10 }, () => database.forTenant(a, as(a), (tx) => tx.run(COUNT))),
        ...Array.from({ length: 10 }, () => database.once(a, as(a), COUNT)),
      ]);
    };
    await work();
    jumpedMs = jumpMs;
    await work();
    jumpedMs = 0;
    await work();
    await database.close();
  });

  test("back while the server is gone is no hour of refusals", async () => {
    let nowMs = systemClock();
    let host = "/nonexistent";
    const target = data.target("ringwall_app");
    const database = postgresDatabase({
      target: {
        ...target,
        get host() {
          return host;
        },
      },
      signer: contextSigner(data.contextKey),
      clock: () => nowMs,
    });
    await expect(database.once(a, as(a), COUNT)).rejects.toMatchObject({ code: "database.unavailable" });
    nowMs -= 3_600_000;
    host = target.host;
    await expect(database.once(a, as(a), COUNT)).resolves.toHaveLength(1);
    await database.close();
  });
});

describe("a rotated password", () => {
  test("needs no restart: new connections fetch it, old ones are replaced, the old one is refused", async () => {
    await data.owner.query("create role rotated login in role ringwall_client");
    await data.owner.query(`grant connect on database ${data.name} to rotated`);
    await data.owner.query("alter role rotated password 'first-password'");
    let password = "first-password";
    const database = postgresDatabase({
      target: { ...data.target("rotated"), credential: async () => new PlainSecret(password) },
      signer: contextSigner(data.contextKey),
      clock: systemClock,
    });
    await database.ping();
    await data.owner.query("alter role rotated password 'second-password'");
    password = "second-password";
    database.renew();
    await expect(database.ping()).resolves.toBeUndefined();
    password = "first-password";
    database.renew();
    await expect(database.ping()).rejects.toMatchObject({
      code: "database.unavailable",
      detail: { sqlstate: "28P01" },
    });
    await database.close();
    await data.owner.query(`revoke connect on database ${data.name} from rotated`);
    await data.owner.query("drop role rotated");
  });
});

describe("errors", () => {
  test("carry codes and names of ours, and no value of a row", async () => {
    await data.database.once(a, as(a), ADD, [90_100, "first"]);
    const error: unknown = await data.database
      .once(a, as(a), ADD, [90_100, "card 4111111111111111"])
      .catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: "resource.conflict",
      detail: { sqlstate: "23505", constraint: "contract_note_pkey", table: "contract_note", statement: "test.add" },
    });
    const shown = JSON.stringify([error, String(error), (error as Error).cause, String((error as Error).cause)]);
    expect(shown).not.toMatch(/4111|90100|bank-a/);
  });

  test("a value the schema does not take is the caller's", async () => {
    await expect(data.database.once(a, as(a), ADD, [1, "nul \0 byte"])).rejects.toMatchObject({
      code: "request.invalid",
    });
    await expect(data.database.once(a, as(a), ADD, ["no number", "x"])).rejects.toMatchObject({
      code: "request.invalid",
    });
  });
});
