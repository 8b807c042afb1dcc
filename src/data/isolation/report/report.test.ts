import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { CheckInfo, Finding, Report } from "../finding.ts";
import { isGreen, migrationText, planFixes, prettyReport, sarifReport, summarise, visible } from "./index.ts";

const CHECKS: readonly CheckInfo[] = [
  {
    id: "view-without-invoker",
    title: "A view reads with its owner's rights",
    category: "indirect",
    kind: "static",
    level: "error",
    why: "Its owner is not held by the policies.",
    remediation: "Make the view security_invoker.",
  },
  {
    id: "table-without-force",
    title: "The owner is not held",
    category: "tables",
    kind: "static",
    level: "error",
    why: "The owner reads everything.",
    remediation: "FORCE row-level security.",
  },
];

const VIEW: Finding = {
  check: "view-without-invoker",
  level: "error",
  object: { kind: "view", schema: "shop", name: "open_order" },
  tables: ["shop.order"],
  message: "view shop.open_order reads shop.order as owner",
  evidence: {
    sql: "select * from shop.open_order",
    as: "shop_app of tenant A",
    reached: "rows of tenant B in shop.order",
    rows: [{ id: "7", tenant_id: "b", note: "\u001b[2Jevil\n", gone: null }],
  },
  fix: ['alter view shop."open_order" set (security_invoker = true);'],
};
const FORCE: Finding = {
  check: "table-without-force",
  level: "error",
  object: { kind: "table", schema: "shop", name: "order" },
  tables: ["shop.order"],
  message: "shop.order is not forced",
  fix: ["alter table shop.order enable row level security", "alter table shop.order force row level security"],
};

function reportOf(...findings: readonly Finding[]): Report {
  return {
    database: "shop",
    server: 180_004,
    at: "2026-11-24T12:00:00.000Z",
    ran: { static: 2, live: 0 },
    skipped: [],
    verdicts: [
      {
        table: "shop.order",
        state: findings.length === 0 ? "WALLED" : "ATTACKED",
        reasons: ["a wall that names no role"],
      },
      { table: "shop.country", state: "GLOBAL", reasons: ["Countries are everybody's."] },
    ],
    findings,
    excepted: [],
  };
}

test("a person reads which row of the other tenant was reached, and what mends it", () => {
  const text = prettyReport(reportOf(VIEW, FORCE), CHECKS);
  expect(text).toContain("ATTACKED  shop.order");
  expect(text).toContain("tried as shop_app of tenant A, reached rows of tenant B in shop.order:");
  expect(text).toContain(String.raw`-> id=7 tenant_id=b note=\u{1b}[2Jevil\n gone=NULL`);
  expect(text).toContain('alter view shop."open_order" set (security_invoker = true);');
  expect(text).toContain("2 tables: 1 ATTACKED, 0 UNKNOWN, 0 WALLED, 1 GLOBAL.\n2 errors, 0 warnings");
  expect(prettyReport(reportOf(), CHECKS)).toContain("WALLED    shop.order\n  a wall that names no role");
});

test("a finding that opens two tables is told once, and named at the other", () => {
  const both = { ...VIEW, tables: ["shop.order", "shop.item"] };
  const report = reportOf(both);
  const verdicts = [...report.verdicts, { table: "shop.item", state: "ATTACKED" as const, reasons: [] }];
  const text = prettyReport({ ...report, verdicts }, CHECKS);
  expect(text.split("reads shop.order as owner")).toHaveLength(2);
  expect(text).toContain("error view-without-invoker: view shop.open_order, see shop.order");
});

test("errors fail, what was not understood or did not run fails a strict reading alone", () => {
  expect(isGreen(reportOf(), true)).toBe(true);
  expect(isGreen(reportOf(VIEW), false)).toBe(false);
  const reached = { ...reportOf(), verdicts: reportOf(VIEW).verdicts };
  expect(isGreen(reached, false)).toBe(false);
  const strange: Report = {
    ...reportOf(),
    findings: [{ ...VIEW, level: "warning", unknown: true }],
  };
  expect([isGreen(strange, false), isGreen(strange, true)]).toEqual([true, false]);
  const lame: Report = { ...reportOf(), skipped: [{ check: "hba-trust", reason: "no right to read it" }] };
  expect([isGreen(lame, false), isGreen(lame, true)]).toEqual([true, false]);
  expect(summarise(strange)).toMatchObject({ findings: { warning: 1 }, unknown: 1 });
});

