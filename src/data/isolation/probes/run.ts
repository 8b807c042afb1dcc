import type { Clock } from "../../../core/index.ts";

import type { CheckInfo } from "../finding.ts";
import { SqlRefusal, type SqlSession } from "../session.ts";

import type { IsolationSettings } from "../settings.ts";
import { name, sql } from "../sql.ts";
import type { ContextEntry, ProbeAccess } from "./context.ts";
import { CONTEXT_CHECKS, probeContexts, probePrepared } from "./contexts.ts";
import { KEY_CHECKS, probeKeys } from "./keys.ts";
import {
  PATH_CHECKS,
  probeDefinerFunctions,
  probeMaterialized,
  probePaths,
  probeSequences,
  probeViews,
  viewAnswers,
} from "./paths.ts";
import {
  inOrder,
  madeTenant,
  ownerColumns,
  type Planted,
  plantRow,
  probedTables,
  type Relation,
  readSchema,
  type Schema,
  type Tenant,
  tableName,
  tenantsFor,
} from "./planting/index.ts";
import { probeReads, READ_CHECKS } from "./reads.ts";
import { Collected, type ProbedTable, type ProbeReport } from "./report.ts";
import { probeDetails, probeRights, RIGHT_CHECKS } from "./rights.ts";
import { probeSessions, SESSION_CHECKS } from "./sessions/index.ts";
import { type Disguise, EACH_FUNCTION, Stage } from "./stage.ts";
import { probeWrites, WRITE_CHECKS } from "./writes.ts";

/** Every probe, in the order in which they run. */
export const LIVE_CHECKS: readonly CheckInfo[] = [
  READ_CHECKS,
  WRITE_CHECKS,
  KEY_CHECKS,
  PATH_CHECKS,
  CONTEXT_CHECKS,
  RIGHT_CHECKS,
  SESSION_CHECKS,
].flatMap((checks) => Object.values<CheckInfo>(checks));

/** Limits of a run, in milliseconds. */
export interface ProbeLimits {
  readonly clock: Clock;
  readonly totalMs: number;
  readonly statementMs: number;
  /** A table that the application holds is left alone after this. */
  readonly lockMs: number;
}

/** Enough for a thousand tables, and short enough that nobody who shares the database waits for it. */
export const PROBE_LIMITS = { totalMs: 300_000, statementMs: 5_000, lockMs: 200 } as const;

/** Tables of one transaction: fewer cost round trips, more cost locks, of which a server has some thousands for all. */
const TABLES_PER_TRANSACTION = 80;
const VARIANTS = 2;

/**
 * Attacks as two tenants that exist in transactions only, all of which are rolled back: by PostgreSQL itself when this
 * process or its connection ends. Waits for no lock longer than the limit; numbers of sequences are not taken.
 *
 * @throws whatever the connection throws when it is lost; what PostgreSQL refuses becomes a part of the report
 */
export async function runProbes(
  access: ProbeAccess,
  settings: IsolationSettings,
  limits: ProbeLimits,
): Promise<ProbeReport> {
  const collected = new Collected();
  const endsMs = limits.clock() + limits.totalMs;
  const tenants = await probeAsRoles(access, settings, limits, endsMs, collected);
  if (access.app !== undefined) {
    const sessions = await probeSessions({ app: access.app, entry: access.entry, tenants });
    collected.add(sessions.findings);
    for (const check of sessions.ran) collected.ran.add(check);
    for (const { check, reason } of sessions.skipped) collected.skipped.set(check, reason);
  }
  for (const { id } of LIVE_CHECKS) {
    const reason = missing(access, id);
    if (reason !== undefined && !collected.skipped.has(id)) collected.skipped.set(id, reason);
  }
  return collected.report();
}

const OF_SESSIONS: ReadonlySet<string> = new Set(Object.values(SESSION_CHECKS).map(({ id }) => id));

/** Why a check could not run; undefined when it could, and found nothing that it applies to. */
function missing({ admin, app }: ProbeAccess, check: string): string | undefined {
  if (OF_SESSIONS.has(check)) return app === undefined ? "no connection as the application" : undefined;
  return admin === undefined ? "no connection that may plant rows" : undefined;
}

async function probeAsRoles(
  access: ProbeAccess,
  settings: IsolationSettings,
  limits: ProbeLimits,
  endsMs: number,
  collected: Collected,
): Promise<readonly [string, string]> {
  const session = await access.admin?.connect();
  if (session === undefined) return [madeTenant([]).id, madeTenant([]).id];
  try {
    let ids: readonly [string, string] = ["", ""];
    for (const role of settings.appRoles) {
      const { a, b } = await probeAsRole({ session, settings, entry: access.entry, role, limits, endsMs }, collected);
      ids = [a.id, b.id];
    }
    return ids;
  } finally {
    await session.close();
  }
}

