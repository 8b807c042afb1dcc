import type { Node } from "libpg-query";
import type { Condition, Symbol, Term } from "./cases/index.ts";
import type { ColumnType, Surroundings } from "./surroundings.ts";

/** A table, or whatever else stands in a FROM, under its name there. */
export interface Relation {
  /** `schema.name`; undefined for what is no table. */
  readonly table: string | undefined;
  /** Makes its columns' keys its own. */
  readonly prefix: string;
  /** The row that the policy judges, or one of a subquery. */
  readonly role: "judged" | "inner" | "walled";
  /** On the far side of an outer join. */
  readonly nullable: boolean;
}

/** What happened while expressions were read. */
export interface Course {
  /** Numbers subqueries and calls. */
  next: number;
  /** A call that may do anything, also change a setting before the next part of the expression is computed. */
  calledUnknown: string | undefined;
}

/** How parts of an expression are read; values hold conditions and conditions values. */
export interface Reader {
  term(node: Node | undefined, scope: Scope): Term;
  condition(node: Node | undefined, scope: Scope): Condition;
}

/** What the names of an expression stand for, and how far it has been followed. */
export interface Scope {
  readonly surroundings: Surroundings;
  readonly relations: ReadonlyMap<string, Relation>;
  readonly outer: Scope | undefined;
  /** Arguments of the function whose body this is, by name and by number. */
  readonly parameters: ReadonlyMap<string, Term>;
  /** Functions that were followed to get here. */
  readonly inlined: number;
  /** Whether names here are qualified as `pg_get_expr` does under an empty search_path. */
  readonly qualified: boolean;
  readonly read: Reader;
  /** What all scopes of one question share. */
  readonly course: Course;
}

/** A value of which nothing is known but where it comes from. */
export function symbol(key: string, text: string, more: Partial<Symbol> = {}): Symbol {
  return {
    kind: "symbol",
    key,
    text,
    nullable: true,
    exact: false,
    from: { tenant: false, context: false },
    doubt: undefined,
    ...more,
  };
}

/** The column that a name stands for. */
export function column(fields: readonly string[], scope: Scope): Term {
  const name = fields.at(-1) ?? "*";
  const alias = fields.length > 1 ? fields.at(-2) : undefined;
  const text = fields.join(".");
  const parameter = scope.parameters.get(name);
  for (let at: Scope | undefined = scope; at !== undefined; at = at.outer) {
    for (const [relationName, relation] of at.relations) {
      if (alias !== undefined && alias !== relationName) continue;
      const known = relation.table === undefined ? undefined : scope.surroundings.column(relation.table, name);
      // Without a qualifier the innermost table that has the column is meant; the judged row is the last to ask.
      if (alias === undefined && known === undefined && relation.role !== "judged") continue;
      if (alias === undefined && known === undefined && parameter !== undefined) continue;
      return columnOf(relation, name, text, known, scope.surroundings);
    }
  }
  return parameter ?? symbol(`name ${text}`, text, { doubt: `what ${text} is` });
}

function columnOf(
  relation: Relation,
  name: string,
  text: string,
  known: ColumnType | undefined,
  surroundings: Surroundings,
): Term {
  const { table, prefix, role } = relation;
  const isTenant = table !== undefined && surroundings.tenantColumn(table) === name;
  const exact = known !== undefined && known.deterministic && EXACT_TYPES.has(known.type);
  const nullable = relation.nullable || known === undefined || known.nullable;
  if (!isTenant) return symbol(`column ${prefix}.${name}`, text, { nullable, exact });
  if (!exact) {
    const doubt = `equality of ${text}, whose type or collation may hold two tenants for one`;
    return symbol(`column ${prefix}.${name}`, text, {
      nullable,
      doubt,
      from: { tenant: role === "judged", context: false },
    });
  }
  if (role === "judged") return { kind: "tenant" };
  // A read of a walled table gives rows of the context only.
  if (role === "walled" && !relation.nullable) return { kind: "context" };
  return symbol(`column ${prefix}.${name}`, text, { nullable, exact });
}

/** Types whose `=` is identity. */
const EXACT_TYPES = new Set([
  "text",
  "varchar",
  "bpchar",
  "uuid",
  "int2",
  "int4",
  "int8",
  "oid",
  "bool",
  "name",
  "date",
  "bytea",
]);

/** A condition with the scope that it was read in; what a subquery gives. */
export interface Rows {
  readonly key: string;
  readonly where: Condition;
  readonly scope: Scope;
}
