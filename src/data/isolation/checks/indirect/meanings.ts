import { analysisOf } from "../analysis/index.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import { type CheckContext, schemaFilter, type Table, tableName } from "../context.ts";
import { isStored, judgedTables } from "../policies/index.ts";

function rules(context: CheckContext): readonly Found[] {
  return context.catalog.rules.flatMap((rule): readonly Found[] => {
    const table = context.table(rule.table);
    if (table === undefined) return [];
    const names = [...new Set([table, ...table.relation.reads.flatMap((oid) => storedBelow(context, oid, new Set()))])]
      .filter((each) => isStored(context, each))
      .map(({ name }) => name);
    if (names.length === 0 && !schemaFilter(context.settings)(table.relation.schema)) return [];
    return [
      {
        object: { kind: "rule", schema: table.relation.schema, name: rule.name, table: table.relation.name },
        tables: names,
        message: `rule ${rule.name} on ${table.name} rewrites ${rule.event} with the rights of ${table.relation.owner}: which rows it reaches is not followed`,
        unknown: true,
      },
    ];
  });
}

/** What stands under a relation that a rule names: itself, or what its views read. */
function storedBelow(context: CheckContext, oid: number, seen: Set<number>): readonly Table[] {
  const table = context.table(oid);
  if (table === undefined || seen.has(oid)) return [];
  seen.add(oid);
  if (!table.relation.kind.endsWith("view")) return [table];
  return table.relation.reads.flatMap((read) => storedBelow(context, read, seen));
}

const PLAIN = new Set(["=", "<>", "<", "<=", ">", ">=", "~~", "@>", "<@", "&&"]);

function operators(context: CheckContext): readonly Found[] {
  return context.catalog.meanings.operators.flatMap(({ schema, name, left, right, extension }): readonly Found[] => {
    const own = (type: string): boolean => type !== "" && !type.includes(".");
    if (extension || !PLAIN.has(name) || !own(left) || !own(right)) return [];
    return [
      {
        object: { kind: "schema", name: schema },
        tables: [],
        message: `operator ${schema}.${name} (${left}, ${right}) has the name of PostgreSQL's own: along a search_path it is the one that is meant`,
      },
    ];
  });
}

function casts(context: CheckContext): readonly Found[] {
  return context.catalog.meanings.casts.flatMap(({ from, to, context: when, extension }): readonly Found[] => {
    if (extension || when !== "implicit") return [];
    return [
      {
        object: { kind: "database", name: context.catalog.server.database },
        tables: [],
        message: `the cast from ${from} to ${to} happens wherever a value needs it: a comparison in a policy may not compare what it shows`,
      },
    ];
  });
}

function looseTenants(context: CheckContext): readonly Found[] {
  const loose = new Set(context.catalog.meanings.looseColumns.map(({ relation, column }) => `${relation}.${column}`));
  return judgedTables(context).flatMap((table): readonly Found[] => {
    const column = table.tenantColumn;
    if (column === undefined || !loose.has(`${table.relation.oid}.${column.name}`)) return [];
    const message = `${table.name}.${column.name} has a collation for which different texts may be equal: two tenants may be one`;
    return [{ object: { ...tableName(table), column: column.name }, tables: [table.name], message }];
  });
}

function defaults(context: CheckContext): readonly Found[] {
  const definers = [...context.catalog.routines.values()].filter(({ definer }) => definer);
  return judgedTables(context).flatMap((table) =>
    table.relation.columns.flatMap((column): readonly Found[] => {
      if (column === table.tenantColumn || column.expression === undefined) return [];
      const expression = column.expression;
      const called = definers.find(({ schema, name }) => expression.includes(`${schema}.${name}(`));
      if (called === undefined || analysisOf(context).passages(table).length === 0) return [];
      const message = `the default of ${table.name}.${column.name} calls ${called.schema}.${called.name}(), which runs with the rights of ${called.owner}: what it reads lands in the tenant's row`;
      return [{ object: { ...tableName(table), column: column.name }, tables: [table.name], message }];
    }),
  );
}

/** Checks of what makes statements mean something else than they seem to. */
export const MEANING_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "rule-rewrites",
      title: "A rule rewrites statements on a table",
      category: "indirect",
      level: "warning",
      why: "The statement that runs is another one, and it runs with the table owner's rights.",
      remediation: "Replace the rule by a trigger, or drop it.",
    },
    rules,
  ),
  staticCheck(
    {
      id: "operator-shadows",
      title: "An operator has the name of PostgreSQL's own",
      category: "indirect",
      level: "warning",
      why: "A function or policy that is made under another search_path compares with it, and it may say yes to everything.",
      remediation: "Drop it or give it another name.",
    },
    operators,
  ),
  staticCheck(
    {
      id: "cast-implicit",
      title: "A cast happens unseen",
      category: "indirect",
      level: "warning",
      why: "PostgreSQL calls its function between a column and what it is compared with, and prints nothing of it.",
      remediation: "Make the cast explicit.",
    },
    casts,
  ),
  staticCheck(
    {
      id: "tenant-collation-loose",
      title: "The tenant's column ignores differences",
      category: "tables",
      level: "error",
      why: "Under a nondeterministic collation Acme and acme are equal, and see each other's rows.",
      remediation: "Give the column a deterministic collation.",
    },
    looseTenants,
  ),
  staticCheck(
    {
      id: "default-calls-definer",
      title: "A column's default calls a function with its owner's rights",
      category: "indirect",
      level: "warning",
      why: "Any insert runs it, and its result is the tenant's to read.",
      remediation: "Compute the value in the application, or make the function SECURITY INVOKER.",
    },
    defaults,
  ),
];
