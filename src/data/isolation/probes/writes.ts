import { live } from "./check.ts";
import { draftRow, insertSql, relationName, typed } from "./plant.ts";
import { type Relation, tableName } from "./schema.ts";
import { name, type Sql, sql } from "./sql.ts";
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

/** Every table's statement in one, as long as none is refused; which of them touched a row. */
async function touching(stage: Stage, writes: readonly Write[]): Promise<Write[]> {
  if (writes.length === 0) return [];
  const outcome = await stage.attempt(async () => {
    const parts = writes.map(({ statement }, index) => sql`${name(`w${index}`)} as (${statement} returning 1)`);
    const sums = writes.map(
      (_, index) => sql`(select count(*) from ${name(`w${index}`)})::int8::float8 as ${name(`n${index}`)}`,
    );
    const [first = sql``, ...rest] = parts;
    const [sum = sql``, ...others] = sums;
    const bodies = rest.reduce((text, part) => sql`${text}, ${part}`, first);
    const columns = others.reduce((text, part) => sql`${text}, ${part}`, sum);
    return await stage.run<Record<string, number>>(sql`with ${bodies} select ${columns}`);
  });
  if (outcome.ok) return writes.filter((_, index) => (outcome.value[0]?.[`n${index}`] ?? 0) > 0);
  if (writes.length === 1) return [];
  const half = Math.ceil(writes.length / 2);
  return [...(await touching(stage, writes.slice(0, half))), ...(await touching(stage, writes.slice(half)))];
}

/** What another tenant's rows let be done to them. */
export async function probeWrites(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const tables = relations.filter((relation) => relation.may.usage && stage.row("b", relation) !== undefined);
  const make = (by: (stage: Stage, relation: Relation) => Sql | undefined): Write[] =>
    tables.flatMap((relation) => {
      const statement = by(stage, relation);
      return statement === undefined ? [] : [{ relation, statement }];
    });
  stage.ran.add(WRITE_CHECKS.update.id).add(WRITE_CHECKS.delete.id);
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
  for (const relation of tables) {
    await probeReturning(stage, relation);
    await probeMerge(stage, relation);
    await probeInsert(stage, relation);
    await probeWithoutTenant(stage, relation);
    await probeMove(stage, relation);
    await probeTruncate(stage, relation);
  }
}

/** The rows that the write reached, as far as they may be read. */
async function reached(stage: Stage, statement: Sql): Promise<ReturnType<Stage["evidence"]>> {
  const whole = sql`${statement} returning *`;
  const rows = await stage.tried(whole);
  return stage.evidence(rows.length > 0 ? rows : [{ rows: 1 }], rows.length > 0 ? whole : statement);
}

/** A row of one's own is deleted, and what is returned is read from the same table. */
async function probeReturning(stage: Stage, relation: Relation): Promise<void> {
  const mine = stage.rowsOf("a", relation, true);
  const theirs = stage.rowsOf("b", relation, true);
  if (mine === undefined || theirs === undefined || !relation.may.delete || !relation.may.select) return;
  const table = relationName(relation);
  const other = relation.columns.find(({ readable }) => readable);
  if (other === undefined) return;
  const statement = sql`with other as (select * from ${table} where ${theirs}),
    gone as (delete from ${table} using other o where ${qualified(table, mine)} returning o.*) select * from gone limit 5`;
  const rows = await stage.tried(statement);
  stage.ran.add(WRITE_CHECKS.returning.id);
  if (rows.length > 0)
    stage.found(
      WRITE_CHECKS.returning,
      relation,
      `RETURNING gave a row of another tenant from ${tableName(relation)}`,
      stage.evidence(rows, statement),
    );
}

/** The condition about the table itself, where another relation has columns of the same names. */
const qualified = (table: Sql, condition: Sql): Sql =>
  sql`${table}.ctid = any (array(select ctid from ${table} where ${condition}))`;

