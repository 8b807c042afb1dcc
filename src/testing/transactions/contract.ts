import { Pool, type PoolConfig } from "pg";
import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { wall } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import { type ServiceActor, systemClock, type TenantId } from "../../core/index.ts";
import { type ContextSigner, contextSigner } from "../../data/tenants/index.ts";
import type { TenantTransactions, TransactionsOptions } from "../../data/transactions/index.ts";
import { type TestDatabase, testDatabase } from "../database.ts";
import { pgbouncerMissing, startPgBouncer, type TestPgBouncer } from "../servers/index.ts";

/** Sends one statement the way an application does with its query builder. */
export type Send = (text: string, values?: readonly unknown[]) => Promise<readonly object[]>;

/** A query builder under test. */
export interface BuilderUnderTest {
  readonly transactions: TenantTransactions;
  readonly send: Send;
  /** The builder's own transaction, which is one inside the run's. */
  transaction<T>(work: (send: Send) => Promise<T>): Promise<T>;
  end?(): Promise<void>;
}

/** Makes one over a pool. */
export type OpenBuilder = (options: TransactionsOptions & { readonly pool: Pool }) => Promise<BuilderUnderTest>;

interface Stage {
  readonly data: TestDatabase;
  readonly builder: BuilderUnderTest;
  readonly pool: Pool;
  readonly tenants: readonly [TenantId, TenantId];
  open(signer: ContextSigner, max?: number): Promise<{ builder: BuilderUnderTest; pool: Pool }>;
  close(): Promise<void>;
}

const TABLE = "contract_row";
const READ = `select tenant_id, id, text from ringwall.${TABLE} order by id`;
const ADD = `insert into ringwall.${TABLE} (id, text) values ($1, $2)`;
const POOL_MAX = 3;
const INTERLEAVED = 300;

let next = 0;
function freshId(): number {
  next += 1;
  return next;
}

/** What was said, and why: some query builders put what they were told into the cause of an error of their own. */
async function reasons(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    const told: string[] = [];
    for (let one = error; one instanceof Error; one = one.cause) told.push(one.message);
    return told.join("; ");
  }
  return "nothing was refused";
}

function service(tenant: TenantId): ServiceActor {
  return { type: "service", tenant, name: "contract" };
}

/** Every wrapper of a driver must pass this, against PostgreSQL itself and behind PgBouncer in transaction mode. */
export function transactionsContract(open: OpenBuilder): void {
  describe("directly", () => {
    contract(open, false);
  });
  const missing = pgbouncerMissing();
  describe.skipIf(missing !== undefined)(missing ?? "behind PgBouncer", () => {
    contract(open, true);
  });
}

function contract(open: OpenBuilder, pooled: boolean): void {
  let stage: Stage;
  beforeAll(async () => {
    stage = await prepare(open, pooled);
  });
  afterAll(() => stage.close());
  const run = async <T>(which: 0 | 1, work: (send: Send) => Promise<T>): Promise<T> => {
    const tenant = stage.tenants[which];
    return await stage.builder.transactions.run(tenant, service(tenant), () => work(stage.builder.send));
  };
  const at = (): Stage => stage;
  rows(at, run);
  boundaries(at, run);
  faults(at, run);
  contexts(at);
}

type Run = <T>(which: 0 | 1, work: (send: Send) => Promise<T>) => Promise<T>;

async function ids(run: Run, which: 0 | 1): Promise<readonly unknown[]> {
  return (await run(which, (send) => send(READ))).map((row) => ("id" in row ? row.id : undefined));
}

