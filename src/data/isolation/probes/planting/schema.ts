import type { SqlSession } from "../../session.ts";
import type { IsolationSettings } from "../../settings.ts";

/** A column as planting and probing need it. */
export interface Column {
  readonly name: string;
  /** As `format_type` prints it: quoted where needed, with its modifier. */
  readonly type: string;
  /** What it is below domains and without its modifier: `text`, `int4`, an enum's name. */
  readonly base: string;
  readonly kind: "base" | "enum" | "array" | "range" | "composite";
  /** Of `varchar(n)` and `char(n)`. */
  readonly charsMax: number | null;
  readonly notNull: boolean;
  readonly hasDefault: boolean;
  /** Its default takes a number from a sequence, which no rollback gives back. */
  readonly serial: boolean;
  readonly generated: boolean;
  readonly enumLabels: readonly string[];
  readonly readable: boolean;
  readonly insertable: boolean;
  readonly updatable: boolean;
}

export interface Key {
  readonly name: string;
  readonly columns: readonly string[];
  readonly primary: boolean;
}

export interface Reference {
  readonly name: string;
  readonly columns: readonly string[];
  readonly target: number;
  readonly targetColumns: readonly string[];
  readonly onDelete: "a" | "r" | "c" | "n" | "d";
}

export interface Check {
  readonly name: string;
  readonly columns: readonly string[];
  readonly definition: string;
}

/** A table, view or materialized view of the schemas under examination. */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  readonly kind: "r" | "p" | "f" | "v" | "m";
  /** Of a partition or an inheritance child; the nearest one. */
  readonly parent: number | null;
  readonly isPartition: boolean;
  /** Bounds of all partitions below, and texts of policies: where values that matter are found. */
  readonly hints: readonly string[];
  readonly columns: readonly Column[];
  readonly keys: readonly Key[];
  readonly references: readonly Reference[];
  readonly checks: readonly Check[];
  readonly rowsEstimate: number;
  /** Of a view: what it reads, through other views as well. */
  readonly sources: readonly number[];
  readonly may: {
    readonly select: boolean;
    readonly insert: boolean;
    readonly update: boolean;
    readonly delete: boolean;
    readonly truncate: boolean;
    readonly usage: boolean;
  };
}

/** A function that the app role may call. */
export interface Routine {
  readonly schema: string;
  readonly name: string;
  readonly signature: string;
  readonly arguments: readonly { readonly type: string; readonly base: string }[];
  readonly optional: number;
  readonly definer: boolean;
  readonly leakproof: boolean;
}

export interface Sequence {
  readonly schema: string;
  readonly name: string;
}

export interface Schema {
  readonly relations: ReadonlyMap<number, Relation>;
  readonly routines: readonly Routine[];
  readonly sequences: readonly Sequence[];
}

/** The longest list that is read: what is beyond is told, not cut silently. */
export const RELATIONS_MAX = 20_000;

