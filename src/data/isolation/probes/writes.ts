import type { CheckInfo } from "../finding.ts";
import { list, name, type Sql, sql } from "../sql.ts";
import { live } from "./check.ts";
import { draftRow, insertable, insertSql, type Relation, relationName, tableName, typed } from "./planting/index.ts";
import type { Stage } from "./stage.ts";

export const WRITE_CHECKS = {
  update: live(
    "update",
    "UPDATE changes another tenant's row",
    "Any row can be overwritten from a session of any tenant.",
  ),
  delete: live("delete", "DELETE removes another tenant's row", "Any row can be deleted from a session of any tenant."),
  returning: live(
    "returning",
    "RETURNING gives another tenant's values",
    "A write that joins the table gives back rows that a read would not.",
  ),
  merge: live(
    "merge",
    "MERGE changes another tenant's row",
    "MERGE reads and writes under policies of its own, which may be forgotten.",
  ),
  insert: live(
    "insert-for-other",
    "A row can be inserted for another tenant",
    "What is planted with another tenant is shown to its people as their own: orders, messages, permissions.",
  ),
  without: live(
    "insert-without-tenant",
    "A row can be inserted that belongs to no tenant",
    "Such a row is nobody's, or everybody's where a policy opens rows without a tenant.",
    {
      level: "warning",
      remediation: "Make the tenant's column NOT NULL and hold it in WITH CHECK.",
    },
  ),
  move: live(
    "move-row",
    "A row can be moved to another tenant",
    "Own rows are pushed to another tenant, with whatever is in them.",
  ),
  truncate: live(
    "truncate",
    "TRUNCATE empties the table for every tenant",
    "TRUNCATE knows no row-level security: one statement deletes everything.",
    {
      remediation: "Revoke TRUNCATE on the table from the app role and from PUBLIC.",
    },
  ),
} as const;

/** The tenant's row that an attack on B is to leave as it was. */
function updatable(relation: Relation): string | undefined {
  const columns = relation.columns.filter((column) => column.updatable && !column.generated);
  return (columns.find(({ readable }) => readable) ?? columns[0])?.name;
}

function updates(stage: Stage, relation: Relation): Sql | undefined {
  const theirs = stage.rowsOf("b", relation, true);
  const column = updatable(relation);
  if (theirs === undefined || column === undefined || !relation.may.update) return undefined;
  const own = relation.columns.find((one) => one.name === column);
  const value = own?.readable === true ? name(column) : sql`default`;
  return sql`update ${relationName(relation)} set ${name(column)} = ${value} where ${theirs}`;
}

function deletes(stage: Stage, relation: Relation): Sql | undefined {
  const theirs = stage.rowsOf("b", relation, true);
  if (theirs === undefined || !relation.may.delete) return undefined;
  return sql`delete from ${relationName(relation)} where ${theirs}`;
}

interface Write {
  readonly relation: Relation;
  readonly statement: Sql;
}

/** Those of the statements that touched a row. */
async function touching(stage: Stage, writes: readonly Write[]): Promise<readonly Write[]> {
  const answers = await stage.each(writes.map(({ statement }) => statement));
  return writes.filter((_, index) => (answers[index]?.rows ?? 0) > 0);
}

