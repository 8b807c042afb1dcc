import type { A_Expr, FuncCall, Node, TypeCast } from "libpg-query";
import { findAll, words } from "../../expressions/index.ts";
import { analysisOf } from "../analysis/index.ts";
import { checksOf, type Found, type StaticCheck } from "../check.ts";
import { type CheckContext, tableName } from "../context.ts";
import { judgedTables, policyName } from "./passages.ts";
import { columnNames, type PolicyTree, policyTrees, readSetting } from "./texts.ts";

/** A finding for each policy of which `say` says something. */
function each(context: CheckContext, say: (tree: PolicyTree) => string | undefined): readonly Found[] {
  return policyTrees(context).flatMap((tree): readonly Found[] => {
    const said = say(tree);
    const { table, policy } = tree;
    if (said === undefined) return [];
    return [
      {
        object: policyName(table, policy),
        tables: [table.name],
        message: `policy ${policy.name} on ${table.name} ${said}`,
      },
    ];
  });
}

/** Whether the policy by itself keeps the wall; then what else it says narrows it. */
function isWall(context: CheckContext, { policy }: PolicyTree): boolean {
  const analysis = analysisOf(context);
  return analysis.alone(policy, policy.using === undefined ? "WITH CHECK" : "USING").answer === "implies";
}

/** Whether the table is walled whatever this policy says. */
function isWalled(context: CheckContext, { table }: PolicyTree): boolean {
  return analysisOf(context)
    .passages(table)
    .every(({ decision }) => decision.answer === "implies");
}

function alwaysTrue(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return each(context, (tree) => {
    const { policy } = tree;
    if (!analysis.passages(tree.table).some(({ decision }) => decision.answer === "does not imply")) return undefined;
    const clause = policy.using === undefined ? "WITH CHECK" : "USING";
    const always = analysis.isAlwaysTrue(policy, clause);
    return always
      ? `holds for every row${columnNames(tree.trees).length > 0 ? ", although it names columns" : ""}`
      : undefined;
  });
}

function clientSetting(context: CheckContext): readonly Found[] {
  const own = context.settings.context.kind === "setting" ? context.settings.context.name.toLowerCase() : "";
  return each(context, (tree) => {
    if (isWall(context, tree) || isWalled(context, tree)) return undefined;
    const read = tree.calls.flatMap((call) => readSetting(call) ?? []).find((name) => name.toLowerCase() !== own);
    return read === undefined ? undefined : `trusts the setting ${read}, which whoever sends SQL can set`;
  });
}

function plainContext(context: CheckContext): readonly Found[] {
  const { context: kind } = context.settings;
  if (kind.kind !== "setting") return [];
  return [
    {
      object: { kind: "setting", name: kind.name },
      tables: [],
      message: `the tenant is told by the setting ${kind.name}: whoever can send SQL as the application, by an injection for instance, can set it to any tenant`,
    },
  ];
}

function userClaims(context: CheckContext): readonly Found[] {
  return each(context, ({ trees, routines }) => {
    const text = JSON.stringify(trees) + routines.map(({ source, sqlBody }) => sqlBody ?? source ?? "").join(" ");
    const claim = /\b(user_metadata|raw_user_meta_data)\b/.exec(text)?.[1];
    return claim === undefined ? undefined : `reads ${claim}, which users write themselves`;
  });
}

function missingOk(context: CheckContext): readonly Found[] {
  return each(context, ({ calls }) => {
    const strict = calls.find((call) => readSetting(call) !== undefined && (call.args ?? []).length === 1);
    return strict === undefined
      ? undefined
      : `reads ${readSetting(strict) ?? "a setting"} without missing_ok: before the first context every statement fails, and clients learn to set one`;
  });
}

const TEXT = new Set(["text", "varchar", "bpchar"]);

function emptyCast(context: CheckContext): readonly Found[] {
  return each(context, ({ trees }) => {
    const cast = findAll(trees, "TypeCast").find((found) => {
      const { arg, typeName } = found as TypeCast;
      const inner = bare(arg);
      const reads = inner !== undefined && "FuncCall" in inner && readSetting(inner.FuncCall) !== undefined;
      return reads && !TEXT.has(words(typeName?.names).at(-1) ?? "");
    });
    if (cast === undefined) return undefined;
    const type = words((cast as TypeCast).typeName?.names).at(-1) ?? "";
    return `casts a setting to ${type} without nullif: after a transaction it is '', and the cast fails`;
  });
}

/** Without the casts to text and the SELECT around it. */
function bare(node: Node | undefined): Node | undefined {
  if (node === undefined) return undefined;
  if ("TypeCast" in node && TEXT.has(words(node.TypeCast.typeName?.names).at(-1) ?? "")) return bare(node.TypeCast.arg);
  if (!("SubLink" in node) || node.SubLink.subLinkType !== "EXPR_SUBLINK") return node;
  const select = node.SubLink.subselect;
  const target = select !== undefined && "SelectStmt" in select ? select.SelectStmt.targetList?.[0] : undefined;
  return target !== undefined && "ResTarget" in target ? bare(target.ResTarget.val) : node;
}

