import { SqlRefusal, type SqlSession } from "../../session.ts";
import { list, literal, name, printed, type Sql, sql } from "../../sql.ts";
import type { Column, Reference, Relation, Schema } from "./schema.ts";
import { candidates, type Tenant } from "./values.ts";

/** One row that was planted, its values as text, as PostgreSQL gave them back. */
export type PlantedRow = Readonly<Record<string, string | null>>;

/** What stands in the transaction for one tenant. */
export type Planted = Map<number, PlantedRow[]>;

/** A row that is tried with other values this often, and no more. */
const ATTEMPTS_MAX = 40;

/** Conditions under which another value does not help. */
const HOPELESS = new Set(["42501", "55P03", "57014", "0A000", "54001", "53200", "40P01", "25006"]);

/** What is needed to plant a row: where the columns that name a tenant are, and what its parents hold. */
export interface Garden {
  readonly session: SqlSession;
  readonly schema: Schema;
  /** Columns that hold the tenant's id, by table. */
  readonly owners: ReadonlyMap<number, ReadonlySet<string>>;
  /** What PostgreSQL took in the end, by table: the next row is made the same way. */
  readonly accepted: Map<number, DraftOptions>;
}

/** Which candidate each column is at. */
type Choice = Map<string, number>;

/** How a row is put together. */
export interface DraftOptions {
  readonly choice?: ReadonlyMap<string, number>;
  /** References that stay empty. */
  readonly without?: ReadonlySet<string>;
  /** Nothing but what must have a value. */
  readonly sparse?: boolean;
  /** Turns enums and booleans, so that rows of several kinds are there. */
  readonly variant?: number;
}

export const relationName = (relation: { readonly schema: string; readonly name: string }): Sql =>
  name(relation.schema, relation.name);

/** A value as its column's type. */
export const typed = (column: Column, value: string | null): Sql =>
  value === null ? sql`null` : sql`${literal(value)}::${printed(column.type)}`;

/** Values that the row takes from elsewhere: the tenant's id, and the keys of rows it refers to. */
function fixedValues(
  garden: Garden,
  relation: Relation,
  tenant: Tenant,
  planted: Planted,
  without: ReadonlySet<string>,
): Map<string, string | null> {
  const fixed = new Map<string, string | null>();
  for (const column of garden.owners.get(relation.oid) ?? []) fixed.set(column, tenant.id);
  for (const reference of relation.references) {
    const parent = without.has(reference.name) ? undefined : planted.get(reference.target)?.[0];
    reference.columns.forEach((column, index) => {
      if (fixed.has(column)) return;
      const own = relation.columns.find((one) => one.name === column);
      const value = parent?.[reference.targetColumns[index] ?? ""];
      if (value !== undefined) fixed.set(column, value);
      else if (own?.notNull === false) fixed.set(column, null);
    });
  }
  return fixed;
}

/** Columns that cannot be left to a default: a default may take a number from a sequence for good. */
function isNeeded(column: Column, relation: Relation): boolean {
  // What says of which kind a row is: policies and partial indexes ask for it.
  if (column.kind === "enum" || column.base === "bool") return true;
  if (column.serial || (column.notNull && !column.hasDefault)) return true;
  return relation.keys.some((key) => key.columns.includes(column.name));
}

interface Draft {
  readonly values: ReadonlyMap<string, string | null>;
  readonly free: ReadonlySet<string>;
}

/** A row for the tenant: fixed values first, then a candidate for each column that is left. */
export function draftRow(
  garden: Garden,
  relation: Relation,
  tenant: Tenant,
  planted: Planted,
  options: DraftOptions = garden.accepted.get(relation.oid) ?? {},
): Draft {
  const fixed = fixedValues(garden, relation, tenant, planted, options.without ?? new Set());
  const values = new Map<string, string | null>();
  const free = new Set<string>();
  for (const column of relation.columns) {
    if (column.generated) continue;
    const given = fixed.get(column.name);
    if (given !== undefined) {
      values.set(column.name, given);
      continue;
    }
    if (options.sparse === true && !isNeeded(column, relation)) continue;
    const possible = candidates(column, relation, tenant);
    if (possible.length === 0) continue;
    const turned = column.kind === "enum" || column.base === "bool" ? (options.variant ?? 0) : 0;
    values.set(column.name, possible[((options.choice?.get(column.name) ?? 0) + turned) % possible.length] ?? null);
    free.add(column.name);
  }
  return { values, free };
}

/** The values that the app role may write itself. */
export function insertable(
  relation: Relation,
  values: ReadonlyMap<string, string | null>,
): ReadonlyMap<string, string | null> {
  const columns = new Set(relation.columns.filter((column) => column.insertable).map((column) => column.name));
  return new Map([...values].filter(([column]) => columns.has(column)));
}