/** What another tenant's rows let be done to them. */
export async function probeWrites(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const tables = relations.filter((relation) => relation.may.usage && stage.row("b", relation) !== undefined);
  const make = (by: (stage: Stage, relation: Relation) => Sql | undefined): Write[] =>
    tables.flatMap((relation) => {
      const statement = by(stage, relation);
      return statement === undefined ? [] : [{ relation, statement }];
    });
  for (const { id } of Object.values(WRITE_CHECKS)) stage.ran.add(id);
  for (const { relation, statement } of await touching(stage, make(updates))) {
    const evidence = await reached(stage, statement);
    stage.found(
      WRITE_CHECKS.update,
      relation,
      `UPDATE changed a row of another tenant in ${tableName(relation)}`,
      evidence,
    );
  }
  for (const { relation, statement } of await touching(stage, make(deletes))) {
    const evidence = await reached(stage, statement);
    stage.found(
      WRITE_CHECKS.delete,
      relation,
      `DELETE removed a row of another tenant from ${tableName(relation)}`,
      evidence,
    );
  }
  for (const { relation, statement } of await touching(stage, make(returns))) {
    const evidence = await reached(stage, statement, sql`returning o.*`);
    stage.found(
      WRITE_CHECKS.returning,
      relation,
      `RETURNING gave a row of another tenant from ${tableName(relation)}`,
      evidence,
    );
  }
  await probeEffects(stage, make(merges), WRITE_CHECKS.merge, "MERGE changed");
  await probeEffects(stage, make(blindUpdates), WRITE_CHECKS.update, "UPDATE without a condition changed");
  await probeEffects(stage, make(blindDeletes), WRITE_CHECKS.delete, "DELETE without a condition removed");
  await probeInserts(stage, tables);
  await probeWithoutTenant(stage, tables);
  await probeMoves(
    stage,
    make((stage, relation) => moves(stage, relation, false)),
  );
  await probeMoves(
    stage,
    make((stage, relation) => moves(stage, relation, true)),
  );
  for (const relation of tables) await probeTruncate(stage, relation);
}

/** The rows that the write reached, as far as they may be read. */
async function reached(
  stage: Stage,
  statement: Sql,
  returning = sql`returning *`,
): Promise<ReturnType<Stage["evidence"]>> {
  const whole = sql`${statement} ${returning}`;
  const rows = await stage.tried(whole);
  return stage.evidence(rows.length > 0 ? rows : [{ rows: 1 }], rows.length > 0 ? whole : statement);
}

/** A row of one's own is deleted, and what is returned is read from the same table. */
function returns(stage: Stage, relation: Relation): Sql | undefined {
  const mine = stage.rowsOf("a", relation, true);
  const theirs = stage.rowsOf("b", relation, true);
  if (mine === undefined || theirs === undefined || !relation.may.delete || !relation.may.select) return undefined;
  const table = relationName(relation);
  const columns = list(relation.columns.filter(({ readable }) => readable).map((column) => name(column.name)));
  return sql`delete from ${table} m using (select ${columns} from ${table} where ${theirs}) o
    where m.ctid = any (array(select ctid from ${table} where ${mine}))`;
}

function merges(stage: Stage, relation: Relation): Sql | undefined {
  const theirs = stage.rowsOf("b", relation, true);
  const column = relation.columns.find((one) => one.updatable && one.readable && !one.generated);
  if (theirs === undefined || column === undefined || !relation.may.select) return undefined;
  return sql`merge into ${relationName(relation)} t using (select 1 as rw_one) s on ${theirs} when matched then update set ${name(column.name)} = t.${name(column.name)}`;
}

/** A statement without a condition takes every row it may: on a table that is in use that would be felt. */
const BLIND_ROWS_MAX = 1_000;

/** Reads no column, so that only the policies for writing stand before it: those for reading do not count. */
function blindUpdates(stage: Stage, relation: Relation): Sql | undefined {
  const column = relation.columns.find((one) => one.updatable && !one.generated && !one.serial);
  const row = stage.row("b", relation);
  if (column === undefined || row === undefined || relation.rowsEstimate > BLIND_ROWS_MAX) return undefined;
  const owners = stage.garden.owners.get(relation.oid) ?? new Set();
  const plain =
    relation.columns.find(
      (one) => one.updatable && !one.generated && !one.serial && !owners.has(one.name) && !isKey(relation, one.name),
    ) ?? column;
  return sql`update ${relationName(relation)} set ${name(plain.name)} = ${typed(plain, row[plain.name] ?? null)}`;
}

