import type { CheckInfo } from "../finding.ts";
import type { SqlRefusal } from "../session.ts";
import { list, literal, name, type Sql, sql } from "../sql.ts";
import { live } from "./check.ts";
import { type Relation, relationName, tableName } from "./planting/index.ts";
import type { Stage } from "./stage.ts";

export const READ_CHECKS = {
  control: live(
    "own-rows",
    "A tenant sees its own rows",
    "A probe of a table in which the tenant sees nothing, not even its own row, proves nothing about the wall.",
    {
      level: "notice",
      remediation:
        "Say in the settings how a transaction is told its tenant, and as which login the application works.",
    },
  ),
  all: live(
    "read",
    "SELECT reaches another tenant's rows",
    "Any query of the application that forgets its WHERE shows another tenant's rows.",
  ),
  key: live(
    "read-by-key",
    "A row is reached by another tenant's key",
    "Whoever learns or guesses an id reads the row behind it.",
  ),
  join: live(
    "join",
    "A join reaches another tenant's rows",
    "A join on anything but the tenant mixes the rows of two tenants.",
  ),
  subquery: live(
    "subquery",
    "A subquery reaches another tenant's rows",
    "A value of another tenant's row comes back through a scalar subquery.",
  ),
  exists: live(
    "exists",
    "EXISTS answers about another tenant's rows",
    "A yes or no per guess is enough to read a value bit by bit.",
  ),
  count: live(
    "count",
    "An aggregate counts rows of other tenants",
    "Totals, facets and pages tell how much business the others do; averages tell their figures.",
  ),
  lock: live(
    "lock-rows",
    "SELECT FOR UPDATE locks another tenant's rows",
    "Rows can be read this way, and another tenant's work be held up for as long as wanted.",
  ),
  copy: live("copy", "COPY TO reads another tenant's rows", "One statement carries the table away."),
  leaky: live(
    "leaky-filter",
    "A condition sees another tenant's values before the wall does",
    "A condition that fails on a value puts the value into the error message.",
    {
      remediation: "Put the wall into row-level security, or make the view security_barrier and security_invoker.",
    },
  ),
  explain: live(
    "explain",
    "EXPLAIN ANALYZE counts rows of other tenants",
    '"Rows Removed by Filter" tells how many rows the others have, for any condition.',
    {
      level: "warning",
      remediation:
        "Put the tenant's column first in an index, so that other tenants' rows are not read in the first place.",
    },
  ),
} as const;

/** Tables of one statement: one that is refused costs a statement for each of them. */
interface Read {
  readonly relation: Relation;
  readonly check: CheckInfo;
  /** Gives one number: of rows that must not be reached. */
  readonly count: Sql;
  /** Shows them. */
  readonly show: Sql;
}

function readable(relation: Relation): Sql {
  const columns = relation.columns.filter((column) => column.readable);
  return list(columns.map((column) => name(column.name)));
}

/** Every way to read B's rows of a table, as one number each. */
function readsOf(stage: Stage, relation: Relation): Read[] {
  const table = relationName(relation);
  const theirs = stage.rowsOf("b", relation, true);
  const mine = stage.rowsOf("a", relation, true);
  if (theirs === undefined || mine === undefined) return [];
  const columns = readable(relation);
  const show = sql`select ${columns} from ${table} where ${theirs} limit 5`;
  const reads: Read[] = [
    {
      relation,
      check: READ_CHECKS.all,
      count: sql`select count(*) from (select ${columns} from ${table} where ${theirs}) x`,
      show,
    },
    {
      relation,
      check: READ_CHECKS.exists,
      count: sql`select exists (select from ${table} where ${theirs})::int`,
      show: sql`select exists (select from ${table} where ${theirs})`,
    },
    {
      relation,
      check: READ_CHECKS.subquery,
      count: sql`select count(*) from (select 1) one where (select true from ${table} where ${theirs} limit 1)`,
      show: sql`select (select row(${columns})::text from ${table} where ${theirs} limit 1) as reached`,
    },
    {
      relation,
      check: READ_CHECKS.join,
      count: sql`select count(*) from (select 1 from ${table} where ${mine} limit 1) m cross join (select 1 from ${table} where ${theirs} limit 1) t`,
      show: sql`select t.* from (select 1 from ${table} where ${mine} limit 1) m cross join (select ${columns} from ${table} where ${theirs} limit 5) t`,
    },
  ];
  const key = stage.byKey("b", relation);
  if (key !== undefined)
    reads.push({
      relation,
      check: READ_CHECKS.key,
      count: sql`select count(*) from ${table} where ${key}`,
      show: sql`select ${columns} from ${table} where ${key} limit 5`,
    });
  const count = foreignCount(stage, relation);
  if (count !== undefined) reads.push({ relation, check: READ_CHECKS.count, count, show: count });
  return reads;
}

/** Above this many rows a count of all is left to the owner of the database. */
const COUNTED_ROWS_MAX = 200_000;