// One row per relation. A domain is followed down to what it is made of.
const RELATIONS = `
with recursive wanted as (
  select c.oid, n.nspname, c.relname, c.relkind, c.relispartition, c.reltuples
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'f', 'v', 'm')
    and case when cardinality($2::text[]) > 0 then n.nspname = any ($2::text[])
        else n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' end
    and not exists (select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e')
),
base as (
  select t.oid, t.oid as base, t.typbasetype as next, t.typtypmod as modifier, t.typnotnull as not_null, 0 as depth
  from pg_type t where t.oid in (select a.atttypid from pg_attribute a join wanted w on w.oid = a.attrelid)
  union all
  select b.oid, t.oid, t.typbasetype, case when b.modifier >= 0 then b.modifier else t.typtypmod end,
    b.not_null or t.typnotnull, b.depth + 1
  from base b join pg_type t on t.oid = b.next where b.next <> 0 and b.depth < 32
),
cols as (
  select a.attrelid as oid, json_agg(json_build_object(
    'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'base', t.typname,
    'kind', case when t.typtype = 'e' then 'enum' when t.typtype in ('r', 'm') then 'range' when t.typtype = 'c' then 'composite'
      when t.typcategory = 'A' then 'array' else 'base' end,
    'charsMax', case when t.typname in ('varchar', 'bpchar') then
      case when a.atttypmod > 4 then a.atttypmod - 4 when b.modifier > 4 then b.modifier - 4 end end,
    'notNull', a.attnotnull or b.not_null, 'hasDefault', a.atthasdef or a.attidentity <> '',
    'serial', a.attidentity <> '' or coalesce(pg_get_expr(d.adbin, d.adrelid) ilike '%nextval(%', false),
    'generated', a.attgenerated <> '',
    'enumLabels', coalesce((select json_agg(e.enumlabel order by e.enumsortorder) from pg_enum e where e.enumtypid = t.oid), '[]'),
    'readable', has_column_privilege($1, a.attrelid, a.attnum, 'select'),
    'insertable', has_column_privilege($1, a.attrelid, a.attnum, 'insert'),
    'updatable', has_column_privilege($1, a.attrelid, a.attnum, 'update')) order by a.attnum) as list
  from pg_attribute a join wanted w on w.oid = a.attrelid
    join base b on b.oid = a.atttypid and b.next = 0 join pg_type t on t.oid = b.base
    left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped group by a.attrelid
),
keys as (
  select i.indrelid as oid, json_agg(json_build_object('name', x.relname, 'primary', i.indisprimary,
    'columns', (select coalesce(json_agg(a.attname order by k.ord), '[]') from unnest(i.indkey::int2[]) with ordinality k(num, ord)
      join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.num where k.ord <= i.indnkeyatts))
    order by i.indisprimary desc, x.relname) as list
  from pg_index i join wanted w on w.oid = i.indrelid join pg_class x on x.oid = i.indexrelid
  where i.indisunique and i.indexprs is null group by i.indrelid
),
refs as (
  select c.conrelid as oid, json_agg(json_build_object('name', c.conname, 'target', c.confrelid::int8, 'onDelete', c.confdeltype,
    'columns', (select json_agg(a.attname order by k.ord) from unnest(c.conkey) with ordinality k(num, ord)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num),
    'targetColumns', (select json_agg(a.attname order by k.ord) from unnest(c.confkey) with ordinality k(num, ord)
      join pg_attribute a on a.attrelid = c.confrelid and a.attnum = k.num)) order by c.conname) as list
  from pg_constraint c join wanted w on w.oid = c.conrelid where c.contype = 'f' and c.conparentid = 0 group by c.conrelid
),
checks as (
  select c.conrelid as oid, json_agg(json_build_object('name', c.conname, 'definition', pg_get_constraintdef(c.oid),
    'columns', coalesce((select json_agg(a.attname) from unnest(c.conkey) k(num)
      join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.num), '[]')) order by c.conname) as list
  from pg_constraint c join wanted w on w.oid = c.conrelid where c.contype = 'c' group by c.conrelid
),
domain_checks as (
  select a.attrelid as oid, json_agg(json_build_object('name', c.conname, 'definition', pg_get_constraintdef(c.oid),
    'columns', json_build_array(a.attname))) as list
  from pg_attribute a join wanted w on w.oid = a.attrelid join base b on b.oid = a.atttypid
    join pg_constraint c on c.contypid = b.base
  where a.attnum > 0 and not a.attisdropped group by a.attrelid
)
select w.oid::int8::float8 as oid, w.nspname as schema, w.relname as name, w.relkind as kind, w.relispartition as "isPartition",
  w.reltuples::float8 as "rowsEstimate",
  (select i.inhparent::int8::float8 from pg_inherits i where i.inhrelid = w.oid order by i.inhseqno limit 1) as parent,
  coalesce((select json_agg(pg_get_expr(p.polqual, p.polrelid)) from pg_policy p where p.polrelid = w.oid and p.polqual is not null), '[]') as policies,
  case when w.relkind = 'p' then coalesce((select json_agg(pg_get_expr(c.relpartbound, c.oid))
    from pg_partition_tree(w.oid) t join pg_class c on c.oid = t.relid where c.relpartbound is not null), '[]') else '[]' end as bounds,
  coalesce(cols.list, '[]') as columns, coalesce(keys.list, '[]') as keys, coalesce(refs.list, '[]') as "references",
  case when w.relkind in ('v', 'm') then coalesce((select json_agg(distinct d.refobjid::int8) from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid and d.refclassid = 'pg_class'::regclass
    where r.ev_class = w.oid and d.refobjid <> w.oid), '[]') else '[]' end as sources,
  coalesce(checks.list, '[]') as checks, coalesce(domain_checks.list, '[]') as "domainChecks",
  json_build_object('select', has_any_column_privilege($1, w.oid, 'select'), 'insert', has_any_column_privilege($1, w.oid, 'insert'),
    'update', has_any_column_privilege($1, w.oid, 'update'), 'delete', has_table_privilege($1, w.oid, 'delete'),
    'truncate', has_table_privilege($1, w.oid, 'truncate'), 'usage', has_schema_privilege($1, w.nspname, 'usage')) as may
from wanted w left join cols on cols.oid = w.oid left join keys on keys.oid = w.oid left join refs on refs.oid = w.oid
  left join checks on checks.oid = w.oid left join domain_checks on domain_checks.oid = w.oid
order by w.nspname, w.relname limit $3`;

