import { type Kysely, sql } from "kysely";
import { inspectionAccess, openSql } from "../../src/adapters/postgres/index.ts";
import { systemClock } from "../../src/core/index.ts";
import {
  contextEntry,
  IsolationSettings,
  PROBE_LIMITS,
  type Report,
  verifyLive,
  verifyStatic,
} from "../../src/data/isolation/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import { type BenchOptions, type BenchResult, compare } from "../result.ts";
import { startCluster } from "../tax/cluster.ts";
import { createRingwallDatabase, type RingwallDatabase, targetOf } from "../tax/ringwall/database.ts";

const TABLES = 1_000;
/** A table of each so many is what the others of its group refer to. */
const GROUP = 10;
const AIM_S = 30;
const SETTINGS = { schemas: ["shop"], appRoles: ["bank_app"], ownerRoles: ["ringwall_migrate"] };

/**
 * A table, as the generator writes them: composite keys with the tenant first, the wall, a policy for each command, two
 * indexes, and a foreign key that carries the tenant.
 */
const TABLE = `
  create table shop.%1$I (
    tenant_id text not null default ringwall.tenant() check (tenant_id <> ''), id integer not null, parent_id integer,
    title text not null default '', price bigint not null default 0, created_at timestamptz not null default now(),
    primary key (tenant_id, id), foreign key (tenant_id, parent_id) references shop.%2$I (tenant_id, id));
  create index on shop.%1$I (tenant_id, created_at);
  create index on shop.%1$I (tenant_id, parent_id);
  alter table shop.%1$I enable row level security;
  alter table shop.%1$I force row level security;
  create policy tenant_wall on shop.%1$I as restrictive
    using (tenant_id = (select ringwall.tenant())) with check (tenant_id = (select ringwall.tenant()));
  create policy reads on shop.%1$I for select to bank_app using (true);
  create policy adds on shop.%1$I for insert to bank_app with check (true);
  create policy changes on shop.%1$I for update to bank_app using (true) with check (true);
  create policy removes on shop.%1$I for delete to bank_app using (true);
  grant select, insert, update, delete on shop.%1$I to bank_app`;

/** A group in each transaction: a thousand tables in one would take more locks than the server has. */
async function createTables(db: Kysely<unknown>): Promise<void> {
  await sql`create schema shop`.execute(db);
  await sql`grant usage on schema shop to bank_app`.execute(db);
  for (let first = 1; first <= TABLES; first += GROUP) {
    const { rows } = await sql<{ text: string }>`
      select format(${TABLE}, 'item_' || n, 'item_' || ${first}::integer) as text
        from generate_series(${first}::integer, ${first + GROUP - 1}::integer) as n order by n`.execute(db);
    // tidy-allow(sql): the server wrote these statements, and quoted the names in them.
    for (const { text } of rows) for (const part of text.split(";")) await sql.raw(part).execute(db);
  }
}

async function seconds<T>(work: () => Promise<T>): Promise<readonly [number, T]> {
  const started = performance.now();
  const value = await work();
  return [(performance.now() - started) / 1_000, value];
}

/** A wrong answer is no result: every table has to come out walled. */
async function measured(at: RingwallDatabase, { progress }: BenchOptions) {
  const settings = IsolationSettings.parse(SETTINGS);
  progress("tenants: static checks");
  const [checked, report] = await seconds(() =>
    verifyStatic(inspectionAccess(targetOf(at.owner)), settings, new Date(systemClock()).toISOString()),
  );
  allWalled(report);
  progress("tenants: static checks and probes");
  const access = {
    catalog: inspectionAccess(targetOf(at.owner)),
    probes: {
      admin: inspectionAccess(targetOf({ ...at.superuser, database: at.owner.database }), { writes: true }),
      app: inspectionAccess(targetOf(at.bank), { writes: true }),
      entry: contextEntry(settings, systemClock, contextSigner(at.contextKey)),
    },
  };
  const limits = { clock: systemClock, ...PROBE_LIMITS };
  const asked = { settings, at: new Date(systemClock()).toISOString(), limits };
  const [attacked, tried] = await seconds(() => verifyLive(access, asked));
  allWalled(tried);
  return { checked, checks: report.ran.static, attacked, probes: tried.ran.live };
}

function allWalled({ verdicts }: Report): void {
  const walled = verdicts.filter(({ state }) => state === "WALLED").length;
  if (walled !== TABLES) throw new Error(`${String(walled)} of ${String(TABLES)} tables came out walled`);
}

/** The verifier over a schema of 1,000 tables. There is no peer: nothing else does this. */
export async function measureVerifier(options: BenchOptions): Promise<readonly BenchResult[]> {
  const cluster = await startCluster();
  try {
    const at = await createRingwallDatabase(cluster);
    options.progress(`tenants: creating ${String(TABLES)} tables`);
    const db = openSql(targetOf(at.owner));
    try {
      await createTables(db);
    } finally {
      await db.destroy();
    }
    options.signal.throwIfAborted();
    const { attacked, checked, checks, probes } = await measured(at, options);
    const aim = `aim: under ${String(AIM_S)} s`;
    return [
      compare("tenants.verify.static", "s", checked, "none", undefined, `${String(checks)} checks, ${aim}`),
      compare("tenants.verify.attack", "s", attacked, "none", undefined, `and ${String(probes)} probes, ${aim}`),
    ];
  } finally {
    await cluster.stop();
  }
}
