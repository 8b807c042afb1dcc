import type { SqlSession } from "../session.ts";

/** An operator outside PostgreSQL's own schemas. Types are named as `Column.baseType` is. */
export interface Operator {
  readonly schema: string;
  readonly name: string;
  readonly left: string;
  readonly right: string;
  readonly owner: string;
  readonly extension: boolean;
}

/** A cast that somebody made. */
export interface Cast {
  readonly from: string;
  readonly to: string;
  /** When it happens: only where it is written, where a value is stored, or anywhere. */
  readonly context: "explicit" | "assignment" | "implicit";
  readonly extension: boolean;
}

/** A column whose collation may hold two different texts for equal. */
export interface LooseColumn {
  /** PostgreSQL's number of the table. */
  readonly relation: number;
  readonly column: string;
}

/** What can make an expression mean something else than it seems to. */
export interface Meanings {
  readonly operators: readonly Operator[];
  readonly casts: readonly Cast[];
  readonly looseColumns: readonly LooseColumn[];
}

const TYPE = (alias: string): string =>
  `case ${alias}n.nspname when 'pg_catalog' then '' else ${alias}n.nspname || '.' end || ${alias}t.typname`;

const OF_EXTENSION = (catalog: string, oid: string): string =>
  `exists (select from pg_catalog.pg_depend d where d.classid = 'pg_catalog.${catalog}'::pg_catalog.regclass
     and d.objid = ${oid} and d.deptype = 'e')`;

const OPERATORS = `
  select n.nspname::pg_catalog.text as schema, o.oprname::pg_catalog.text as name,
    coalesce(${TYPE("l")}, '') as left, coalesce(${TYPE("r")}, '') as right,
    pg_catalog.pg_get_userbyid(o.oprowner)::pg_catalog.text as owner, ${OF_EXTENSION("pg_operator", "o.oid")} as extension
  from pg_catalog.pg_operator o join pg_catalog.pg_namespace n on n.oid = o.oprnamespace
  left join pg_catalog.pg_type lt on lt.oid = o.oprleft left join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
  left join pg_catalog.pg_type rt on rt.oid = o.oprright left join pg_catalog.pg_namespace rn on rn.oid = rt.typnamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by n.nspname, o.oprname, o.oid`;

/** Casts of PostgreSQL's own have numbers below those that a database gives out. */
const CASTS = `
  select ${TYPE("l")} as from, ${TYPE("r")} as to, c.castcontext::pg_catalog.text as context,
    ${OF_EXTENSION("pg_cast", "c.oid")} as extension
  from pg_catalog.pg_cast c
  join pg_catalog.pg_type lt on lt.oid = c.castsource join pg_catalog.pg_namespace ln on ln.oid = lt.typnamespace
  join pg_catalog.pg_type rt on rt.oid = c.casttarget join pg_catalog.pg_namespace rn on rn.oid = rt.typnamespace
  where c.oid >= 16384 order by 1, 2`;

const LOOSE_COLUMNS = `
  select a.attrelid as relation, a.attname::pg_catalog.text as column
  from pg_catalog.pg_attribute a join pg_catalog.pg_collation c on c.oid = a.attcollation
  where not c.collisdeterministic and a.attnum > 0 and not a.attisdropped`;

const CONTEXTS = { e: "explicit", a: "assignment", i: "implicit" } as const;

/** Reads operators, casts and collations that are not PostgreSQL's own. */
export async function readMeanings(session: SqlSession): Promise<Meanings> {
  const operators = await session.query<Operator>(OPERATORS);
  const casts = await session.query<Omit<Cast, "context"> & { readonly context: keyof typeof CONTEXTS }>(CASTS);
  const looseColumns = await session.query<LooseColumn>(LOOSE_COLUMNS);
  return { operators, casts: casts.map((cast) => ({ ...cast, context: CONTEXTS[cast.context] })), looseColumns };
}