/** Rows of anybody else, whether planted or there before: finds policies that open rows by what they hold. */
function foreignCount(stage: Stage, relation: Relation): Sql | undefined {
  const [owner] = stage.garden.owners.get(relation.oid) ?? [];
  const column = relation.columns.find((one) => one.name === owner);
  if (column?.readable !== true || relation.rowsEstimate > COUNTED_ROWS_MAX) return undefined;
  return sql`select count(*) from ${relationName(relation)} where ${name(column.name)}::text <> ${literal(stage.a.id)}`;
}

/** Reads of all tables at once, then one by one where PostgreSQL refuses. */
export async function probeReads(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const tables = relations.filter((relation) => relation.may.select && relation.may.usage);
  await probeOwnRows(stage, tables);
  const reads = tables.flatMap((relation) => readsOf(stage, relation));
  const answers = await counted(
    stage,
    reads.map(({ count }) => count),
  );
  for (const [index, read] of reads.entries()) {
    stage.ran.add(read.check.id);
    if ((answers[index] ?? 0) === 0) continue;
    stage.found(
      read.check,
      read.relation,
      `${read.check.title}: ${read.relation.schema}.${read.relation.name}`,
      stage.evidence(await stage.tried(read.show), read.show),
    );
  }
  await probeLocks(stage, tables);
  await probeCopy(stage, tables);
  await probeLeakyFilters(stage, tables);
  await probeExplain(stage, tables);
}

/** Each count's number; undefined for one that PostgreSQL refused. */
export async function counted(stage: Stage, counts: readonly Sql[]): Promise<(number | undefined)[]> {
  return (await stage.each(counts, true)).map(({ rows }) => rows);
}

async function probeOwnRows(stage: Stage, tables: readonly Relation[]): Promise<void> {
  const own = tables.flatMap((relation) => {
    const mine = stage.rowsOf("a", relation, true);
    return mine === undefined || stage.row("a", relation) === undefined
      ? []
      : [{ relation, count: sql`select count(*) from ${relationName(relation)} where ${mine}` }];
  });
  const answers = await counted(
    stage,
    own.map(({ count }) => count),
  );
  stage.ran.add(READ_CHECKS.control.id);
  for (const [index, { relation }] of own.entries()) {
    stage.own.set(relation.oid, answers[index] ?? 0);
    if ((answers[index] ?? 0) > 0) stage.proven.add(relation.oid);
    else
      stage.unknown(
        READ_CHECKS.control,
        relation,
        `${stage.role} sees no row of its own tenant in ${relation.schema}.${relation.name}, so that what it does not see of others proves nothing`,
      );
  }
}

/** Halves the list until the one that the refusal is about stands alone. */
async function narrowed<T>(
  stage: Stage,
  parts: readonly T[],
  whole: (parts: readonly T[]) => Sql,
  refused: (part: T, refusal: SqlRefusal, statement: Sql) => void,
): Promise<void> {
  if (parts.length === 0) return;
  const statement = whole(parts);
  const outcome = await stage.attempt(async () => await stage.run(statement));
  const [only] = parts;
  if (outcome.ok || only === undefined) return;
  if (parts.length === 1) {
    refused(only, outcome.refusal, statement);
    return;
  }
  const half = Math.ceil(parts.length / 2);
  await narrowed(stage, parts.slice(0, half), whole, refused);
  await narrowed(stage, parts.slice(half), whole, refused);
}

interface Target {
  readonly relation: Relation;
  readonly theirs: Sql;
}

const targets = (stage: Stage, tables: readonly Relation[]): Target[] =>
  tables.flatMap((relation) => {
    const theirs = stage.rowsOf("b", relation, true);
    return theirs === undefined ? [] : [{ relation, theirs }];
  });

async function probeLocks(stage: Stage, tables: readonly Relation[]): Promise<void> {
  const writable = targets(stage, tables).filter(({ relation }) => relation.may.update);
  stage.ran.add(READ_CHECKS.lock.id);
  const lock = ({ relation, theirs }: Target): Sql =>
    sql`select ${readable(relation)} from ${relationName(relation)} where ${theirs} limit 5 for update`;
  const answers = await counted(
    stage,
    writable.map((target) => sql`select count(*) from (${lock(target)}) x`),
  );
  for (const [index, target] of writable.entries()) {
    if ((answers[index] ?? 0) === 0) continue;
    const rows = await stage.tried(lock(target));
    const message = `SELECT FOR UPDATE locked a row of another tenant in ${tableName(target.relation)}`;
    stage.found(READ_CHECKS.lock, target.relation, message, stage.evidence(rows, lock(target)));
  }
}

const DIVISION_BY_ZERO = "22012";

