import { type Analysis, type CheckContext, type Passage, type Table } from "./checks/index.ts";
import type { Finding, Verdict } from "./finding.ts";

const REASONS_MAX = 20;

/**
 * What can be said of each table that stores rows. A table is walled when every way of the app roles to its rows, direct
 * or through something else, gives the context's rows alone; one way that was not understood is enough for unknown, and
 * one that is open for attacked.
 *
 * @param findings - Those that are not excepted; from the static checks, and from live probes when these ran.
 * @param accepted - Excepted findings with their reasons: they count as walled, and the verdict says so.
 */
export function verdicts(
  context: CheckContext,
  findings: readonly Finding[],
  { analysis, accepted }: { readonly analysis: Analysis; readonly accepted: readonly Accepted[] },
): readonly Verdict[] {
  const byTable = groupedByTable(findings, (finding) => finding);
  const acceptedByTable = groupedByTable(accepted, ({ finding }) => finding);
  return context.tables.flatMap((table): readonly Verdict[] => {
    if (table.relation.kind === "view") return [];
    if (table.global !== undefined) return [{ table: table.name, state: "GLOBAL", reasons: [table.global] }];
    const verdict = verdictOf(table, analysis, {
      findings: byTable.get(table.name) ?? [],
      accepted: acceptedByTable.get(table.name) ?? [],
    });
    return [{ ...verdict, reasons: [...new Set(verdict.reasons)].slice(0, REASONS_MAX) }];
  });
}

/** A finding that the settings accept, and why. */
export interface Accepted {
  readonly finding: Finding;
  readonly reason: string;
}

interface OfTable {
  readonly findings: readonly Finding[];
  readonly accepted: readonly Accepted[];
}

function verdictOf(table: Table, analysis: Analysis, { findings, accepted }: OfTable): Verdict {
  const passages = analysis.passages(table);
  // What a check says of the same passage is accepted with it.
  const isAccepted = accepted.some(({ finding }) => ACCEPTS_PASSAGES.has(finding.check));
  const open = isAccepted ? [] : passages.filter(({ decision }) => decision.answer === "does not imply");
  const attacked = [
    ...findings.filter(({ level, unknown }) => level === "error" && unknown !== true).map(({ message }) => message),
    ...open.map(said),
  ];
  if (attacked.length > 0) return { table: table.name, state: "ATTACKED", reasons: attacked };
  const unclear = isAccepted ? [] : passages.filter(({ decision }) => decision.answer === "unknown");
  const unknown = [
    ...findings.filter((finding) => finding.unknown === true).map(({ message }) => message),
    ...unclear.map(said),
  ];
  if (unknown.length > 0) return { table: table.name, state: "UNKNOWN", reasons: unknown };
  return { table: table.name, state: "WALLED", reasons: [...walls(passages), ...accepted.map(acceptance)] };
}

/** Checks whose findings are about what the policies of the table let through. */
const ACCEPTS_PASSAGES: ReadonlySet<string> = new Set(["policy-wall-not-implied", "policy-not-understood"]);

function said({ command, clause, role, decision }: Passage): string {
  const what = `${command} (${clause}) as ${role}`;
  if (decision.answer === "implies") return `${what}: ${decision.reason}`;
  if (decision.answer === "unknown") return `${what} is not understood: ${decision.notUnderstood}`;
  return `${what} is open for ${decision.witness}`;
}

function walls(passages: readonly Passage[]): readonly string[] {
  return passages.length === 0 ? ["no role that serves requests has a right on its rows"] : passages.map(said);
}

function acceptance({ finding, reason }: Accepted): string {
  return `accepted (${finding.check}): ${reason}`;
}

function groupedByTable<Item>(
  items: readonly Item[],
  of: (item: Item) => Finding,
): ReadonlyMap<string, readonly Item[]> {
  const found = new Map<string, Item[]>();
  for (const item of items) {
    for (const table of of(item).tables) found.set(table, [...(found.get(table) ?? []), item]);
  }
  return found;
}