test("code scanning gets rules with help, places without paths, and reasons for what is excepted", () => {
  const report: Report = {
    ...reportOf(VIEW),
    excepted: [{ finding: FORCE, reason: "The owner is the backup alone." }],
    skipped: [{ check: "hba-trust", reason: "no right to read it" }],
  };
  const log = JSON.parse(sarifReport(report, CHECKS, "1.2.3"));
  expect(log.version).toBe("2.1.0");
  const [run] = log.runs;
  expect(run.tool.driver.rules.map(({ id }: { id: string }) => id)).toEqual(CHECKS.map(({ id }) => id));
  expect(run.results).toHaveLength(2);
  expect(run.results[0]).toMatchObject({ ruleId: VIEW.check, ruleIndex: 0, level: "error", kind: "fail" });
  expect(run.results[1].suppressions).toEqual([
    { kind: "external", status: "accepted", justification: "The owner is the backup alone." },
  ]);
  expect(run.invocations[0].toolExecutionNotifications).toHaveLength(1);
  expect(run.results[0].locations[0].physicalLocation.artifactLocation).toEqual({
    uri: "shop/open_order",
    uriBaseId: "DATABASE",
  });
});

test("a fingerprint stays with the object when the words change, and differs between objects", () => {
  const print = (finding: Finding): string =>
    JSON.parse(sarifReport(reportOf(finding), CHECKS, "1.0.0")).runs[0].results[0].partialFingerprints[
      "ringwallFinding/v1"
    ];
  expect(print({ ...VIEW, message: "other words" })).toBe(print(VIEW));
  expect(print({ ...VIEW, object: { ...VIEW.object, name: "closed_order" } })).not.toBe(print(VIEW));
});

test("no name leads out of the database's place", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "binary", minLength: 1 }),
      fc.string({ unit: "binary", minLength: 1 }),
      (schema, name) => {
        const finding = { ...VIEW, object: { kind: "table" as const, schema, name } };
        const { uri } = JSON.parse(sarifReport(reportOf(finding), CHECKS, "1.0.0")).runs[0].results[0].locations[0]
          .physicalLocation.artifactLocation;
        expect(new URL(uri, "https://db.invalid/base/").pathname.startsWith("/base/")).toBe(true);
        expect(uri).toMatch(/^[\w\-.!~*'()%]+\/[\w\-.!~*'()%]+$/);
      },
    ),
  );
});

test("fixes come each once, tables before views, and what has none is left to a person", () => {
  const twice = { ...FORCE, object: { ...FORCE.object, name: "item" } };
  const undecided: Finding = {
    check: "table-without-force",
    level: "error",
    object: VIEW.object,
    tables: [],
    message: "?",
  };
  const plan = planFixes(reportOf(VIEW, FORCE, twice, undecided), CHECKS);
  expect(plan.statements).toEqual([
    "alter table shop.order enable row level security;",
    "alter table shop.order force row level security;",
    'alter view shop."open_order" set (security_invoker = true);',
  ]);
  expect(plan.undecided).toEqual([undecided]);
  expect(migrationText("What mends it", plan.statements, [])).toMatch(
    /^-- What mends it\nbegin;\nset local lock_timeout = '5s';\nalter table/,
  );
  expect(migrationText("What mends it", [], [])).toContain("-- Nothing to do.");
});

test("a name in a comment of the migration never becomes a statement, and never reaches a terminal raw", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (name) => {
      const lines = migrationText(name, [], [name])
        .trimEnd()
        .split(/[\n\r\u2028\u2029]/);
      expect(lines.every((line) => line.startsWith("--"))).toBe(true);
      expect(visible(name)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }),
  );
});
