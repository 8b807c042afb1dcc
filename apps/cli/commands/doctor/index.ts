/**
 * `ringwall doctor`: holds the configuration against the machine, and says the way out of whatever is wrong.
 *
 * Reads only. Does not prove that a system is safe: it finds what keeps one from starting, or makes it weaker than its
 * configuration says.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { RingwallError } from "ringwall/core";
import { printable } from "../../client.ts";
import type { Command, Context, Input } from "../../command.ts";
import { CommandFailed, EXIT } from "../../command.ts";
import { type ConfigFile, findConfigFile, modeOf, readConfigFile } from "../../config-file.ts";
import { type DataPaths, dataDirectory, dataPaths } from "../../data-directory.ts";
import { claimHolder } from "../start/claim.ts";
import { type Finding, fail, ok, warn } from "./check.ts";
import { checkClock, checkDisk, checkFileModes, checkKeyFile, checkNode, checkPort } from "./machine.ts";

const API_PORT = 7_400;
const BANK_PORT = 7_490;

export const doctor: Command = {
  name: "doctor",
  summary: "Check the configuration against this machine",
  options: {
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    port: { value: "N", summary: `Port of the API (${API_PORT})` },
    "bank-port": { value: "N", summary: `Port of the example bank (${BANK_PORT})` },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall doctor", "what ringwall start would use"],
    ["ringwall doctor --config /etc/ringwall/ringwall.config.json --json", "another file, for a program"],
  ],
  async run(input, context) {
    const findings = await examine(input, context);
    if (input.flag("json")) context.stdout(JSON.stringify(findings));
    else for (const finding of findings) show(finding, context);
    return findings.some((finding) => finding.state === "fail") ? EXIT.failed : EXIT.ok;
  },
};

async function examine(input: Input, context: Context): Promise<readonly Finding[]> {
  const { machine } = context;
  const paths = dataPaths(dataDirectory(input.text("data"), machine));
  const serverRuns = claimHolder(paths.run) !== undefined;
  const ports = [
    { number: input.whole("port", 1, 65_535) ?? API_PORT, option: "--port", use: "the API" },
    { number: input.whole("bank-port", 1, 65_535) ?? BANK_PORT, option: "--bank-port", use: "the example bank" },
  ];
  const findings: Finding[] = [checkNode(machine), checkClock(context.clock), checkDisk(paths)];
  findings.push(...checkFileModes(paths, machine.uid), ...checkKeys(paths, machine.uid));
  for (const port of ports) findings.push(await checkPort(port, serverRuns));
  const config = await checkConfig(input, context, paths, findings);
  if (config !== undefined) {
    const { checkDatabase } = await import("./database.ts");
    findings.push(...(await checkDatabase(config, paths, machine.uid, serverRuns)));
    findings.push(...(await checkSections(config, machine.uid)));
    findings.push(...(await checkMasterKey(config, paths, machine.uid)));
  }
  return findings;
}

/** Keys that a first start made; before it, there is nothing to miss. */
function checkKeys(paths: DataPaths, uid: number): readonly Finding[] {
  if (!existsSync(join(paths.postgres, "pgdata"))) return [];
  return [checkKeyFile("context key", paths.contextKey, uid)];
}

async function checkConfig(
  input: Input,
  context: Context,
  paths: DataPaths,
  findings: Finding[],
): Promise<ConfigFile | undefined> {
  const { machine } = context;
  try {
    const file = findConfigFile(input.text("config"), paths.root, machine);
    if (file === undefined) {
      findings.push(
        warn("configuration", "none", "ringwall init writes one; ringwall start writes a development one."),
      );
      return undefined;
    }
    const config = await readConfigFile(file, machine.uid);
    findings.push(ok("configuration", `${file} (${modeOf(config)})`));
    return config;
  } catch (error) {
    if (!(error instanceof CommandFailed)) throw error;
    findings.push(fail("configuration", error.message, error.wayOut));
    return undefined;
  }
}

/** Every field of the file, and the counters that it names. */
async function checkSections(config: ConfigFile, uid: number): Promise<readonly Finding[]> {
  const { checkCounters } = await import("../counters.ts");
  try {
    return [ok("counters", await checkCounters(config, uid))];
  } catch (error) {
    if (error instanceof CommandFailed) return [fail("counters", error.message, error.wayOut)];
    if (!(error instanceof RingwallError)) throw error;
    return [fail("configuration", error.message, "docs/reference/configuration.md lists every field.")];
  }
}

/** Whether the master key that the file names can be opened. Makes none: before the first start, a file is not missed. */
async function checkMasterKey(config: ConfigFile, paths: DataPaths, uid: number): Promise<readonly Finding[]> {
  const { openConfiguredMaster } = await import("../master-key.ts");
  try {
    const found = await openConfiguredMaster(config, paths, uid);
    return found === undefined ? [] : [ok("master key", found)];
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    // What is wrong with the file itself is said once, by the check of its sections.
    if (error.code === "config.invalid" && error.message.startsWith("invalid configuration")) return [];
    return [fail("master key", error.message, "docs/guides/master-keys.md says what each kind needs.")];
  }
}

function show({ check, state, found, wayOut }: Finding, context: Context): void {
  context.stdout(printable(`${state.padEnd(5)} ${check}: ${found}`));
  if (wayOut !== undefined) context.stdout(printable(`      ${wayOut}`));
}
