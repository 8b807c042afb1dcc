import type { Finding, Level, ObjectName, Report, Verdict } from "../finding.ts";

/** How many tables have each verdict, and how many findings each level. */
export interface Summary {
  readonly tables: Readonly<Record<Verdict["state"], number>>;
  readonly findings: Readonly<Record<Level, number>>;
  /** Findings that were not understood; each is counted in its level as well. */
  readonly unknown: number;
}

/** Counts a report. */
export function summarise(report: Report): Summary {
  const tables = { WALLED: 0, ATTACKED: 0, UNKNOWN: 0, GLOBAL: 0 };
  const findings = { error: 0, warning: 0, notice: 0 };
  for (const { state } of report.verdicts) tables[state] += 1;
  for (const { level } of report.findings) findings[level] += 1;
  return { tables, findings, unknown: report.findings.filter(({ unknown }) => unknown === true).length };
}

/**
 * True when nothing at error level was found and no table was reached. A strict reading also wants everything
 * understood and every check to have run: what nobody looked at is not known to be walled.
 */
export function isGreen(report: Report, strict: boolean): boolean {
  const { findings, tables, unknown } = summarise(report);
  if (findings.error > 0 || tables.ATTACKED > 0) return false;
  return !strict || (unknown === 0 && tables.UNKNOWN === 0 && report.skipped.length === 0);
}

/** An object as people name it: `view shop.open_order`, `policy tenant_wall on shop.order`. */
export function describeObject(object: ObjectName): string {
  const place = object.schema === undefined ? "" : `${object.schema}.`;
  if (object.table !== undefined && object.table !== object.name) {
    const column = object.column === undefined ? "" : `.${object.column}`;
    return `${object.kind} ${object.name} on ${place}${object.table}${column}`;
  }
  return `${object.kind} ${place}${object.name}${object.column === undefined ? "" : `.${object.column}`}`;
}

const LEVELS: readonly Level[] = ["error", "warning", "notice"];

/** The worst first; with evidence before those without; then by place, so that two runs read alike. */
export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  const key = (finding: Finding): string => `${finding.check}\0${describeObject(finding.object)}\0${finding.message}`;
  return findings.toSorted(
    (a, b) =>
      LEVELS.indexOf(a.level) - LEVELS.indexOf(b.level) ||
      Number(b.evidence !== undefined) - Number(a.evidence !== undefined) ||
      (key(a) < key(b) ? -1 : 1),
  );
}