/** INSERT of the values, giving back every column as text. */
export function insertSql(relation: Relation, values: ReadonlyMap<string, string | null>, tail: Sql): Sql {
  const columns = relation.columns.filter((column) => values.has(column.name));
  if (columns.length === 0) return sql`insert into ${relationName(relation)} default values ${tail}`;
  return sql`insert into ${relationName(relation)} (${list(columns.map((column) => name(column.name)))}) overriding system value values (${list(
    columns.map((column) => typed(column, values.get(column.name) ?? null)),
  )}) ${tail}`;
}

export const returningText = (relation: Relation): Sql =>
  sql`returning ${list(relation.columns.map((column) => sql`${name(column.name)}::text as ${name(column.name)}`))}`;

/** Moves the columns that PostgreSQL complained about to their next candidate. */
function turn(
  choice: Choice,
  relation: Relation,
  free: ReadonlySet<string>,
  refusal: SqlRefusal,
  attempt: number,
): void {
  const named = relation.checks.find((check) => refusal.message.includes(`"${check.name}"`));
  const columns = (named?.columns ?? []).filter((column) => free.has(column));
  // A constraint over several columns: each is turned at its own pace, so that pairs are tried, too.
  const plain = relation.columns.filter(
    ({ base, kind, name: column }) => free.has(column) && kind !== "enum" && base !== "bool",
  );
  const turning = columns.length > 0 ? columns : plain.map((column) => column.name);
  turning.forEach((column, index) => {
    if (index === 0 || attempt % (index + 2) === 0) choice.set(column, (choice.get(column) ?? 0) + 1);
  });
}

/**
 * Plants one row of the tenant, in a savepoint for each try.
 *
 * @returns The row, or why PostgreSQL took none.
 */
export async function plantRow(
  garden: Garden,
  relation: Relation,
  tenant: Tenant,
  planted: Planted,
  variant = 0,
): Promise<PlantedRow | string> {
  const { session } = garden;
  const before = garden.accepted.get(relation.oid);
  const choice: Choice = new Map(before?.choice);
  const without = new Set(before?.without);
  let reason = "no value was accepted";
  // Every second time only what must have a value gets one: fewer values break fewer rules.
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const options = { choice, without, sparse: attempt % 2 === 1, variant };
    const draft = draftRow(garden, relation, tenant, planted, options);
    // Not released: the next one of the name stands in front of it, and all go with the transaction.
    await session.query("savepoint rw_plant");
    try {
      const rows = await session.query<PlantedRow>(insertSql(relation, draft.values, returningText(relation)).text);
      if (variant === 0) garden.accepted.set(relation.oid, options);
      return rows[0] ?? "a trigger or rule took the row away";
    } catch (error) {
      if (!(error instanceof SqlRefusal)) throw error;
      await session.query("rollback to savepoint rw_plant");
      // PostgreSQL's message can hold values of rows of real tenants, by a trigger's doing; the code cannot.
      reason = `${error.sqlstate}: ${error.message.slice(0, 160)}`;
      if (HOPELESS.has(error.sqlstate)) return reason;
      if (error.sqlstate === UNIQUE && variant === 0) {
        const there = await rowThere(garden, relation, tenant);
        if (there !== undefined) return there;
      }
      const broken = relation.references.find((one: Reference) => error.message.includes(`"${one.name}"`));
      if (error.sqlstate === "23503" && broken !== undefined) without.add(broken.name);
      turn(choice, relation, draft.free, error, attempt);
    }
  }
  return reason;
}

const UNIQUE = "23505";

/** A row of the tenant that a trigger has made: as good as one that was planted. */
async function rowThere(
  { owners, session }: Garden,
  relation: Relation,
  tenant: Tenant,
): Promise<PlantedRow | undefined> {
  const [owner] = owners.get(relation.oid) ?? [];
  if (owner === undefined) return undefined;
  const columns = list(relation.columns.map((column) => sql`${name(column.name)}::text as ${name(column.name)}`));
  const mine = sql`select ${columns} from ${relationName(relation)} where ${name(owner)}::text = ${literal(tenant.id)} limit 1`;
  const [row] = await session.query<PlantedRow>(mine.text);
  return row;
}

/** Parents before children; a cycle is cut where it is met, and its nullable side stays empty. */
export function inOrder(schema: Schema, wanted: readonly number[]): number[] {
  const order: number[] = [];
  const seen = new Set<number>();
  const visit = (oid: number): void => {
    if (seen.has(oid)) return;
    seen.add(oid);
    for (const { target } of schema.relations.get(oid)?.references ?? []) visit(target);
    if (schema.relations.has(oid)) order.push(oid);
  };
  for (const oid of wanted) visit(oid);
  return order;
}