const isKey = (relation: Relation, column: string): boolean =>
  relation.keys.some(({ columns }) => columns.includes(column));

function blindDeletes(stage: Stage, relation: Relation): Sql | undefined {
  if (!relation.may.delete || stage.row("b", relation) === undefined || relation.rowsEstimate > BLIND_ROWS_MAX)
    return undefined;
  return sql`delete from ${relationName(relation)}`;
}

/** For what gives nothing back: where it touched more than one's own, what it did is seen by where B's rows lie. */
async function probeEffects(stage: Stage, writes: readonly Write[], check: CheckInfo, said: string): Promise<void> {
  const answers = await stage.each(writes.map(({ statement }) => statement));
  for (const [index, { relation, statement }] of writes.entries()) {
    const own = stage.own.get(relation.oid) ?? stage.planted.a.get(relation.oid)?.length ?? 0;
    const touched = answers[index]?.rows ?? 0;
    if (touched === 0 || (check !== WRITE_CHECKS.merge && touched <= own)) continue;
    const before = await placeOf(stage, relation);
    const after = await stage.attempt(async () => {
      await stage.run(statement);
      return await placeOf(stage, relation);
    });
    if (before === undefined || !after.ok || after.value === before) continue;
    const message = `${said} a row of another tenant in ${tableName(relation)}`;
    stage.found(check, relation, message, stage.evidence([{ rows: touched }], statement));
  }
}

/** Where B's rows lie, as whoever planted sees it: another place means that one was written. */
async function placeOf(stage: Stage, relation: Relation): Promise<string | undefined> {
  const theirs = stage.rowsOf("b", relation, false) ?? sql`false`;
  const outcome = await stage.attempt(async () => {
    await stage.asPlanter();
    await stage.enter(stage.b);
    return await stage.run<{ place: string }>(
      sql`select coalesce(string_agg(tableoid::text || ':' || ctid::text, ',' order by tableoid, ctid), '') as place
        from ${relationName(relation)} where ${theirs}`,
    );
  });
  return outcome.ok ? outcome.value[0]?.place : undefined;
}

/** A refusal by a key or a reference comes after the wall's: the wall had let the row pass. */
const AFTER_THE_WALL = new Set(["23505", "23503"]);

interface Row {
  readonly relation: Relation;
  readonly row: ReadonlyMap<string, string | null>;
}

const inserts = (rows: readonly Row[]): Sql[] => rows.map(({ relation, row }) => insertSql(relation, row, sql``));

async function probeInserts(stage: Stage, tables: readonly Relation[]): Promise<void> {
  const rows = tables.flatMap((relation): Row[] => {
    if (!relation.may.insert) return [];
    const row = insertable(relation, draftRow(stage.garden, relation, stage.b, stage.planted.b).values);
    // Where the tenant cannot be written at all, a default writes it, and the row is one's own.
    const owners = stage.garden.owners.get(relation.oid) ?? new Set();
    return [...owners].some((column) => row.has(column)) ? [{ relation, row }] : [];
  });
  const answers = await stage.each(inserts(rows));
  for (const [index, { relation, row }] of rows.entries()) {
    const { message: refusal, rows: inserted, sqlstate = "" } = answers[index] ?? {};
    if ((inserted ?? 0) === 0 && !AFTER_THE_WALL.has(sqlstate)) continue;
    const shown = inserted === undefined ? { error: refusal } : Object.fromEntries(row);
    const message = `a row was inserted for another tenant into ${tableName(relation)}`;
    stage.found(WRITE_CHECKS.insert, relation, message, stage.evidence([shown], insertSql(relation, row, sql``)));
  }
}

