import type { SqlSession } from "../session.ts";
import type { Column, Oid, Relation } from "./model.ts";
import { COLUMNS, EXPRESSION_CALLS, LEAKPROOF_TYPES, RELATIONS, SEQUENCE_OWNERS, VIEW_READS } from "./queries.ts";
import { type GrantRows, grantsOf, grouped, wordOf } from "./rows.ts";

interface RelationRow {
  readonly oid: Oid;
  readonly kind: string;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly persistence: string;
  readonly row_security: boolean;
  readonly forced: boolean;
  readonly is_partition: boolean;
  readonly rows_estimate: number;
  readonly options: readonly string[];
  readonly parents: readonly Oid[];
  readonly grants: GrantRows;
  readonly extension: string | null;
  readonly definition: string | null;
  readonly server: string | null;
}

interface ColumnRow {
  readonly relation: Oid;
  readonly name: string;
  readonly type: string;
  readonly base_type: string;
  readonly type_kind: string;
  readonly not_null: boolean;
  readonly expression: string | null;
  readonly generated: string;
  readonly identity: boolean;
  readonly grants: GrantRows;
}

const KINDS = {
  r: "table",
  p: "partitioned table",
  v: "view",
  m: "materialized view",
  f: "foreign table",
  S: "sequence",
} as const;
const PERSISTENCE = { p: "permanent", u: "unlogged", t: "temporary" } as const;
const GENERATED = { "": "no", s: "stored", v: "virtual" } as const;

/** Every table, view and sequence outside PostgreSQL's own schemas. */
export async function readRelations(session: SqlSession): Promise<ReadonlyMap<Oid, Relation>> {
  const rows = await session.query<RelationRow>(RELATIONS);
  const calls = await readCalls(session);
  const columns = grouped(
    await session.query<ColumnRow>(COLUMNS),
    (row) => row.relation,
    (row) => columnOf(row, calls.get(row.relation)),
  );
  const reads = grouped(
    await session.query<{ relation: Oid; reads: Oid }>(VIEW_READS),
    (row) => row.relation,
    (row) => row.reads,
  );
  const owners = await session.query<{ sequence: Oid; relation: Oid; column: string }>(SEQUENCE_OWNERS);
  const owned = new Map(owners.map(({ sequence, relation, column }) => [sequence, { table: relation, column }]));
  return new Map(
    rows.map((row): [Oid, Relation] => [
      row.oid,
      {
        oid: row.oid,
        kind: wordOf(KINDS, row.kind),
        schema: row.schema,
        name: row.name,
        owner: row.owner,
        persistence: wordOf(PERSISTENCE, row.persistence),
        rowSecurity: row.row_security,
        forced: row.forced,
        isPartition: row.is_partition,
        parents: row.parents,
        options: row.options,
        columns: columns.get(row.oid) ?? [],
        grants: grantsOf(row.grants),
        rowsEstimate: row.rows_estimate,
        extension: row.extension ?? undefined,
        definition: row.definition ?? undefined,
        reads: reads.get(row.oid) ?? [],
        server: row.server ?? undefined,
        ownedBy: owned.get(row.oid),
      },
    ]),
  );
}

interface Call {
  readonly column: string;
  readonly routine: Oid;
}

async function readCalls(session: SqlSession): Promise<ReadonlyMap<Oid, readonly Call[]>> {
  const rows = await session.query<Call & { relation: Oid }>(EXPRESSION_CALLS);
  return grouped(
    rows,
    (row) => row.relation,
    ({ column, routine }) => ({ column, routine }),
  );
}

/** `varchar` compares as text does: PostgreSQL has no equality of its own for it. */
export async function readLeakproofTypes(session: SqlSession): Promise<ReadonlySet<string>> {
  const names = (await session.query<{ name: string }>(LEAKPROOF_TYPES)).map(({ name }) => name);
  return new Set(names.includes("text") ? [...names, "varchar"] : names);
}

function columnOf(row: ColumnRow, calls: readonly Call[] = []): Column {
  return {
    name: row.name,
    type: row.type,
    baseType: row.base_type,
    typeKind: row.type_kind,
    notNull: row.not_null,
    expression: row.expression ?? undefined,
    generated: wordOf(GENERATED, row.generated),
    identity: row.identity,
    calls: calls.filter(({ column }) => column === row.name).map(({ routine }) => routine),
    grants: grantsOf(row.grants),
  };
}