interface Campaign {
  readonly session: SqlSession;
  readonly settings: IsolationSettings;
  readonly entry: ContextEntry;
  readonly role: string;
  readonly limits: ProbeLimits;
  readonly endsMs: number;
}

/** All tables of one app role, so many to a transaction. */
async function probeAsRole(campaign: Campaign, collected: Collected): Promise<{ a: Tenant; b: Tenant }> {
  const { limits, role, session, settings } = campaign;
  const [known] = await session.query("select from pg_catalog.pg_roles where rolname = $1", [role]);
  if (known === undefined) {
    const { a, b } = tenantsFor([]);
    collected.skipAll(LIVE_CHECKS, `there is no role ${role}`);
    return { a, b };
  }
  const schema = await readSchema(session, settings, role).catch((error: unknown) => {
    if (!(error instanceof SqlRefusal)) throw error;
    collected.skipAll(LIVE_CHECKS, `the catalog could not be read: ${error.message}`);
  });
  if (schema === undefined) return tenantsFor([]);
  const owners = ownerColumns(schema, settings);
  const wanted = probedTables(schema, settings, owners);
  const tenants = tenantsFor(
    [...owners].flatMap(
      ([oid, columns]) => schema.relations.get(oid)?.columns.filter((column) => columns.has(column.name)) ?? [],
    ),
  );
  for (let start = 0; start === 0 || start < wanted.length; start += TABLES_PER_TRANSACTION) {
    const chunk = wanted.slice(start, start + TABLES_PER_TRANSACTION);
    if (limits.clock() > campaign.endsMs) {
      for (const relation of chunk)
        collected.note({ table: tableName(relation), state: "unplanted", reason: "the time was up" });
      continue;
    }
    await session.query("begin");
    try {
      await setLimits(session, limits);
      await probeWithin(campaign, { schema, owners, tenants, chunk, whole: start === 0 }, collected);
    } finally {
      await session.query("rollback");
    }
  }
  return tenants;
}

/** Local to the transaction, as everything else. */
async function setLimits(session: SqlSession, limits: ProbeLimits): Promise<void> {
  await session.query(
    `select set_config('statement_timeout', $1, true), set_config('lock_timeout', $2, true),
       set_config('idle_in_transaction_session_timeout', $3, true), set_config('search_path', 'pg_catalog', true)`,
    [`${limits.statementMs}ms`, `${limits.lockMs}ms`, `${Math.min(limits.totalMs, 60_000)}ms`],
  );
}

interface Chunk {
  readonly schema: Schema;
  readonly owners: ReadonlyMap<number, ReadonlySet<string>>;
  readonly tenants: { readonly a: Tenant; readonly b: Tenant; readonly nobody: Tenant };
  readonly chunk: readonly Relation[];
  /** Also what concerns no table in particular. */
  readonly whole: boolean;
}

async function disguiseOf(session: SqlSession, role: string): Promise<Disguise> {
  const [row] = await session.query<{ super: boolean }>(
    "select rolsuper as super from pg_catalog.pg_roles where rolname = session_user",
  );
  // SET ROLE alone would leave the session's own memberships in sight; only a superuser may do the whole of it.
  return row?.super === true
    ? { become: sql`set local session authorization ${name(role)}`, drop: sql`set local session authorization default` }
    : { become: sql`set local role ${name(role)}`, drop: sql`set local role none` };
}

/** In the open transaction: plants, attacks, and takes everything back to the savepoint. */
async function probeWithin(
  campaign: Campaign,
  { chunk, owners, schema, tenants, whole }: Chunk,
  collected: Collected,
): Promise<void> {
  const { entry, role, session, settings } = campaign;
  const garden = { session, schema, owners, accepted: new Map() };
  const stage = new Stage({
    session,
    settings,
    entry,
    schema,
    garden,
    role,
    disguise: await disguiseOf(session, role),
    ...tenants,
  });
  const became = await stage.attempt(async () => await stage.asApp());
  if (!became.ok) {
    collected.skipAll(LIVE_CHECKS, `the connection may not become ${role}: ${became.refusal.message}`);
    return;
  }
  const tool = await stage.attempt(async () => await stage.run(EACH_FUNCTION));
  if (!tool.ok) {
    const reason = `the planting login may not make a temporary function: ${tool.refusal.message}`;
    collected.skipAll(LIVE_CHECKS, reason);
    return;
  }
  await session.query("savepoint rw_chunk");
  await stage.run(EACH_FUNCTION);
  await stage.run(sql`grant execute on function pg_temp.rw_probe_each to ${name(role)}`);
  const failed = new Map<number, string>();
  const order = inOrder(
    schema,
    chunk.map(({ oid }) => oid),
  );
  await plantAll(stage, order, tenants.a, stage.planted.a, failed);
  const before = await stage.within(async () => await steadyAnswers(stage));
  await plantAll(stage, order, tenants.b, stage.planted.b, failed);
  await stage.within(async () => {
    await stage.enter(tenants.a);
    await attack(stage, chunk, before, whole);
  });
  await session.query("rollback to savepoint rw_chunk");
  await session.query("release savepoint rw_chunk");
  collected.add(stage.findings);
  for (const check of stage.ran) collected.ran.add(check);
  for (const [check, reason] of stage.skipped) collected.skipped.set(check, reason);
  for (const relation of chunk) collected.note(outcomeOf(stage, relation, failed));
}