/** Comparisons by `=` with what stands on either side. */
function equalities(trees: readonly Node[]): readonly (readonly [Node, Node])[] {
  return findAll(trees, "A_Expr").flatMap((found): readonly (readonly [Node, Node])[] => {
    const { name, lexpr, rexpr } = found as A_Expr;
    return words(name).at(-1) === "=" && lexpr !== undefined && rexpr !== undefined ? [[lexpr, rexpr]] : [];
  });
}

function tenantLiteral(context: CheckContext): readonly Found[] {
  return each(context, (tree) => {
    if (isWall(context, tree) || isWalled(context, tree)) return undefined;
    const tenant = tree.table.tenantColumn?.name ?? "";
    const fixed = equalities(tree.trees).some(
      (sides) => sides.some((side) => columnNames(side)[0] === tenant) && sides.some(isLiteral),
    );
    return fixed ? "names a tenant as a literal: its rows are everybody's" : undefined;
  });
}

function isLiteral(node: Node): boolean {
  if ("A_Const" in node) return node.A_Const.isnull !== true;
  return "TypeCast" in node && node.TypeCast.arg !== undefined && isLiteral(node.TypeCast.arg);
}

function wrongColumn(context: CheckContext): readonly Found[] {
  return each(context, (tree) => {
    if (isWall(context, tree) || isWalled(context, tree)) return undefined;
    const tenant = tree.table.tenantColumn?.name;
    const own = new Set(tree.table.relation.columns.map(({ name }) => name));
    for (const sides of equalities(tree.trees)) {
      const column = sides
        .flatMap((side) => ("ColumnRef" in side ? columnNames(side) : []))
        .find((name) => own.has(name));
      if (column === undefined || column === tenant) continue;
      if (sides.some((side) => readsContext(context, side)))
        return `compares ${column} with the context, and whose a row is stands in ${tenant ?? "another table"}`;
    }
    return undefined;
  });
}

/** Whether a call, or the function that it is, tells the context. */
function readsContext(context: CheckContext, node: Node): boolean {
  const { context: kind } = context.settings;
  return findAll(node, "FuncCall").some((found) => {
    const call = found as FuncCall;
    const name = words(call.funcname);
    if (kind.kind === "ringwall") return name.join(".") === "ringwall.tenant";
    if (readSetting(call)?.toLowerCase() === kind.name.toLowerCase()) return true;
    const routines =
      name.length < 2 ? [] : analysisOf(context).names.routines(name.at(-2), name.at(-1) ?? "", call.args?.length ?? 0);
    return routines.some(({ source, sqlBody }) =>
      (sqlBody ?? source ?? "").toLowerCase().includes(kind.name.toLowerCase()),
    );
  });
}

function mutableColumn(context: CheckContext): readonly Found[] {
  return each(context, (tree) => {
    const { table, policy } = tree;
    if (isWall(context, tree) || isWalled(context, tree)) return undefined;
    const tenant = table.tenantColumn?.name;
    const column = columnNames(tree.trees).find(
      (name) => name !== tenant && table.relation.columns.some((own) => own.name === name),
    );
    if (column === undefined || !table.rights.has("UPDATE") || policy.command === "INSERT") return undefined;
    return `opens rows by ${column}, which those it opens them to may change`;
  });
}

function notLeakproof(context: CheckContext): readonly Found[] {
  const { leakproofTypes } = context.catalog;
  return judgedTables(context).flatMap((table): readonly Found[] => {
    const column = table.tenantColumn;
    if (column === undefined || analysisOf(context).policiesOf(table).length === 0) return [];
    if (leakproofTypes.has(column.baseType)) return [];
    const message = `${table.name}.${column.name} is of type ${column.type}, whose = is not leakproof: no index serves a query beside the wall`;
    return [{ object: { ...tableName(table), column: column.name }, tables: [table.name], message }];
  });
}

/** The tables, as `schema.name`, that subqueries of a policy read. */
function subqueryTables({ trees }: PolicyTree): readonly string[] {
  return findAll(trees, "RangeVar").map((found) => {
    const { schemaname, relname } = found as { schemaname?: string; relname?: string };
    return `${schemaname ?? ""}.${relname ?? ""}`;
  });
}

