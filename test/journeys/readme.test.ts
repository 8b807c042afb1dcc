import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, expect, test } from "vitest";
import { systemClock } from "../../src/core/index.ts";
import { type RunningSystem, startSystem } from "../running-system.ts";

// README.md's walk, command by command as it stands there, on a system that was started for it. Only the ports differ,
// and the answers that a person types come from the files in which an unwatched start leaves them.

const README = readFileSync(new URL("../../README.md", import.meta.url), "utf8");
const CLI = fileURLToPath(new URL("../../apps/cli/main.ts", import.meta.url));
const STEP_MS = 30_000;
const PASSWORD = "tide knot 52 ember";

let system: RunningSystem;
let folder: string;
beforeAll(async () => {
  system = await startSystem();
  folder = mkdtempSync(join(tmpdir(), "rw-readme-"));
});
afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** The commands of the walk's step with that number. */
function commandsOf(step: number): readonly string[] {
  const [, part = ""] = README.split(`**${step}. `);
  const [, block = ""] = part.split("```sh\n");
  return block.slice(0, block.indexOf("```")).trim().split("\n");
}

/** What the seed left for its first reader: passwords, TOTP secrets and account ids by address. */
function credentials(address: string): { password: string; totp: string; account: string } {
  const lines = readFileSync(join(system.dataFolder, "first-run.txt"), "utf8").split("\n");
  const own = lines.slice(lines.findIndex((line) => line.includes(address)) + 1);
  const value = (name: string): string =>
    own
      .find((line) => line.includes(name))
      ?.trim()
      .split(/\s+/)[1] ?? "";
  return { password: value("password"), totp: value("TOTP"), account: value("account") };
}

/** Runs one line of the README in bash, with `ringwall` as its alias means it. */
async function run(line: string, answers: readonly string[] = []): Promise<string> {
  const local = /^ringwall (audit verify|secrets)/.test(line) ? ` --data ${system.dataFolder}` : "";
  const command = (line + local).replaceAll("7400", String(system.apiPort)).replaceAll("7490", String(system.bankPort));
  const elsewhere = line.startsWith("ringwall sign-in") ? ` --url http://localhost:${system.apiPort}` : "";
  const script = [
    `ringwall() { '${process.execPath}' --conditions=source '${CLI}' "$@"; }`,
    preparation().find((one) => one.startsWith("as()")),
    command + elsewhere,
  ].join("\n");
  const ids = { NOEL: "noel@northbank", NORA: "nora@northbank", SAMIR: "samir@southbank" };
  const env = Object.fromEntries(Object.entries(ids).map(([name, who]) => [name, credentials(who).account]));
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn("bash", ["-euo", "pipefail", "-c", script], { cwd: folder, env: { ...env, PATH, HOME } });
  child.stdin.end(answers.map((answer) => `${answer}\n`).join(""));
  const [said, complained] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  expect(child.exitCode, `${line}\n${said}\n${complained}`).toBe(0);
  return said;
}

/** The block before the first step. */
function preparation(): readonly string[] {
  const [, part = ""] = README.split("## A walk around the wall");
  const [, block = ""] = part.split("```sh\n");
  return block.slice(0, block.indexOf("```")).split("\n");
}

const code = (secret: string): string => new TOTP({ secret }).generate();

test("1: the platform's administrator is enrolled with the link, and lists both banks", async () => {
  const [enrol = "", list = ""] = commandsOf(1);
  const link = readFileSync(join(system.dataFolder, "bootstrap-link.txt"), "utf8").trim();
  await enrolWithNewFactor(enrol, [link, "ada@ringwall.example", "Ada", PASSWORD]);
  const said = await run(list);
  expect(said).toContain("northbank");
  expect(said).toContain("southbank");
});

/** Nobody watches, so the new second factor goes to a file; its code is given once it is there. */
async function enrolWithNewFactor(line: string, answers: readonly string[]): Promise<void> {
  const words = `${line.replace("ringwall ", "")} --factor-file factor.uri`;
  const command = `'${process.execPath}' --conditions=source '${CLI}' ${words}`;
  const { PATH = "", HOME = "" } = process.env;
  const child = spawn("bash", ["-c", command], { cwd: folder, env: { PATH, HOME } });
  const exited = once(child, "exit");
  child.stdin.write(answers.map((answer) => `${answer}\n`).join(""));
  const file = join(folder, "factor.uri");
  await expect.poll(() => existsSync(file), { timeout: 20_000 }).toBe(true);
  const secret = /secret=([A-Z2-7]+)/.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  child.stdin.end(`${code(secret)}\n`);
  const complained = await text(child.stderr);
  await exited;
  expect(child.exitCode, complained).toBe(0);
}

test("2: people of both banks sign in, and nobody at one exists at the other", async () => {
  const [noel = "", samir = ""] = commandsOf(2);
  await run(noel, ["northbank", "noel@northbank.example", credentials("noel@").password]);
  await run(samir, ["southbank", "samir@southbank.example", credentials("samir@").password]);
  const stranger = run(samir, ["southbank", "noel@northbank.example", credentials("noel@").password]);
  await expect(stranger).rejects.toThrow(/identity\.sign_in_failed|not accepted/);
  await run(samir, ["southbank", "samir@southbank.example", credentials("samir@").password]);
});

test("3: money moves once, however often the same key is sent", async () => {
  const [look = "", transfer = "", again = ""] = commandsOf(3);
  const before = JSON.parse(await run(look)) as { balance: number; number: string };
  expect(before.number).toMatch(/^\d{18}$/);
  const first = await run(transfer);
  expect(JSON.parse(first)).toMatchObject({ amount: 1_200, balance: before.balance - 1_200 });
  expect(await run(again)).toBe(first);
  expect(JSON.parse(await run(look))).toMatchObject({ balance: before.balance - 1_200 });
});

test("4: the other bank's account answers as one that does not exist", async () => {
  for (const line of commandsOf(4)) {
    expect(JSON.parse(await run(line))).toMatchObject({ status: 404, code: "resource.not_found" });
  }
});

test("5: both are in the bank's audit, and the audit of every tenant is verified", async () => {
  const [signIn = "", tail = "", verify = ""] = commandsOf(5);
  const { password, totp } = credentials("olivia@");
  // The seed has used the code of its own moment, and each is taken once.
  const answers = (): string[] => ["northbank", "olivia@northbank.example", password, code(totp)];
  try {
    await run(signIn, answers());
  } catch {
    await delay(STEP_MS - (systemClock() % STEP_MS) + 50);
    await run(signIn, answers());
  }
  const said = await run(tail);
  expect(said).toContain("transfer.executed");
  expect(said).toContain("access.denied");
  expect(await run(verify)).toMatch(/northbank/);
});

test("6: the bank's password is rotated while the bank serves", async () => {
  const [rotate = ""] = commandsOf(6);
  expect(await run(rotate)).toContain("version 2");
  const [look = ""] = commandsOf(3);
  expect(JSON.parse(await run(look))).toMatchObject({ currency: "EUR" });
});
