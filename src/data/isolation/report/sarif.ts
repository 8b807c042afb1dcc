import { createHash } from "node:crypto";
import type { CheckInfo, Finding, Level, ObjectName, Report } from "../finding.ts";
import { describeObject, inOrder } from "./summary.ts";

const LEVELS: Readonly<Record<Level, "error" | "warning" | "note">> = {
  error: "error",
  warning: "warning",
  notice: "note",
};
/** Names in the database that places are told by; there is no file, so there is no root to put here. */
const BASE = "DATABASE";

/**
 * The report as SARIF 2.1.0, for code scanning. A place is `schema/table` below a base named DATABASE, never a path of
 * a machine; a finding keeps its fingerprint while its check and its object stay the same, whatever its words.
 * What the settings except is a suppressed result with the reason, a check that could not run a notification.
 */
export function sarifReport(report: Report, checks: readonly CheckInfo[], toolVersion: string): string {
  const used = new Set(
    [...report.findings, ...report.excepted.map(({ finding }) => finding)].map(({ check }) => check),
  );
  const rules = checks.filter(({ id }) => used.has(id));
  const places = new Map(rules.map(({ id }, place) => [id, place]));
  const suppressed = report.excepted.map(({ finding, reason }) => ({
    ...result(finding, places),
    suppressions: [{ kind: "external", status: "accepted", justification: reason }],
  }));
  const log = {
    $schema: "https://json.schemastore.org/sarif-2.1.0.json",
    version: "2.1.0",
    runs: [
      {
        tool: { driver: { name: "ringwall tenancy verify", semanticVersion: toolVersion, rules: rules.map(rule) } },
        automationDetails: { id: "ringwall/tenancy/" },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { [BASE]: { description: { text: "The database; below it schema/table." } } },
        invocations: [
          {
            executionSuccessful: true,
            endTimeUtc: report.at,
            toolExecutionNotifications: report.skipped.map(({ check, reason }) => ({
              level: "warning",
              message: { text: `${check} could not run: ${reason}` },
            })),
          },
        ],
        results: [...inOrder(report.findings).map((finding) => result(finding, places)), ...suppressed],
        properties: { database: report.database, server: report.server, ran: report.ran, verdicts: report.verdicts },
      },
    ],
  };
  return JSON.stringify(log, null, 2);
}

function rule(check: CheckInfo): object {
  return {
    id: check.id,
    name: pascalCase(check.id),
    shortDescription: { text: check.title },
    fullDescription: { text: check.why },
    help: {
      text: `${check.why}\n\n${check.remediation}`,
      markdown: `${check.why}\n\n**What to do.** ${check.remediation}`,
    },
    defaultConfiguration: { level: LEVELS[check.level] },
    properties: { category: check.category, kind: check.kind, tags: ["security", "tenancy", check.category] },
  };
}

function result(finding: Finding, places: ReadonlyMap<string, number>): object {
  const place = places.get(finding.check);
  return {
    ruleId: finding.check,
    ...(place === undefined ? {} : { ruleIndex: place }),
    level: LEVELS[finding.level],
    kind: "fail",
    message: { text: finding.message },
    locations: [location(finding.object)],
    partialFingerprints: { "ringwallFinding/v1": fingerprint(finding) },
    properties: {
      tables: finding.tables,
      unknown: finding.unknown === true,
      ...(finding.evidence === undefined ? {} : { evidence: finding.evidence }),
      ...(finding.fix === undefined ? {} : { fix: finding.fix }),
    },
  };
}

function location(object: ObjectName): object {
  const parts = [object.schema ?? object.kind, object.table ?? object.name];
  return {
    physicalLocation: {
      artifactLocation: { uri: parts.map(uriPart).join("/"), uriBaseId: BASE },
      region: { startLine: 1 },
    },
    logicalLocations: [
      {
        name: object.name,
        kind: object.kind,
        fullyQualifiedName: describeObject(object).slice(object.kind.length + 1),
      },
    ],
  };
}

/** A name as one segment: `.` and `..` would climb, and half of a surrogate pair cannot be encoded. */
function uriPart(name: string): string {
  const encoded = encodeURIComponent(name.toWellFormed());
  return /^\.{1,2}$/.test(encoded) ? encoded.replaceAll(".", "%2E") : encoded;
}

function fingerprint({ check, object }: Finding): string {
  const { column = "", kind, name, schema = "", table = "" } = object;
  return createHash("sha256")
    .update(JSON.stringify([check, kind, schema, table, name, column]))
    .digest("hex");
}

function pascalCase(id: string): string {
  return id
    .split("-")
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join("");
}