const ROUTINES = `
select n.nspname as schema, p.proname as name, p.oid::regprocedure::text as signature, p.pronargdefaults as optional,
  p.prosecdef as definer, p.proleakproof as leakproof,
  coalesce((select json_agg(json_build_object('type', format_type(t.oid, null),
    'base', coalesce(nullif(b.typname, ''), t.typname)) order by a.ord)
    from unnest(p.proargtypes::oid[]) with ordinality a(type, ord) join pg_type t on t.oid = a.type
    left join pg_type b on b.oid = t.typbasetype), '[]') as arguments
from pg_proc p join pg_namespace n on n.oid = p.pronamespace
where n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' and p.prokind = 'f'
  and p.prorettype not in ('trigger'::regtype, 'event_trigger'::regtype, 'internal'::regtype, 'language_handler'::regtype)
  and (p.prosecdef or p.proleakproof)
  and not exists (select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e')
  and has_function_privilege($1, p.oid, 'execute') and has_schema_privilege($1, n.oid, 'usage')
order by 1, 3 limit 5000`;

// PostgreSQL chooses the order of conditions, and asking for a right on a sequence that is none is an error: hence the case.
const SEQUENCES = `
select n.nspname as schema, c.relname as name from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind = 'S' and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
  and case when cardinality($2::text[]) > 0 then n.nspname = any ($2::text[]) else true end
  and case when c.relkind = 'S' then has_sequence_privilege($1, c.oid, 'select') else false end
  and has_schema_privilege($1, n.oid, 'usage')
order by 1, 2 limit 5000`;

interface RelationRow extends Omit<Relation, "hints"> {
  readonly policies: readonly string[];
  readonly bounds: readonly string[];
  readonly domainChecks: readonly Check[];
}

/** Reads what the probes need, as the role that plants; `role` is the one that attacks. */
export async function readSchema(session: SqlSession, settings: IsolationSettings, role: string): Promise<Schema> {
  const values = [role, settings.schemas];
  const rows = await session.query<RelationRow>(RELATIONS, [...values, RELATIONS_MAX]);
  const relations = rows.map((row): Relation => {
    const { bounds, checks, domainChecks, policies, ...rest } = row;
    return { ...rest, checks: [...checks, ...domainChecks], hints: [...bounds, ...policies] };
  });
  return {
    relations: new Map(relations.map((relation) => [relation.oid, relation])),
    routines: await session.query<Routine>(ROUTINES, [role]),
    sequences: await session.query<Sequence>(SEQUENCES, values),
  };
}

/** The column that says whose a row is: the first one of the settings that the table has. */
export function tenantColumn(relation: Relation, settings: IsolationSettings): Column | undefined {
  for (const wanted of settings.tenantColumns) {
    const column = relation.columns.find(({ name }) => name === wanted);
    if (column !== undefined) return column;
  }
  return undefined;
}

/** As findings name a table. */
export const tableName = ({ schema, name }: { readonly schema: string; readonly name: string }): string =>
  `${schema}.${name}`;
