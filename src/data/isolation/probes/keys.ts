import { list, name, type Sql, sql } from "../sql.ts";
import { live } from "./check.ts";
import {
  draftRow,
  insertable,
  insertSql,
  type Key,
  type PlantedRow,
  type Reference,
  type Relation,
  relationName,
  tableName,
  typed,
} from "./planting/index.ts";
import type { Stage } from "./stage.ts";

const TENANT_FIRST = "Put the tenant's column into the key: UNIQUE (tenant, ...), and refer to it by both columns.";

export const KEY_CHECKS = {
  conflict: live(
    "on-conflict",
    "ON CONFLICT DO NOTHING tells whether another tenant has a value",
    "Nothing was inserted: so somebody has this address, number or name. No error, no log.",
    {
      category: "constraints",
      remediation: TENANT_FIRST,
    },
  ),
  unique: live(
    "unique",
    "A unique violation tells whether another tenant has a value",
    "The error says that somebody has this address, number or name.",
    {
      category: "constraints",
      remediation: TENANT_FIRST,
    },
  ),
  upsert: live(
    "upsert",
    "ON CONFLICT DO UPDATE writes another tenant's row",
    "An upsert that meets another tenant's key overwrites that row.",
    {
      category: "constraints",
      remediation: TENANT_FIRST,
    },
  ),
  reference: live(
    "reference",
    "A foreign key can point at another tenant's row",
    "Own rows hang on to another tenant's; whether it exists is told, and it cannot be deleted any more.",
    {
      category: "constraints",
      remediation: TENANT_FIRST,
    },
  ),
  cascade: live(
    "cascade",
    "A delete in one tenant changes rows of another",
    "ON DELETE acts without row-level security: what one tenant deletes takes the other's rows along.",
    {
      category: "constraints",
      remediation: TENANT_FIRST,
    },
  ),
} as const;

/** Keys that are drawn at random, or are digests. */
const RANDOM = new Set(["uuid", "bytea"]);

/** Whether the columns say whose they are by themselves. */
function namesTenant(stage: Stage, relation: Relation, columns: readonly string[]): boolean {
  const owners = stage.garden.owners.get(relation.oid) ?? new Set();
  return columns.some((column) => owners.has(column));
}

/** Oracles and links between rows of two tenants, for every table in which a row could be planted. */
export async function probeKeys(stage: Stage, relations: readonly Relation[]): Promise<void> {
  for (const { id } of Object.values(KEY_CHECKS)) stage.ran.add(id);
  const tables = relations.filter(
    (relation) => relation.may.usage && relation.may.insert && stage.row("b", relation) !== undefined,
  );
  await probeOwnInserts(stage, tables);
  for (const relation of tables) {
    for (const key of relation.keys) {
      if (key.columns.length > 0 && !namesTenant(stage, relation, key.columns)) await probeKey(stage, relation, key);
    }
    for (const reference of relation.references) {
      if (crosses(stage, relation, reference)) await probeReference(stage, relation, reference);
    }
  }
}

/** A's own rows, once more: what a trigger says of others comes out in its refusal, which the stage reads. */
async function probeOwnInserts(stage: Stage, tables: readonly Relation[]): Promise<void> {
  await stage.each(tables.map((relation) => insertSql(relation, ownRow(stage, relation), sql``)));
}

const ownRow = (stage: Stage, relation: Relation): ReadonlyMap<string, string | null> =>
  insertable(relation, draftRow(stage.garden, relation, stage.a, stage.planted.a).values);

/** A's row with the values of B's key, and on the same side of what a partial index asks for. */
function collidingRow(
  stage: Stage,
  relation: Relation,
  key: Key,
  theirs: PlantedRow,
): ReadonlyMap<string, string | null> | undefined {
  const row = new Map(ownRow(stage, relation));
  if (key.columns.some((column) => typeof theirs[column] !== "string" || !row.has(column))) return undefined;
  for (const { base, kind, name: column } of relation.columns) {
    const turns = kind === "enum" || base === "bool";
    if (key.columns.includes(column) || (turns && row.has(column))) row.set(column, theirs[column] ?? null);
  }
  return row;
}

async function probeKey(stage: Stage, relation: Relation, key: Key): Promise<void> {
  for (const theirs of stage.planted.b.get(relation.oid) ?? []) {
    const row = collidingRow(stage, relation, key, theirs);
    if (row !== undefined) await probeCollision(stage, relation, key, row);
  }
}