/** A COPY gives no rows to this connection; one that meets a row of B divides by zero. */
async function probeCopy(stage: Stage, tables: readonly Relation[]): Promise<void> {
  stage.ran.add(READ_CHECKS.copy.id);
  const whole = (parts: readonly Target[]): Sql => {
    const reads = parts.map(
      ({ relation, theirs }) => sql`select 1 / (case when ${theirs} then 0 else 1 end) from ${relationName(relation)}`,
    );
    return sql`copy (${list(reads, " union all ")}) to stdout`;
  };
  await narrowed(stage, targets(stage, tables), whole, ({ relation }, refusal, statement) => {
    if (refusal.sqlstate !== DIVISION_BY_ZERO) return;
    const message = `COPY TO came to a row of another tenant in ${tableName(relation)}`;
    stage.found(READ_CHECKS.copy, relation, message, stage.evidence([{ error: refusal.message }], statement));
  });
}

/** An index would meet the tenant's rows alone; whoever attacks chooses the plan. */
export async function scanOnly(stage: Stage): Promise<void> {
  await stage.run(
    sql`select set_config(setting, 'off', true) from unnest(array['enable_indexscan', 'enable_indexonlyscan', 'enable_bitmapscan']) setting`,
  );
}

/** Cheaper than most conditions of a wall, so that a planner which may reorder runs it first. */
const LEAKY_COLUMNS_MAX = 2;
const UNKNOWN_SETTING = "42704";

/**
 * `current_setting` fails on a text and says it: "unrecognized configuration parameter". In the context of a tenant that
 * has no rows nothing may be said.
 */
export async function probeLeakyFilters(stage: Stage, relations: readonly Relation[]): Promise<void> {
  stage.ran.add(READ_CHECKS.leaky.id);
  const filters = relations.flatMap((relation) =>
    relation.columns
      .filter(({ base, readable }) => readable && (base === "text" || base === "varchar"))
      .slice(-LEAKY_COLUMNS_MAX)
      .map((column) => ({
        relation,
        filter: sql`select 1 from ${relationName(relation)} where pg_catalog.current_setting(${name(column.name)}) is null`,
      })),
  );
  await stage.as(stage.nobody, async () => {
    await scanOnly(stage);
    await narrowed(
      stage,
      filters,
      (parts) =>
        list(
          parts.map(({ filter }) => sql`(${filter})`),
          " union all ",
        ),
      ({ relation }, refusal, statement) => {
        if (refusal.sqlstate !== UNKNOWN_SETTING) return;
        const message = `a condition on ${tableName(relation)} was given a value of another tenant and told it`;
        stage.found(READ_CHECKS.leaky, relation, message, stage.evidence([{ error: refusal.message }], statement));
      },
    );
  });
}

interface PlanNode {
  readonly "Schema"?: string;
  readonly "Relation Name"?: string;
  readonly "Rows Removed by Filter"?: number;
  readonly "Plans"?: readonly PlanNode[];
}

/** Plans of many tables are flat; deeper ones are somebody's view. */
const PLAN_DEPTH_MAX = 50;

function removed(node: PlanNode, into: Map<string, number>, depth = 0): void {
  const count = node["Rows Removed by Filter"] ?? 0;
  if (count > 0) into.set(`${node.Schema ?? ""}.${node["Relation Name"] ?? ""}`, count);
  if (depth < PLAN_DEPTH_MAX) for (const child of node.Plans ?? []) removed(child, into, depth + 1);
}

/** With an index that starts with the tenant nothing is removed; without one the scan of the table tells the rest. */
async function probeExplain(stage: Stage, tables: readonly Relation[]): Promise<void> {
  stage.ran.add(READ_CHECKS.explain.id);
  const walled = tables.filter((relation) => stage.row("b", relation) !== undefined);
  const passedOver = new Map<string, number>();
  const explain = (parts: readonly Relation[]): Sql =>
    sql`explain (analyze, verbose, costs off, format json) ${list(
      parts.map((relation) => sql`select 1 from ${relationName(relation)}`),
      " union all ",
    )}`;
  const look = async (parts: readonly Relation[]): Promise<void> => {
    if (parts.length === 0) return;
    const outcome = await stage.attempt(async () => {
      await stage.run(sql`select set_config('enable_seqscan', 'off', true)`);
      return await stage.run<{ "QUERY PLAN": readonly { Plan: PlanNode }[] }>(explain(parts));
    });
    if (outcome.ok) removed(outcome.value[0]?.["QUERY PLAN"][0]?.Plan ?? {}, passedOver);
    if (outcome.ok || parts.length === 1) return;
    const half = Math.ceil(parts.length / 2);
    await look(parts.slice(0, half));
    await look(parts.slice(half));
  };
  await look(walled);
  for (const relation of walled) {
    const count = passedOver.get(tableName(relation));
    if (count === undefined) continue;
    const message = `EXPLAIN ANALYZE of ${tableName(relation)} tells that ${count} rows of others were passed over`;
    stage.found(
      READ_CHECKS.explain,
      relation,
      message,
      stage.evidence([{ "Rows Removed by Filter": count }], explain([relation])),
    );
  }
}
