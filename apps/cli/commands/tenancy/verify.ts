import { writeFile } from "node:fs/promises";
import type { Target } from "ringwall/adapters/postgres";
import { randomBytes } from "ringwall/core";
import type { IsolationSettings, Report } from "ringwall/data/isolation";
import { type Command, type Context, EXIT, type ExitCode, type Input, UsageError } from "../../command.ts";
import { ringwallVersion } from "../version.ts";
import { ATTACK_OPTIONS, refuseWithoutAttack } from "./attack-options.ts";
import { DATABASE_OPTIONS } from "./database.ts";
import { filePath, SETTINGS_OPTION } from "./settings.ts";

const FORMATS = ["pretty", "json", "sarif"] as const;
type Format = (typeof FORMATS)[number];

export const verifyTenancy: Command = {
  name: "tenancy verify",
  summary: "Say of each table whether one tenant can reach another's rows",
  about:
    "Reads any PostgreSQL from 15 on, with Ringwall in it or without, and changes nothing: --attack plants rows of two " +
    "tenants that it makes up, in transactions that are rolled back. Each table is WALLED (with " +
    "the reasons), ATTACKED (with the rows), UNKNOWN (with what was not understood) or GLOBAL (declared so). Ends with " +
    "0 when nothing is at error level, 1 when something is, or with --strict when something was not understood, 2 for " +
    "a wrong command line, 3 when the database cannot be reached.",
  options: {
    ...DATABASE_OPTIONS,
    ...SETTINGS_OPTION,
    ...ATTACK_OPTIONS,
    "self-test": {
      summary: "Plant every known fault there, as superuser in a transaction that is rolled back; each has to be found",
    },
    seed: { value: "NUMBER", summary: "Disguise the faults of --self-test as a run with this seed did" },
    strict: { summary: "Fail for what was not understood, and for checks that could not run" },
    format: { value: "FORMAT", summary: `${FORMATS.join(", ")} (pretty)` },
    output: { value: "FILE", summary: "Write the report to this file instead of stdout" },
    fix: { value: "FILE", summary: "Write the migration that mends what was found; it is not applied" },
    check: { value: "IDS", summary: "Show the findings of these checks alone, separated by commas" },
  },
  examples: [
    ["ringwall tenancy verify --url postgres://owner@127.0.0.1:5432/shop --password-file owner.password", "to read"],
    ["ringwall tenancy verify --url-file owner.url --strict --format sarif --output tenancy.sarif", "in CI"],
    ["ringwall tenancy verify --url-file owner.url --attack --app-url-file app.url", "try it as well"],
    [
      "ringwall tenancy verify --url-file scratch.url --self-test",
      "in an empty database: does it find what it is for?",
    ],
    ["ringwall tenancy verify --url-file owner.url --fix 0042_tenants.sql", "write what mends it"],
  ],
  async run(input, context) {
    const format = readFormat(input);
    refuseWithoutAttack(input);
    if (input.flag("self-test")) return await testItself(input, context);
    if (input.text("seed") !== undefined) throw new UsageError("--seed belongs to --self-test");
    // Loaded here, so that other commands do not wait for a database driver and a parser of SQL.
    const [{ findDatabase, reached, withSession }, isolation, { readSettings }] = await Promise.all([
      import("./database.ts"),
      import("ringwall/data/isolation"),
      import("./settings.ts"),
    ]);
    const only = readChecks(input, new Set(isolation.ISOLATION_CHECKS.map(({ id }) => id)));
    const settings = await readSettings(input, context.machine);
    const target = await findDatabase(input, context.machine);
    context.stderr(`looking at the ways of ${settings.appRoles.join(", ")} to the rows`);
    const whole = await reached(examine(input, context, { target, settings }));
    const report = only === undefined ? whole : shownOnly(whole, only);
    await answer(input, context, await render(report, format));
    const fix = input.text("fix");
    if (fix !== undefined) {
      const catalog = await withSession(target, {}, isolation.readCatalog);
      await writeFile(filePath(context.machine, fix), await isolation.isolationFixes(catalog, whole, settings));
      context.stderr(`${fix} is written; read it, and try it on a copy`);
    }
    return isolation.isGreen(report, input.flag("strict")) ? EXIT.ok : EXIT.failed;
  },
};

