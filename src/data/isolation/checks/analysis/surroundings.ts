import type { Catalog, Column, Relation, Routine } from "../../catalog/index.ts";
import type { ColumnType, FunctionSource, Link, Surroundings } from "../../expressions/index.ts";
import type { CheckContext } from "../context.ts";

/** Finds what expressions name, once for all of them. */
export interface Names {
  relation(table: string): Relation | undefined;
  routines(schema: string | undefined, name: string, argumentCount: number): readonly Routine[];
  surroundings(isWalled: (table: string) => boolean): Surroundings;
  links(table: string): readonly Link[];
}

/** Reads the catalog's names. */
export function namesOf(context: CheckContext): Names {
  const { catalog, settings } = context;
  const relations = new Map([...catalog.relations.values()].map((each) => [`${each.schema}.${each.name}`, each]));
  const routines = Map.groupBy(catalog.routines.values(), ({ name }) => name);
  const loose = new Set(catalog.meanings.looseColumns.map(({ relation, column }) => `${relation}.${column}`));
  const shadowed = shadowedOperators(catalog);
  const links = new Map<string, readonly Link[]>();
  const names: Names = {
    relation: (table) => relations.get(table),
    routines: (schema, name, argumentCount) =>
      (routines.get(name) ?? []).filter(
        (each) => (schema === undefined || each.schema === schema) && parametersOf(each).length === argumentCount,
      ),
    links(table) {
      const found = links.get(table) ?? linksOf(context, relations.get(table));
      links.set(table, found);
      return found;
    },
    surroundings: (isWalled) => ({
      context: settings.context,
      column(table, name) {
        const relation = relations.get(table);
        const column = relation?.columns.find((each) => each.name === name);
        return relation === undefined || column === undefined ? undefined : typeOf(relation, column, loose);
      },
      tenantColumn(table) {
        const relation = relations.get(table);
        return relation === undefined ? undefined : context.table(relation.oid)?.tenantColumn?.name;
      },
      functions: (schema, name, count) => names.routines(schema, name, count).map(sourceOf),
      isShadowed: (operator) => shadowed.has(operator),
      isWalled,
      links: (table) => names.links(table),
    }),
  };
  return names;
}

function typeOf({ oid }: Relation, column: Column, loose: ReadonlySet<string>): ColumnType {
  return {
    type: column.type.endsWith("[]") ? column.type : column.baseType,
    nullable: !column.notNull,
    deterministic: !loose.has(`${oid}.${column.name}`),
  };
}

/** Operators that PostgreSQL may choose for values of its own types; those of an extension's types do not come to that. */
function shadowedOperators({ meanings }: Catalog): ReadonlySet<string> {
  const own = (type: string): boolean => type !== "" && !type.includes(".");
  const implicit = meanings.casts.some(({ from, to, context }) => context === "implicit" && own(from) && own(to));
  const shadowed = new Set(
    meanings.operators.filter(({ left, right }) => own(left) && own(right)).map(({ name }) => name),
  );
  // With a cast that happens unseen between such types no comparison is what it seems.
  return implicit ? new Set([...shadowed, "=", "<>", "<", "<=", ">", ">="]) : shadowed;
}

function sourceOf(routine: Routine): FunctionSource {
  return {
    language: routine.language,
    source: routine.sqlBody ?? routine.source,
    parameters: parametersOf(routine),
    returnsSet: routine.returnsSet || routine.kind !== "function",
    definer: routine.definer,
    searchPath: routine.config.find((each) => each.startsWith("search_path=")),
  };
}

const PARAMETERS = /^(?:(?:IN|INOUT|VARIADIC) )?("(?:[^"]|"")+"|[\w$]+) \S/;

/** The names of a routine's parameters, from `wanted text, "Other" numeric`; empty for one without. */
export function parametersOf({ arguments: list }: Routine): readonly string[] {
  if (list === "") return [];
  return split(list).map((each) => {
    const name = PARAMETERS.exec(each)?.[1] ?? "";
    return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
  });
}

/** At commas that are in no quotes and in no parentheses. */
function split(list: string): readonly string[] {
  const parts: string[] = [""];
  let depth = 0;
  let quoted = false;
  for (const letter of list) {
    if (letter === '"') quoted = !quoted;
    if (!quoted && letter === "(") depth += 1;
    if (!quoted && letter === ")") depth -= 1;
    if (letter === "," && depth === 0 && !quoted) parts.push("");
    else parts.push(`${parts.pop() ?? ""}${letter}`);
  }
  return parts.map((part) => part.trim());
}

/** The references of a table without a tenant's column to those that have one: whose a row is, is written there. */
function linksOf(context: CheckContext, relation: Relation | undefined): readonly Link[] {
  if (relation === undefined || context.table(relation.oid)?.tenantColumn !== undefined) return [];
  for (const { table, references, columns } of context.catalog.constraints) {
    if (table !== relation.oid || references === undefined) continue;
    const other = context.table(references.table);
    const [column, otherColumn] = [columns[0], references.columns[0]];
    if (other?.tenantColumn === undefined || other.global !== undefined || columns.length !== 1) continue;
    // One reference is enough, and two could say two tenants.
    if (column !== undefined && otherColumn !== undefined) return [{ column, other: other.name, otherColumn }];
  }
  return [];
}