async function probeCollision(
  stage: Stage,
  relation: Relation,
  key: Key,
  row: ReadonlyMap<string, string | null>,
): Promise<void> {
  const columns = key.columns.map((column) => relation.columns.find((one) => one.name === column));
  // 122 random bits are not guessed; who has seen one elsewhere still learns that the row is there.
  const level = columns.every((column) => RANDOM.has(column?.base ?? "")) ? "notice" : "error";
  const where = {
    object: { kind: "index", schema: relation.schema, name: key.name, table: relation.name },
    tables: [tableName(relation)],
  } as const;
  const said = `${key.name} on ${tableName(relation)} (${key.columns.join(", ")})`;
  const tried = Object.fromEntries(key.columns.map((column) => [column, row.get(column) ?? null]));

  // The key is named: a conflict with a row of one's own, by another key, must not look like an answer.
  const silent = insertSql(
    relation,
    row,
    sql`on conflict (${list(key.columns.map((column) => name(column)))}) do nothing`,
  );
  const plain = insertSql(relation, row, sql``);
  const upsert = upsertSql(relation, key, row);
  const [nothing, violation, written] = await stage.each([silent, plain, ...(upsert === undefined ? [] : [upsert])]);
  if (nothing?.rows === 0) {
    const message = `inserting nothing tells that another tenant has the value: ${said}`;
    stage.found(KEY_CHECKS.conflict, where, message, stage.evidence([{ ...tried, inserted: 0 }], silent), level);
  }
  if (violation?.sqlstate === "23505" && violation.message?.includes(`"${key.name}"`) === true) {
    const message = `the error tells that another tenant has the value: ${said}`;
    stage.found(
      KEY_CHECKS.unique,
      where,
      message,
      stage.evidence([{ ...tried, error: violation.message }], plain),
      level,
    );
  }
  if ((written?.rows ?? 0) > 0) {
    const message = `an upsert wrote the row of another tenant in ${tableName(relation)}`;
    stage.found(KEY_CHECKS.upsert, relation, message, stage.evidence([Object.fromEntries(row)], upsert));
  }
}

function upsertSql(relation: Relation, key: Key, row: ReadonlyMap<string, string | null>): Sql | undefined {
  const possible = relation.columns.filter((column) => column.updatable && !column.generated && row.has(column.name));
  // Not a column of a key: other tables may point at it, and refuse for a reason of their own.
  const target =
    possible.find((column) => !relation.keys.some(({ columns }) => columns.includes(column.name))) ?? possible[0];
  if (target === undefined) return undefined;
  const conflict = list(key.columns.map((column) => name(column)));
  return insertSql(
    relation,
    row,
    sql`on conflict (${conflict}) do update set ${name(target.name)} = excluded.${name(target.name)}`,
  );
}

/** From a tenant's table to a tenant's table, and the tenant is not part of it. */
function crosses(stage: Stage, relation: Relation, reference: Reference): boolean {
  const target = stage.schema.relations.get(reference.target);
  if (target === undefined || stage.row("b", target) === undefined) return false;
  if (namesTenant(stage, relation, reference.columns)) return false;
  return stage.garden.owners.has(target.oid) && stage.garden.owners.has(relation.oid);
}

/** A's row that points at B's, and what becomes of it when B deletes. */
async function probeReference(stage: Stage, relation: Relation, reference: Reference): Promise<void> {
  const target = stage.schema.relations.get(reference.target);
  const theirs = target === undefined ? undefined : stage.row("b", target);
  if (target === undefined || theirs === undefined) return;
  const row = new Map(ownRow(stage, relation));
  reference.columns.forEach((column, index) => row.set(column, theirs[reference.targetColumns[index] ?? ""] ?? null));
  const statement = insertSql(relation, row, sql``);
  const where = {
    object: { kind: "constraint", schema: relation.schema, name: reference.name, table: relation.name },
    tables: [tableName(relation), tableName(target)],
  } as const;
  const pointing = pointsAt(relation, reference, row);
  let changed = false;
  const outcome = await stage.attempt(async () => {
    await stage.run(statement);
    await stage.run(sql`set constraints all immediate`);
    changed = await deletedAlong(stage, target, relation, pointing);
  });
  if (!outcome.ok) return;
  const said = `${reference.name}: ${tableName(relation)} (${reference.columns.join(", ")}) to ${tableName(target)}`;
  stage.found(
    KEY_CHECKS.reference,
    where,
    `a row of one tenant points at a row of another: ${said}`,
    stage.evidence([Object.fromEntries(row)], statement),
  );
  if (changed)
    stage.found(
      KEY_CHECKS.cascade,
      where,
      `deleting a row of one tenant changes a row of another: ${said}`,
      stage.evidence([Object.fromEntries(row)], sql`delete from ${relationName(target)}`),
    );
}

function pointsAt(relation: Relation, reference: Reference, row: ReadonlyMap<string, string | null>): Sql {
  const parts = reference.columns.map((column) => {
    const found = relation.columns.find((one) => one.name === column);
    return found === undefined ? sql`false` : sql`${name(column)} = ${typed(found, row.get(column) ?? null)}`;
  });
  return list(parts, " and ");
}

/** Deletes B's row as B, then looks whether A's row is as it was. */
async function deletedAlong(stage: Stage, target: Relation, relation: Relation, pointing: Sql): Promise<boolean> {
  const key = stage.byKey("b", target, false);
  const [owner] = stage.garden.owners.get(relation.oid) ?? [];
  if (key === undefined || owner === undefined) return false;
  const count = sql`select count(*)::int4 as n from ${relationName(relation)} where ${pointing}`;
  let changed = false;
  await stage.attempt(async () => {
    await stage.asPlanter();
    await stage.enter(stage.a);
    const [before] = await stage.run<{ n: number }>(count);
    await stage.enter(stage.b);
    await stage.run(sql`delete from ${relationName(target)} where ${key}`);
    await stage.enter(stage.a);
    const [after] = await stage.run<{ n: number }>(count);
    changed = (after?.n ?? 0) < (before?.n ?? 0);
  });
  return changed;
}
