import type { CheckInfo, Evidence, Finding, Report, Verdict } from "../finding.ts";
import { describeObject, inOrder, summarise } from "./summary.ts";
import { visible, visibleLines } from "./visible.ts";

const STATES: readonly Verdict["state"][] = ["ATTACKED", "UNKNOWN", "WALLED", "GLOBAL"];
/** A table that is reached in more ways than this says how many more there are. */
const FINDINGS_PER_TABLE_MAX = 20;
const INDENT = "  ";

/**
 * The report as a person reads it: first the tables that were reached, with the row of the other tenant and what would
 * mend it; then what was not understood; then what holds, and why; a summary at the end.
 *
 * Names and values come from the database and may be anybody's: characters that do not show are written out.
 */
export function prettyReport(report: Report, checks: readonly CheckInfo[]): string {
  const shown = new Map<Finding, string>();
  const remedies = new Map(checks.map((check) => [check.id, check.remediation]));
  const parts = STATES.flatMap((state) =>
    report.verdicts
      .filter((verdict) => verdict.state === state)
      .map((verdict) => tablePart(verdict, report, shown, remedies)),
  );
  const rest = inOrder(report.findings).filter((finding) => !shown.has(finding));
  const elsewhere = rest.flatMap((finding) => findingLines(finding, remedies, INDENT));
  return [
    heading(report),
    ...parts.map((lines) => lines.join("\n")),
    ...(rest.length === 0 ? [] : [["Not of one table", ...elsewhere].join("\n")]),
    ...excepted(report),
    ...skipped(report),
    summaryLines(report),
  ].join("\n\n");
}

function heading(report: Report): string {
  const major = Math.floor(report.server / 10_000);
  const minor = report.server % 10_000;
  return (
    `Isolation of tenants in ${visible(report.database)}, PostgreSQL ${major}.${minor}, ${report.at}\n` +
    `${report.ran.static} static checks and ${report.ran.live} live probes ran.`
  );
}

function tablePart(
  verdict: Verdict,
  report: Report,
  shown: Map<Finding, string>,
  remedies: ReadonlyMap<string, string>,
): string[] {
  const lines = [`${verdict.state.padEnd(8)}  ${visible(verdict.table)}`];
  lines.push(...verdict.reasons.map((reason) => `${INDENT}${visible(reason)}`));
  const own = inOrder(report.findings.filter((finding) => finding.tables.includes(verdict.table)));
  for (const [place, finding] of own.entries()) {
    if (place >= FINDINGS_PER_TABLE_MAX) {
      lines.push(`${INDENT}and ${own.length - place} more; --format json has them all`);
      break;
    }
    const before = shown.get(finding);
    if (before === undefined) {
      shown.set(finding, verdict.table);
      lines.push(...findingLines(finding, remedies, INDENT));
    } else {
      lines.push(
        `${INDENT}${finding.level} ${finding.check}: ${visible(describeObject(finding.object))}, see ${visible(before)}`,
      );
    }
  }
  for (const finding of own) if (!shown.has(finding)) shown.set(finding, verdict.table);
  return lines;
}

function findingLines(finding: Finding, remedies: ReadonlyMap<string, string>, indent: string): string[] {
  const deeper = `${indent}${INDENT}`;
  const unknown = finding.unknown === true ? " (not understood)" : "";
  const lines = [
    `${indent}${finding.level} ${finding.check}${unknown}: ${visible(describeObject(finding.object))}`,
    `${deeper}${visible(finding.message)}`,
  ];
  if (finding.evidence !== undefined) lines.push(...evidenceLines(finding.evidence, deeper));
  if (finding.fix !== undefined && finding.fix.length > 0) {
    lines.push(`${deeper}fix:`);
    lines.push(...finding.fix.flatMap((sql) => visibleLines(sql).map((line) => `${deeper}${INDENT}${line}`)));
  } else {
    const remedy = remedies.get(finding.check);
    if (remedy !== undefined) lines.push(`${deeper}to do: ${visible(remedy)}`);
  }
  return lines;
}

function evidenceLines(evidence: Evidence, indent: string): string[] {
  const rows = evidence.rows.map((row) =>
    Object.entries(row)
      .map(([name, value]) => `${visible(name, 63)}=${value === null ? "NULL" : visible(value, 200)}`)
      .join(" "),
  );
  return [
    `${indent}tried as ${visible(evidence.as)}, reached ${visible(evidence.reached)}:`,
    ...visibleLines(evidence.sql).map((line) => `${indent}${INDENT}${line}`),
    ...rows.map((row) => `${indent}${INDENT}-> ${row}`),
  ];
}

function excepted(report: Report): string[] {
  if (report.excepted.length === 0) return [];
  const lines = report.excepted.map(
    ({ finding, reason }) =>
      `${INDENT}${finding.check}: ${visible(describeObject(finding.object))}: ${visible(reason)}`,
  );
  return [["Excepted by the settings", ...lines].join("\n")];
}

function skipped(report: Report): string[] {
  if (report.skipped.length === 0) return [];
  const lines = report.skipped.map(({ check, reason }) => `${INDENT}${check}: ${visible(reason)}`);
  return [["Could not run; none of these counts as passed", ...lines].join("\n")];
}

function summaryLines(report: Report): string {
  const { findings, tables, unknown } = summarise(report);
  const counted = STATES.map((state) => `${tables[state]} ${state}`).join(", ");
  return (
    `${report.verdicts.length} tables: ${counted}.\n` +
    `${findings.error} errors, ${findings.warning} warnings, ${findings.notice} notices; ${unknown} not understood, ` +
    `${report.excepted.length} excepted, ${report.skipped.length} checks could not run.`
  );
}