async function probeMerge(stage: Stage, relation: Relation): Promise<void> {
  const theirs = stage.rowsOf("b", relation, true);
  const column = updatable(relation);
  if (theirs === undefined || column === undefined || !relation.may.update || !relation.may.select) return;
  const value = relation.columns.find((one) => one.name === column);
  if (value?.readable !== true) return;
  const table = relationName(relation);
  const statement = sql`merge into ${table} t using (select 1 as rw_one) s on ${theirs} when matched then update set ${name(column)} = t.${name(column)}`;
  const before = await plantedCount(stage, relation);
  const outcome = await stage.attempt(async () => {
    await stage.run(statement);
    return await plantedCount(stage, relation);
  });
  stage.ran.add(WRITE_CHECKS.merge.id);
  if (outcome.ok && before !== undefined && outcome.value !== undefined && outcome.value !== before)
    stage.found(
      WRITE_CHECKS.merge,
      relation,
      `MERGE changed a row of another tenant in ${tableName(relation)}`,
      stage.evidence([{ rows: 1 }], statement),
    );
}

/** Where B's rows lie, as whoever planted sees it: another place means that one was written. */
async function plantedCount(stage: Stage, relation: Relation): Promise<string | undefined> {
  const theirs = stage.rowsOf("b", relation, false);
  if (theirs === undefined) return undefined;
  const outcome = await stage.attempt(async () => {
    await stage.asPlanter();
    await stage.enter(stage.b);
    const [row] = await stage.run<{ place: string }>(
      sql`select coalesce(string_agg(tableoid::text || ':' || ctid::text || ':' || xmin::text, ',' order by tableoid, ctid), '') as place from ${relationName(relation)} where ${theirs}`,
    );
    return row?.place;
  });
  return outcome.ok ? outcome.value : undefined;
}

/** A refusal by a key or a reference comes after the wall's: the wall had let the row pass. */
const AFTER_THE_WALL = new Set(["23505", "23503"]);

async function probeInsert(stage: Stage, relation: Relation): Promise<void> {
  if (!relation.may.insert) return;
  const { values } = draftRow(stage.garden, relation, stage.b, stage.planted.b);
  const allowed = new Map(
    [...values].filter(([column]) => relation.columns.find((one) => one.name === column)?.insertable === true),
  );
  const statement = insertSql(relation, allowed, sql``);
  const outcome = await stage.attempt(async () => await stage.run(statement));
  stage.ran.add(WRITE_CHECKS.insert.id);
  if (!outcome.ok && !AFTER_THE_WALL.has(outcome.refusal.sqlstate)) return;
  const row = outcome.ok ? Object.fromEntries(allowed) : { error: outcome.refusal.message };
  stage.found(
    WRITE_CHECKS.insert,
    relation,
    `a row was inserted for another tenant into ${tableName(relation)}`,
    stage.evidence([row], statement),
  );
}

async function probeWithoutTenant(stage: Stage, relation: Relation): Promise<void> {
  const [owner] = stage.garden.owners.get(relation.oid) ?? [];
  const column = relation.columns.find((one) => one.name === owner);
  if (column === undefined || column.notNull || !column.insertable) return;
  const { values } = draftRow(stage.garden, relation, stage.a, stage.planted.a);
  const row = new Map([...values].map(([key, value]) => [key, key === column.name ? null : value]));
  const statement = insertSql(relation, row, sql``);
  const outcome = await stage.attempt(async () => await stage.run(statement));
  stage.ran.add(WRITE_CHECKS.without.id);
  if (outcome.ok)
    stage.found(
      WRITE_CHECKS.without,
      relation,
      `a row without a tenant was inserted into ${tableName(relation)}`,
      stage.evidence([Object.fromEntries(row)], statement),
    );
}

async function probeMove(stage: Stage, relation: Relation): Promise<void> {
  const [owner] = stage.garden.owners.get(relation.oid) ?? [];
  const column = relation.columns.find((one) => one.name === owner);
  const mine = stage.byKey("a", relation) ?? stage.rowsOf("a", relation, true);
  if (column?.updatable !== true || mine === undefined) return;
  const statement = sql`update ${relationName(relation)} set ${name(column.name)} = ${typed(column, stage.b.id)} where ${mine}`;
  const before = await plantedCount(stage, relation);
  const outcome = await stage.attempt(async () => {
    await stage.run(statement);
    return await plantedCount(stage, relation);
  });
  stage.ran.add(WRITE_CHECKS.move.id);
  const refused = outcome.ok ? outcome.value === before : !AFTER_THE_WALL.has(outcome.refusal.sqlstate);
  if (refused) return;
  stage.found(
    WRITE_CHECKS.move,
    relation,
    `a row of ${tableName(relation)} was moved to another tenant`,
    stage.evidence([{ [column.name]: stage.b.id }], statement),
  );
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
  stage.ran.add(WRITE_CHECKS.truncate.id);
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
