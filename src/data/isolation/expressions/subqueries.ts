import type { Node, SelectStmt } from "libpg-query";
import { all, any, type Condition } from "./cases/index.ts";
import { findAll } from "./parse.ts";
import { column, type Relation, type Rows, type Scope } from "./scope.ts";

/** Clauses that leave rows out or put them in another order; whatever else there is makes other rows. */
const READ_CLAUSES = new Set([
  "targetList",
  "fromClause",
  "whereClause",
  "distinctClause",
  "sortClause",
  "limitCount",
  "limitOffset",
  "limitOption",
  "op",
  "groupDistinct",
  "all",
]);

/** Make other rows out of those that are read, which are still the same. */
const GROUP_CLAUSES = new Set(["groupClause", "havingClause", "windowClause"]);

/** The rows that a subquery looks at, or why it is not understood. `judged`: the table whose rows it shows. */
export function rows(select: SelectStmt, scope: Scope, judged?: string): Rows | string {
  const foreign = Object.keys(select).find(
    (key) => !READ_CLAUSES.has(key) && (judged === undefined || !GROUP_CLAUSES.has(key)),
  );
  if (foreign !== undefined) return `its ${foreign}`;
  if (select.op !== undefined && select.op !== "SETOP_NONE") return "a set operation";
  // An aggregate has a row where there is none, and only the catalog knows which function is one.
  const computed = ["FuncCall", "JsonArrayAgg", "JsonObjectAgg"].some(
    (kind) => findAll(select.targetList, kind).length > 0,
  );
  if (computed && select.fromClause !== undefined && judged === undefined) return "a function of its rows";
  const relations = new Map<string, Relation>();
  const conditions: Node[] = [];
  scope.course.next += 1;
  const key = `subquery ${scope.course.next}`;
  for (const item of select.fromClause ?? []) {
    const problem = addRelation(item, { relations, conditions, key, scope, judged, nullable: false });
    if (problem !== undefined) return problem;
  }
  const inner: Scope = { ...scope, relations, outer: scope };
  const where = [...conditions, ...(select.whereClause === undefined ? [] : [select.whereClause])];
  const present = [...relations.values()].some(({ role, nullable }) => role === "walled" && !nullable)
    ? [HAS_CONTEXT]
    : [];
  return {
    key,
    scope: inner,
    where: all([...present, ...linked(inner), ...where.map((each) => inner.read.condition(each, inner))]),
  };
}

/**
 * What the links of the judged row say of the rows of a subquery: the one it refers to has its tenant. Only for a table
 * whose tenant is written there alone.
 */
function linked(inner: Scope): readonly Condition[] {
  let root = inner;
  while (root.outer !== undefined) root = root.outer;
  const judged = [...root.relations].find(([, { role }]) => role === "judged");
  if (judged?.[1].table === undefined) return [];
  const [alias, { table = "" }] = judged;
  return inner.surroundings.links(table).flatMap((link) =>
    [...inner.relations].flatMap(([name, relation]): readonly Condition[] => {
      const tenant = relation.table === link.other ? inner.surroundings.tenantColumn(link.other) : undefined;
      if (tenant === undefined) return [];
      const refers: Condition = {
        kind: "compare",
        operator: "=",
        left: column([name, link.otherColumn], inner),
        right: column([alias, link.column], root),
      };
      const same: Condition = {
        kind: "compare",
        operator: "=",
        left: column([name, tenant], inner),
        right: { kind: "tenant" },
      };
      return [
        any([{ kind: "is", condition: refers, value: false }, { kind: "is", condition: refers, value: null }, same]),
      ];
    }),
  );
}

const HAS_CONTEXT: Condition = { kind: "not", condition: { kind: "null", term: { kind: "context" } } };

interface Gathering {
  readonly relations: Map<string, Relation>;
  readonly conditions: Node[];
  readonly key: string;
  readonly scope: Scope;
  readonly nullable: boolean;
  /** The table whose rows are judged, when the statement itself is what reads them. */
  readonly judged: string | undefined;
}

function tableName(table: string | undefined): string | undefined {
  return table?.slice(table.indexOf(".") + 1);
}

function addRelation(item: Node, into: Gathering): string | undefined {
  if ("RangeVar" in item) {
    const { schemaname, relname, alias } = item.RangeVar;
    const name = alias?.aliasname ?? relname ?? "";
    if ((alias?.colnames ?? []).length > 0) return "columns under other names";
    if (into.relations.has(name)) return `two tables called ${name}`;
    const table = `${schemaname ?? "public"}.${relname ?? ""}`;
    const role = schemaname !== undefined && into.scope.surroundings.isWalled(table) ? "walled" : "inner";
    const isJudged = table === into.judged || (schemaname === undefined && relname === tableName(into.judged));
    const relation = isJudged
      ? ({ table: into.judged, prefix: "row", role: "judged", nullable: false } as const)
      : ({ table, prefix: `${into.key} ${name}`, role, nullable: into.nullable } as const);
    into.relations.set(name, relation);
    return undefined;
  }
  if ("JoinExpr" in item) return addJoin(item.JoinExpr, into);
  if ("RangeFunction" in item) {
    const name = item.RangeFunction.alias?.aliasname ?? "";
    into.relations.set(name, { table: undefined, prefix: `${into.key} ${name}`, role: "inner", nullable: true });
    return undefined;
  }
  return "what it reads from";
}

function addJoin(join: Extract<Node, { JoinExpr: unknown }>["JoinExpr"], into: Gathering): string | undefined {
  const { jointype, larg, rarg, quals, isNatural, usingClause, alias } = join;
  if (isNatural === true || (usingClause ?? []).length > 0 || alias !== undefined) return "a join by names";
  const isInner = jointype === "JOIN_INNER";
  if (larg === undefined || rarg === undefined) return "a join";
  // Of an outer join the condition need not hold, and either side may be all NULL: more cases, never fewer.
  const sides = isInner ? into : { ...into, nullable: true };
  if (isInner && quals !== undefined) into.conditions.push(quals);
  return addRelation(larg, sides) ?? addRelation(rarg, sides);
}

/** The expressions that a subquery gives. */
export function targets(select: SelectStmt): readonly Node[] {
  return (select.targetList ?? []).flatMap((each) =>
    "ResTarget" in each && each.ResTarget.val !== undefined ? [each.ResTarget.val] : [],
  );
}
