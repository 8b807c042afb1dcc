import type { Category, CheckInfo, Finding, Report } from "../finding.ts";
import { inOrder } from "./summary.ts";
import { visible } from "./visible.ts";

/** Roles come before what is granted to them, tables and keys before the policies on them, and what reads them last. */
const CATEGORIES: readonly Category[] = ["roles", "server", "tables", "constraints", "policies", "indirect", "session"];

/** What mends a report, and what only a person can decide. */
export interface FixPlan {
  /** In order, each once. */
  readonly statements: readonly string[];
  readonly undecided: readonly Finding[];
}

/** Collects the fixes of a report's findings. A finding's own statements stay in their order. */
export function planFixes(report: Report, checks: readonly CheckInfo[]): FixPlan {
  const categories = new Map(checks.map(({ category, id }) => [id, category]));
  const rank = ({ check }: Finding): number => CATEGORIES.indexOf(categories.get(check) ?? "session");
  const ordered = inOrder(report.findings).toSorted((a, b) => rank(a) - rank(b));
  const statements = new Map<string, string>();
  for (const sql of ordered.flatMap(({ fix = [] }) => fix)) {
    const text = sql.trim().replace(/;$/, "");
    // Two findings that are mended by the same statement name it in the same words, since one function writes it.
    if (text !== "") statements.set(text, `${text};`);
  }
  return {
    statements: [...statements.values()],
    undecided: ordered.filter(({ fix, level }) => (fix === undefined || fix.length === 0) && level !== "notice"),
  };
}

/**
 * One migration: in one transaction, and given up rather than waiting behind a long query with everybody else waiting
 * behind it.
 *
 * @param undecided - Said in comments at the top.
 */
export function migrationText(title: string, statements: readonly string[], undecided: readonly string[]): string {
  const notes = undecided.length === 0 ? [] : ["-- Left for a person to decide:", ...undecided.map(comment)];
  const body =
    statements.length === 0
      ? ["-- Nothing to do."]
      : ["begin;", "set local lock_timeout = '5s';", ...statements, "commit;"];
  return `${[comment(title), ...notes, ...body].join("\n")}\n`;
}

/** One line, whatever the text: a line break in a name would end the comment and begin a statement. */
function comment(text: string): string {
  return `-- ${visible(text)}`;
}