async function probeWithoutTenant(stage: Stage, tables: readonly Relation[]): Promise<void> {
  const rows = tables.flatMap((relation): Row[] => {
    const [owner] = stage.garden.owners.get(relation.oid) ?? [];
    const column = relation.columns.find((one) => one.name === owner);
    if (column === undefined || column.notNull || !column.insertable) return [];
    const { values } = draftRow(stage.garden, relation, stage.a, stage.planted.a);
    return [{ relation, row: insertable(relation, new Map([...values, [column.name, null]])) }];
  });
  const answers = await stage.each(inserts(rows));
  for (const [index, { relation, row }] of rows.entries()) {
    if ((answers[index]?.rows ?? 0) === 0) continue;
    const message = `a row without a tenant was inserted into ${tableName(relation)}`;
    const evidence = stage.evidence([Object.fromEntries(row)], insertSql(relation, row, sql``));
    stage.found(WRITE_CHECKS.without, relation, message, evidence);
  }
}

/** The updates that would move a row of A; a condition reads columns, and what is read has to be seen afterwards, too. */
function moves(stage: Stage, relation: Relation, blind: boolean): Sql | undefined {
  const [owner] = stage.garden.owners.get(relation.oid) ?? [];
  const column = relation.columns.find((one) => one.name === owner);
  const mine = stage.byKey("a", relation) ?? stage.rowsOf("a", relation, true);
  if (column?.updatable !== true) return undefined;
  const whole = sql`update ${relationName(relation)} set ${name(column.name)} = ${typed(column, stage.b.id)}`;
  if (blind) return relation.rowsEstimate > BLIND_ROWS_MAX ? undefined : whole;
  return mine === undefined ? undefined : sql`${whole} where ${mine}`;
}

async function probeMoves(stage: Stage, writes: readonly Write[]): Promise<void> {
  const answers = await stage.each(writes.map(({ statement }) => statement));
  for (const [index, { relation, statement }] of writes.entries()) {
    const { rows = 0, sqlstate = "" } = answers[index] ?? {};
    const refused = rows === 0 && !AFTER_THE_WALL.has(sqlstate);
    if (refused || !(await moved(stage, relation, statement))) continue;
    const message = `a row of ${tableName(relation)} was moved to another tenant`;
    stage.found(WRITE_CHECKS.move, relation, message, stage.evidence([{ rows }], statement));
  }
}

async function moved(stage: Stage, relation: Relation, statement: Sql): Promise<boolean> {
  const theirs = stage.rowsOf("b", relation, false) ?? sql`false`;
  const outcome = await stage.attempt(async () => {
    await stage.run(statement);
    await stage.asPlanter();
    await stage.enter(stage.b);
    return await stage.run<{ n: number }>(
      sql`select count(*)::int4 as n from ${relationName(relation)} where ${theirs}`,
    );
  });
  if (!outcome.ok) return AFTER_THE_WALL.has(outcome.refusal.sqlstate);
  return (outcome.value[0]?.n ?? 0) > (stage.planted.b.get(relation.oid)?.length ?? 0);
}

const REFERENCED = "0A000";

/** Tried for real: the lock waits for nobody, and goes when the savepoint is taken back. */
async function probeTruncate(stage: Stage, relation: Relation): Promise<void> {
  if (!relation.may.truncate) return;
  const plain = sql`truncate ${relationName(relation)}`;
  const cascading = sql`truncate ${relationName(relation)} cascade`;
  let statement = plain;
  let outcome = await stage.attempt(async () => await stage.run(plain));
  if (!outcome.ok && outcome.refusal.sqlstate === REFERENCED) {
    statement = cascading;
    outcome = await stage.attempt(async () => await stage.run(cascading));
  }
  if (outcome.ok) {
    stage.found(
      WRITE_CHECKS.truncate,
      relation,
      `TRUNCATE emptied ${tableName(relation)} for every tenant`,
      stage.evidence([], statement),
    );
    return;
  }
  const reason = `${tableName(relation)}: ${outcome.refusal.sqlstate}`;
  if (outcome.refusal.sqlstate === "55P03")
    stage.skipped.set(WRITE_CHECKS.truncate.id, `the table was in use: ${reason}`);
}