/** What views say without B's rows; those that say something else each time are left out. */
async function steadyAnswers(stage: Stage): Promise<ReadonlyMap<number, string>> {
  await stage.enter(stage.a);
  const first = await viewAnswers(stage);
  const second = await viewAnswers(stage);
  return new Map([...first].filter(([oid, said]) => second.get(oid) === said));
}

async function plantAll(
  stage: Stage,
  order: readonly number[],
  tenant: Tenant,
  planted: Planted,
  failed: Map<number, string>,
): Promise<void> {
  await stage.enter(tenant);
  for (const oid of order) {
    const relation = stage.schema.relations.get(oid);
    if (relation === undefined || !["r", "p"].includes(relation.kind)) continue;
    const turns = relation.columns.some(({ base, kind }) => kind === "enum" || base === "bool");
    for (let variant = 0; variant < (turns ? VARIANTS : 1); variant++) {
      const row = await plantRow(stage.garden, relation, tenant, planted, variant);
      if (typeof row === "string") {
        if (variant === 0) failed.set(oid, row);
        break;
      }
      planted.set(oid, [...(planted.get(oid) ?? []), row]);
    }
  }
}

async function attack(
  stage: Stage,
  chunk: readonly Relation[],
  before: ReadonlyMap<number, string>,
  whole: boolean,
): Promise<void> {
  await probeReads(stage, chunk);
  await probeWrites(stage, chunk);
  await probeKeys(stage, chunk);
  await probePaths(stage, chunk);
  await probeViews(stage, before);
  await probeMaterialized(stage);
  await probeDefinerFunctions(stage);
  await probeContexts(stage, chunk);
  await probePrepared(stage, chunk);
  if (whole) {
    await probeSequences(stage);
    await probeRights(stage, chunk);
  }
  probeDetails(stage);
}

function outcomeOf(stage: Stage, relation: Relation, failed: ReadonlyMap<number, string>): ProbedTable {
  const table = tableName(relation);
  const reason = failed.get(relation.oid);
  if (reason !== undefined) {
    return { table, state: "unplanted", reason: `no row could be planted: ${reason}` };
  }
  if (stage.proven.has(relation.oid))
    return { table, state: "proven", reason: "a tenant saw its own row and was tried on another's" };
  const may = relation.may.select && relation.may.usage;
  return {
    table,
    state: "blind",
    reason: may ? `${stage.role} saw no row of its own tenant` : `${stage.role} may not read it`,
  };
}

/**
 * The probes of rows in a transaction that the caller has opened and will roll back: for trying faults that are planted
 * in the same transaction. Sessions are not probed.
 */
export async function probeOpenTransaction(
  session: SqlSession,
  entry: ContextEntry,
  settings: IsolationSettings,
  limits: ProbeLimits,
): Promise<ProbeReport> {
  const collected = new Collected();
  await session.query("savepoint rw_open");
  try {
    await setLimits(session, limits);
    for (const role of settings.appRoles) {
      const schema = await readSchema(session, settings, role);
      const owners = ownerColumns(schema, settings);
      const chunk = probedTables(schema, settings, owners);
      const tenants = tenantsFor(
        [...owners].flatMap(
          ([oid, columns]) => schema.relations.get(oid)?.columns.filter((column) => columns.has(column.name)) ?? [],
        ),
      );
      await probeWithin(
        { session, settings, entry, role, limits, endsMs: Number.POSITIVE_INFINITY },
        { schema, owners, tenants, chunk, whole: true },
        collected,
      );
    }
  } catch (error) {
    if (!(error instanceof SqlRefusal)) throw error;
    collected.skipped.set("probes", error.message);
  }
  await session.query("rollback to savepoint rw_open");
  return collected.report();
}