function rows(at: () => Stage, run: Run): void {
  test("a tenant sees its own rows and no other's", async () => {
    const [mine, theirs] = [freshId(), freshId()];
    await run(0, (send) => send(ADD, [mine, "x"]));
    await run(1, (send) => send(ADD, [theirs, "x"]));
    expect(await ids(run, 0)).toContain(mine);
    expect(await ids(run, 0)).not.toContain(theirs);
    expect(await ids(run, 1)).not.toContain(mine);
  });

  test("a row cannot be written for another tenant", async () => {
    const text = `insert into ringwall.${TABLE} (tenant_id, id, text) values ($1, $2, 'x')`;
    const id = freshId();
    await expect(run(0, (send) => send(text, [at().tenants[1], id]))).rejects.toThrow();
    expect(await ids(run, 1)).not.toContain(id);
  });

  test("nothing is sent without a tenant, and the refusal says what to do", async () => {
    const { builder } = at();
    expect(await reasons(builder.send(READ))).toMatch(/call run\(/);
    expect(await reasons(builder.transaction((send) => send(READ)))).toMatch(/call run\(/);
    expect(() => builder.transactions.current()).toThrow(/call run\(/);
    await expect(builder.transactions.pool.query(READ)).rejects.toThrow(/call run\(/);
  });

  test("an actor of another tenant is a bug, and nothing is sent", async () => {
    const { builder, tenants } = at();
    await expect(builder.transactions.run(tenants[0], service(tenants[1]), async () => 1)).rejects.toThrow(
      "an actor works in its own tenant",
    );
  });

  test("interleaved tenants over few connections never see each other's rows", async () => {
    for (const which of [0, 1] as const) await run(which, (send) => send(ADD, [freshId(), "x"]));
    const read = async (index: number): Promise<void> => {
      const which = index % 2 === 0 ? 0 : 1;
      const seen = await run(which, (send) => send(READ));
      expect(seen.length).toBeGreaterThan(0);
      expect(new Set(seen.map((row) => ("tenant_id" in row ? row.tenant_id : undefined)))).toEqual(
        new Set([at().tenants[which]]),
      );
    };
    await Promise.all(Array.from({ length: INTERLEAVED }, (_, index) => read(index)));
  });
}

function boundaries(at: () => Stage, run: Run): void {
  test("what throws inside rolls everything back", async () => {
    const id = freshId();
    const attempt = run(0, async (send) => {
      await send(ADD, [id, "x"]);
      throw new Error("no");
    });
    await expect(attempt).rejects.toThrow("no");
    expect(await ids(run, 0)).not.toContain(id);
  });

  test("a transaction of the builder's own is undone alone, or kept with the run's", async () => {
    const [before, undone, kept] = [freshId(), freshId(), freshId()];
    await run(0, async (send) => {
      await send(ADD, [before, "x"]);
      const attempt = at().builder.transaction(async (inner) => {
        await inner(ADD, [undone, "x"]);
        await inner("select 1 / 0");
      });
      await expect(attempt).rejects.toThrow();
      await at().builder.transaction((inner) => inner(ADD, [kept, "x"]));
    });
    const seen = await ids(run, 0);
    expect(seen).toEqual(expect.arrayContaining([before, kept]));
    expect(seen).not.toContain(undone);
  });

  test("savepoints of its own work", async () => {
    const id = freshId();
    await run(0, async (send) => {
      await send("savepoint mine");
      await expect(send("select 1 / 0")).rejects.toThrow();
      await send("rollback to savepoint mine");
      await send(ADD, [id, "x"]);
    });
    expect(await ids(run, 0)).toContain(id);
  });

  test("a handle is of no use when its run has ended, nor in another run", async () => {
    const { builder, tenants } = at();
    const held = await builder.transactions.run(tenants[0], service(tenants[0]), async (connection) => {
      await builder.transactions.run(tenants[1], service(tenants[1]), async () => {
        await expect(connection.query(READ)).rejects.toThrow("another run()");
      });
      return connection;
    });
    await expect(held.query(READ)).rejects.toThrow("has ended");
  });

  test.for([
    "begin",
    "start transaction",
    "commit",
    "rollback",
    "end",
    "abort",
    "set role postgres",
    "set local ringwall.context = ''",
    "reset all",
    "discard all",
    "set session authorization default",
    "prepare p as select 1",
    "listen x",
    "declare c cursor with hold for select 1",
    "copy ringwall.contract_row to stdout",
    "do $$ begin end $$",
    "/* a */ commit",
    "-- a\n commit",
    "select current_setting('ringwall.context')",
    "select set_config('a.b', 'c', false)",
    "select pg_advisory_lock(1)",
    "commit and chain",
    "rollback; begin",
  ])("%s typed inside is refused, and nothing is kept", async (text) => {
    const id = freshId();
    const attempt = run(0, async (send) => {
      await send(ADD, [id, "x"]);
      await send(text);
    });
    await expect(attempt).rejects.toThrow();
    expect(await ids(run, 0)).not.toContain(id);
  });

  test("a second statement in one text is refused by PostgreSQL", async () => {
    expect(await reasons(run(0, (send) => send("select 1; commit")))).toMatch(/multiple commands/);
    expect(await reasons(run(0, (send) => send("select 1; set role postgres", [])))).toMatch(/multiple commands/);
  });

  test("one connection serves the callers of a run in turn", async () => {
    const answers = await run(0, (send) =>
      Promise.all(Array.from({ length: 10 }, (_, n) => send("select $1::integer as n", [n]))),
    );
    expect(answers.map(([row]) => row)).toEqual(Array.from({ length: 10 }, (_, n) => ({ n })));
  });

  test("two transactions at once inside one run are refused, not mixed", async () => {
    const id = freshId();
    const attempt = run(0, async (send) => {
      await at().builder.transaction(async (inner) => {
        await inner(ADD, [id, "x"]);
        await send(READ);
      });
    });
    await expect(attempt).rejects.toThrow();
    expect(await ids(run, 0)).not.toContain(id);
  });
}

function faults(at: () => Stage, run: Run): void {
  test("a failed statement whose error was caught does not commit", async () => {
    const id = freshId();
    const attempt = run(0, async (send) => {
      await send(ADD, [id, "x"]);
      await send("select 1 / 0").catch(() => {});
    });
    await expect(attempt).rejects.toThrow();
    expect(await ids(run, 0)).not.toContain(id);
  });

  test("a statement that nobody waited for does not commit, and its connection serves nobody", async () => {
    const attempt = run(0, async (send) => {
      send("select pg_sleep(0.3)").catch(() => {});
      // Query builders take a turn or two to send.
      await send("select 1");
      send("select pg_sleep(0.3)").catch(() => {});
      await new Promise((done) => setTimeout(done, 50));
    });
    await expect(attempt).rejects.toThrow(/await/);
    await ids(run, 1);
  });

  test.for(["pg_cancel_backend", "pg_terminate_backend"])("%s in the middle is an error, and goes on", async (end) => {
    const id = freshId();
    const attempt = run(0, async (send) => {
      await send(ADD, [id, "x"]);
      await send("select pg_sleep(20) /* contract */");
    });
    const refused = expect(attempt).rejects.toThrow();
    for (let ended = 0; ended === 0; ) {
      const found = await at().data.owner.query(
        `select ${end}(pid) from pg_stat_activity where datname = current_database() and state = 'active' and query like 'select pg_sleep(20)%'`,
      );
      ended = found.length;
    }
    await refused;
    expect(await ids(run, 0)).not.toContain(id);
    expect(await ids(run, 1)).toBeDefined();
  });
}

function contexts(at: () => Stage): void {
  const readWith = async (signer: ContextSigner): Promise<unknown> => {
    const { builder, pool } = await at().open(signer);
    const tenant = at().tenants[0];
    try {
      return await builder.transactions.run(tenant, service(tenant), () => builder.send(READ));
    } finally {
      await builder.end?.();
      await pool.end();
    }
  };

  test("a forged context is refused", async () => {
    const { kid } = at().data.contextKey;
    await expect(readWith(contextSigner({ kid, key: Buffer.alloc(32, 7) }))).rejects.toThrow();
  });

  test("an expired context is refused", async () => {
    const signer = contextSigner(at().data.contextKey);
    const past = {
      ...signer,
      sign: (tenant: TenantId, pid: number) => signer.sign(tenant, pid, systemClock() - 5_000),
    };
    await expect(readWith(past)).rejects.toThrow();
  });

  test("a context of another backend is refused", async () => {
    const signer = contextSigner(at().data.contextKey);
    const other: ContextSigner = { ...signer, sign: (tenant, pid, endMs) => signer.sign(tenant, pid + 1, endMs) };
    await expect(readWith(other)).rejects.toThrow();
  });
}

async function prepare(openBuilder: OpenBuilder, pooled: boolean): Promise<Stage> {
  const server = inject("ringwallPostgres");
  const data = await testDatabase();
  const tenants = [await data.createTenant("bank-a"), await data.createTenant("bank-b")] as const;
  const owner = openSql(data.target("ringwall_migrate"));
  await data.owner.query(`create table ringwall.${TABLE} (
    tenant_id text not null default ringwall.tenant() check (tenant_id <> ''),
    id integer not null, text text not null, primary key (tenant_id, id))`);
  await data.owner.query(`alter table ringwall.${TABLE} owner to ringwall_migrate`);
  await wall(owner, TABLE, { bank_app: ["select", "insert"] });
  await owner.destroy();
  const pooler: TestPgBouncer | undefined = pooled ? await startPgBouncer(server, { serverConnections: 2 }) : undefined;
  const { host, port } = pooler ?? server;
  const config: PoolConfig = {
    host,
    port,
    database: data.name,
    user: "bank_app",
    password: server.passwords["bank_app"],
  };
  const open: Stage["open"] = async (signer, max = POOL_MAX) => {
    const pool = new Pool({ ...config, max });
    // A connection that a test ends is no failure of the pool.
    pool.on("error", () => {});
    return { builder: await openBuilder({ pool, signer, ...(pooled ? { pooler: "transaction" } : {}) }), pool };
  };
  const first = await open(contextSigner(data.contextKey));
  return {
    data,
    ...first,
    tenants,
    open,
    async close() {
      await first.builder.end?.();
      await first.pool.end();
      await pooler?.stop();
      await data.close();
    },
  };
}