function subqueryUnwalled(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return each(context, (tree) => {
    if (isWall(context, tree)) return undefined;
    const open = subqueryTables(tree).find((name) => {
      const relation = analysis.names.relation(name);
      const other = relation === undefined ? undefined : context.table(relation.oid);
      if (other === undefined || other.global !== undefined || other.name === tree.table.name) return false;
      return (
        other.tenantColumn !== undefined &&
        analysis.passages(other).some(({ decision }) => decision.answer !== "implies")
      );
    });
    return open === undefined ? undefined : `asks ${open}, which is not walled itself`;
  });
}

function recursion(context: CheckContext): readonly Found[] {
  const edges = new Map<string, Set<string>>();
  for (const tree of policyTrees(context)) {
    const reads = edges.get(tree.table.name) ?? new Set();
    for (const name of subqueryTables(tree)) reads.add(name);
    edges.set(tree.table.name, reads);
  }
  const reaches = (from: string, wanted: string): boolean => {
    const seen = new Set<string>();
    const waiting = [...(edges.get(from) ?? [])];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next === wanted) return true;
      if (seen.has(next)) continue;
      seen.add(next);
      waiting.push(...(edges.get(next) ?? []));
    }
    return false;
  };
  return judgedTables(context).flatMap((table): readonly Found[] => {
    if (!reaches(table.name, table.name)) return [];
    const message = `the policies of ${table.name} ask for rows of it again, through other tables or at once: PostgreSQL refuses every statement, and the mend is often a definer function without a wall`;
    return [{ object: tableName(table), tables: [table.name], message }];
  });
}

const check = checksOf("policies");

/** Checks of what single policies say. */
export const EXPRESSION_CHECKS: readonly StaticCheck[] = [
  check(
    "policy-always-true",
    "error",
    [
      "A policy holds for every row",
      "It filters nothing: `true`, a comparison of a column with itself, or one of two things that cannot both fail.",
      "Drop it, or put a restrictive wall before it.",
    ],
    alwaysTrue,
  ),
  check(
    "policy-client-setting",
    "error",
    [
      "A policy trusts a setting that the client can set",
      "Whoever sends SQL calls set_config with another tenant, user or role, and is let through.",
      "Compare with the signed context, or take the setting out of the policy.",
    ],
    clientSetting,
  ),
  check(
    "context-client-writable",
    "warning",
    [
      "The tenant is told by a plain setting",
      "One injected statement chooses the tenant; the wall stands against mistakes and not against attackers.",
      "Use a signed context that the database verifies.",
    ],
    plainContext,
  ),
  check(
    "policy-user-claims",
    "error",
    [
      "A policy reads claims that users write",
      "Users change their own metadata through the sign-in service's API, and become whom they like.",
      "Read claims that only the server writes, such as app_metadata.",
    ],
    userClaims,
  ),
  check(
    "policy-setting-missing-ok",
    "warning",
    [
      "A policy fails where the setting was never set",
      "Every statement without a context raises an error, which people mend by setting a default tenant.",
      "Use current_setting(name, true), which is NULL and gives no row.",
    ],
    missingOk,
  ),
  check(
    "policy-setting-empty-cast",
    "warning",
    [
      "A policy casts an empty setting",
      "After a transaction that had set it the setting is '' and not NULL, and the cast raises an error on a pooled connection.",
      "Write nullif(current_setting(name, true), '') before the cast.",
    ],
    emptyCast,
  ),
  check(
    "policy-tenant-literal",
    "error",
    [
      "A policy names a tenant",
      "The named tenant's rows are open to every other one.",
      "Compare with the context; keep rows for everybody in a table that is declared global.",
    ],
    tenantLiteral,
  ),
  check(
    "policy-wrong-column",
    "error",
    [
      "A policy compares the context with another column",
      "The column is not whose the row is; a row that has the right value in it is let through.",
      "Compare the tenant's column.",
    ],
    wrongColumn,
  ),
  check(
    "policy-mutable-column",
    "warning",
    [
      "A policy opens rows by a column that users may change",
      "Who may write the column opens rows to others, or takes them over.",
      "Take the right to update the column away, or keep it in a table of its own.",
    ],
    mutableColumn,
  ),
  check(
    "policy-not-leakproof",
    "notice",
    [
      "The wall's comparison is not leakproof",
      "PostgreSQL runs no other condition before it and uses no index for those: slow queries, for which walls get taken down.",
      "Make the tenant's column a text, uuid or integer.",
    ],
    notLeakproof,
  ),
  check(
    "policy-subquery-unwalled",
    "warning",
    [
      "A policy asks a table that is not walled",
      "Who writes a row there, also one of another tenant's, opens rows here.",
      "Wall the table that is asked, or compare its tenant in the subquery.",
    ],
    subqueryUnwalled,
  ),
  check(
    "policy-recursion",
    "error",
    [
      "Policies ask for each other",
      "PostgreSQL refuses every statement on the tables; what mends it is often a function that bypasses the wall.",
      "Compare the tenant's column with the context, which asks no table.",
    ],
    recursion,
  ),
];