const SEED_MAX = 2 ** 32 - 1;

function readSeed(input: Input): number {
  const given = input.text("seed");
  if (given === undefined) return randomBytes(4).readUInt32BE();
  const seed = Number(given);
  if (!/^\d{1,10}$/.test(given) || seed > SEED_MAX) {
    throw new UsageError(`--seed is a whole number from 0 to ${String(SEED_MAX)}`);
  }
  return seed;
}

/** Whether this verifier finds what it is for, on the server that it will be used on. */
async function testItself(input: Input, { clock, machine, stderr, stdout }: Context): Promise<ExitCode> {
  const [{ findDatabase, reached }, { inspectionAccess }, { selfTest, selfTestTable }] = await Promise.all([
    import("./database.ts"),
    import("ringwall/adapters/postgres"),
    import("ringwall/data/isolation"),
  ]);
  const access = inspectionAccess(await findDatabase(input, machine), { writes: true });
  const seed = readSeed(input);
  stderr("planting every known fault, plainly and in disguise; this takes some minutes");
  const report = await reached(selfTest(access, { clock, seed }));
  stdout(input.text("format") === "json" ? JSON.stringify(report, null, 2) : selfTestTable(report));
  return report.passed ? EXIT.ok : EXIT.failed;
}

async function examine(
  input: Input,
  context: Context,
  { target, settings }: { readonly target: Target; readonly settings: IsolationSettings },
): Promise<Report> {
  const [{ inspectionAccess }, { verifyLive, verifyStatic }] = await Promise.all([
    import("ringwall/adapters/postgres"),
    import("ringwall/data/isolation"),
  ]);
  const at = new Date(context.clock()).toISOString();
  const catalog = inspectionAccess(target);
  if (!input.flag("attack")) return await verifyStatic(catalog, settings, at);
  const { attackAccess, attackLimits } = await import("./attack.ts");
  const probes = await attackAccess(input, context, { target, settings });
  context.stderr("planting rows of two tenants, and attacking one as the other");
  return await verifyLive({ catalog, probes }, { settings, at, limits: attackLimits(context) });
}

function readFormat(input: Input): Format {
  const given = input.text("format") ?? "pretty";
  const format = FORMATS.find((name) => name === given);
  if (format === undefined) throw new UsageError(`--format is one of ${FORMATS.join(", ")}`);
  return format;
}

function readChecks(input: Input, known: ReadonlySet<string>): ReadonlySet<string> | undefined {
  const ids = input.text("check")?.split(",");
  const unknown = ids?.find((id) => !known.has(id));
  if (unknown !== undefined) {
    throw new UsageError(`there is no check ${JSON.stringify(unknown)}; ringwall tenancy checks lists them`);
  }
  return ids === undefined ? undefined : new Set(ids);
}

/** Every check runs, since a verdict stands on all of them; the others' findings are left out of what is shown. */
function shownOnly(report: Report, only: ReadonlySet<string>): Report {
  return {
    ...report,
    findings: report.findings.filter(({ check }) => only.has(check)),
    excepted: report.excepted.filter(({ finding }) => only.has(finding.check)),
  };
}

async function render(report: Report, format: Format): Promise<string> {
  const { ISOLATION_CHECKS, prettyReport, sarifReport } = await import("ringwall/data/isolation");
  if (format === "json") return JSON.stringify(report, null, 2);
  if (format === "pretty") return prettyReport(report, ISOLATION_CHECKS);
  return sarifReport(report, ISOLATION_CHECKS, ringwallVersion());
}

async function answer(input: Input, { machine, stderr, stdout }: Context, text: string): Promise<void> {
  const file = input.text("output");
  if (file === undefined) {
    stdout(text);
    return;
  }
  await writeFile(filePath(machine, file), `${text}\n`);
  stderr(`${file} is written`);
}
