import type { Node, SelectStmt } from "libpg-query";
import { findAll } from "../../expressions/index.ts";
import type { Table } from "../context.ts";

/** A relation as a statement names it; `schema` undefined: along the search_path. */
export interface Named {
  readonly schema: string | undefined;
  readonly name: string;
}

/** A statement as the SELECTs of the rows that it touches; empty for what has no such form. */
export function selectsOf(statement: Node): readonly SelectStmt[] {
  if ("SelectStmt" in statement) return [statement.SelectStmt];
  if ("DeleteStmt" in statement) {
    const { relation, usingClause, whereClause, withClause } = statement.DeleteStmt;
    if (relation === undefined || withClause !== undefined) return [];
    return [touching([{ RangeVar: relation }, ...(usingClause ?? [])], whereClause)];
  }
  // An UPDATE and an INSERT also write, and what they write is not followed.
  return [];
}

function touching(fromClause: Node[], whereClause: Node | undefined): SelectStmt {
  return { fromClause, ...(whereClause === undefined ? {} : { whereClause }) };
}

/** Whether a statement names a table at a place that its SELECTs do not show: what it writes, gives back, or a WITH changes. */
export function unfollowed(statement: Node, selects: readonly SelectStmt[], table: Table): boolean {
  const inSelects = findAll(selects, "RangeVar").filter((found) => names(namedBy(found), table));
  return namedIn(statement).filter((each) => names(each, table)).length > inSelects.length;
}

function names(named: Named | undefined, { relation }: Table): boolean {
  return (
    named !== undefined &&
    named.name === relation.name &&
    (named.schema === undefined || named.schema === relation.schema)
  );
}

/** Every relation that a tree names, once for each place. */
export function namedIn(tree: unknown): readonly Named[] {
  // What a statement writes to stands under `relation` without the name of its kind.
  const found = [...findAll(tree, "RangeVar"), ...findAll(tree, "relation")];
  return found.flatMap((each) => namedBy(each) ?? []);
}

/** The relations that statements write to. */
export function writtenIn(tree: unknown): readonly Named[] {
  return findAll(tree, "relation").flatMap((each) => namedBy(each) ?? []);
}

function namedBy(found: unknown): Named | undefined {
  const { schemaname, relname } = found as { schemaname?: string; relname?: string };
  return relname === undefined ? undefined : { schema: schemaname, name: relname };
}
