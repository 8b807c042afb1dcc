import type { FuncCall, Node } from "libpg-query";
import type { Policy, Routine } from "../../catalog/index.ts";
import { findAll, parseExpression, settingName, words } from "../../expressions/index.ts";
import { analysisOf } from "../analysis/index.ts";
import type { CheckContext, Table } from "../context.ts";
import { judgedTables } from "./passages.ts";

/** One policy with its parsed expressions. */
export interface PolicyTree {
  readonly table: Table;
  readonly policy: Policy;
  readonly trees: readonly Node[];
  readonly calls: readonly FuncCall[];
  /** Routines outside PostgreSQL's own schemas that it calls. */
  readonly routines: readonly Routine[];
}

const kept = new WeakMap<CheckContext, readonly PolicyTree[]>();

/** Every policy of the tables that hold tenants' rows. */
export function policyTrees(context: CheckContext): readonly PolicyTree[] {
  const found = kept.get(context) ?? judgedTables(context).flatMap((table) => treesOf(context, table));
  kept.set(context, found);
  return found;
}

function treesOf(context: CheckContext, table: Table): readonly PolicyTree[] {
  const { names, policiesOf } = analysisMethods(context);
  return policiesOf(table).map((policy) => {
    const texts = [policy.using, policy.check].filter((text) => text !== undefined);
    const trees = [...new Set(texts)].flatMap((text) => {
      const parsed = parseExpression(text);
      return "tree" in parsed ? [parsed.tree] : [];
    });
    const calls = findAll(trees, "FuncCall").map((call) => call as FuncCall);
    const routines = calls.flatMap(({ funcname, args }) => {
      const name = words(funcname);
      return name.length < 2 ? [] : names.routines(name.at(-2), name.at(-1) ?? "", args?.length ?? 0);
    });
    return { table, policy, trees, calls, routines: [...new Set(routines)] };
  });
}

function analysisMethods(context: CheckContext) {
  const analysis = analysisOf(context);
  return { names: analysis.names, policiesOf: (table: Table) => analysis.policiesOf(table) };
}

/** The name of the setting that a call reads; undefined for any other call. */
export function readSetting(call: FuncCall): string | undefined {
  return words(call.funcname).at(-1) === "current_setting" ? (settingName(call) ?? "a computed name") : undefined;
}

/** The columns that a tree names, without what they belong to. */
export function columnNames(tree: unknown): readonly string[] {
  return findAll(tree, "ColumnRef").flatMap((ref) => words((ref as { fields?: readonly Node[] }).fields).slice(-1));
}
