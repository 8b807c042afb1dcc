import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Machine } from "./command.ts";
import { CommandFailed } from "./command.ts";
import { commands } from "./commands/index.ts";
import { findConfigFile, modeOf, readConfigFile } from "./config-file.ts";
import { recorded, temporaryFolder } from "./context.fixture.ts";
import { dataDirectory, prepareDataDirectory } from "./data-directory.ts";
import { writePrivateFile } from "./private-file.ts";
import { run } from "./run.ts";
import { childEnvironment, readSettings } from "./settings.ts";

const uid = process.geteuid?.() ?? -1;

function machine(over: Partial<Machine>): Machine {
  return recorded(over).context.machine;
}

test.each<[string | undefined, Partial<Machine>, string]>([
  ["data", { uid: 0, cwd: "/srv" }, "/srv/data"],
  [undefined, { uid: 0 }, "/var/lib/ringwall"],
  [undefined, { uid: 1000, home: "/home/ada" }, "/home/ada/.local/state/ringwall"],
  [undefined, { uid: 1000, home: "/home/ada", stateHome: "/state" }, "/state/ringwall"],
  // The XDG specification: a relative path is to be ignored.
  [undefined, { uid: 1000, home: "/home/ada", stateHome: "state" }, "/home/ada/.local/state/ringwall"],
  [undefined, { uid: 1000, settings: { RINGWALL_DATA: "/d" } }, "/d"],
  ["/e", { uid: 1000, settings: { RINGWALL_DATA: "/d" } }, "/e"],
])("--data %j on %j is %s", (given, over, expected) => {
  expect(dataDirectory(given, machine(over))).toBe(expected);
});

test("a data directory is made private, whatever the umask, and can be prepared twice", () => {
  const root = join(temporaryFolder(), "deep", "data");
  const before = process.umask(0);
  try {
    prepareDataDirectory(root, uid);
    prepareDataDirectory(root, uid);
  } finally {
    process.umask(before);
  }
  expect(statSync(root).mode & 0o066).toBe(0);
  for (const name of ["run", "secrets", "log"]) expect(statSync(join(root, name)).mode & 0o777).toBe(0o700);
});

test("a folder that holds other things is refused and stays as it is", () => {
  const root = temporaryFolder();
  writeFileSync(join(root, "thesis.txt"), "");
  expect(() => prepareDataDirectory(root, uid)).toThrow(/holds other things/);
  expect(readdirSync(root)).toEqual(["thesis.txt"]);
});

test("a data directory that others can read, or that is somebody else's, is refused", () => {
  const root = join(temporaryFolder(), "data");
  prepareDataDirectory(root, uid);
  chmodSync(root, 0o755);
  expect(() => prepareDataDirectory(root, uid)).toThrow(/open to other users/);
  chmodSync(root, 0o700);
  expect(() => prepareDataDirectory(root, uid + 1)).toThrow(/belongs to user/);
  expect(() => prepareDataDirectory(`/${"d".repeat(120)}`, uid)).toThrow(/too long/);
});

test("a secrets folder that is a link to elsewhere is refused", () => {
  const [root, elsewhere] = [join(temporaryFolder(), "data"), temporaryFolder()];
  mkdirSync(root, { mode: 0o700 });
  symlinkSync(elsewhere, join(root, "secrets"));
  expect(() => prepareDataDirectory(root, uid)).toThrow(CommandFailed);
});

test("a private file is written whole with mode 0600", () => {
  const file = join(temporaryFolder(), "f");
  writePrivateFile(file, "one");
  writePrivateFile(file, "two");
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file, "utf8")).toBe("two");
  expect(readdirSync(join(file, ".."))).toEqual(["f"]);
});

test("a configuration is found where it was named, else here, else in the data directory", () => {
  const [here, data] = [temporaryFolder(), temporaryFolder()];
  const at = machine({ cwd: here });
  expect(findConfigFile(undefined, data, at)).toBeUndefined();
  writeFileSync(join(data, "ringwall.config.json"), "{}");
  expect(findConfigFile(undefined, data, at)).toBe(join(data, "ringwall.config.json"));
  writeFileSync(join(here, "ringwall.config.json"), "{}");
  expect(findConfigFile(undefined, data, at)).toBe(join(here, "ringwall.config.json"));
  expect(() => findConfigFile("typo.json", data, at)).toThrow(/does not exist/);
});

test.each(["not json: hunter2", "[1]", "null", '"hunter2"'])(
  "%j is no configuration, and is not quoted",
  async (text) => {
    const file = join(temporaryFolder(), "c.json");
    writeFileSync(file, text, { mode: 0o600 });
    const error: unknown = await readConfigFile(file, uid).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CommandFailed);
    expect(String(error)).not.toContain("hunter2");
  },
);

test("a configuration that others may write is refused; one they may read is fine", async () => {
  const file = join(temporaryFolder(), "c.json");
  writeFileSync(file, '{"mode":"production"}');
  chmodSync(file, 0o644);
  expect(modeOf(await readConfigFile(file, uid))).toBe("production");
  chmodSync(file, 0o664);
  await expect(readConfigFile(file, uid)).rejects.toThrow(/can be written by other users/);
});

test("the mode has no default", async () => {
  const file = join(temporaryFolder(), "c.json");
  writeFileSync(file, "{}", { mode: 0o600 });
  const config = await readConfigFile(file, uid);
  expect(() => modeOf(config)).toThrow(/mode is missing/);
});

test.each(["development", "production"])(
  "init --mode %s writes a module and JSON that read back as the same",
  async (mode) => {
    const folder = temporaryFolder();
    const { context } = recorded({ cwd: folder });
    expect(await run(commands, ["init", "--mode", mode], context)).toBe(0);
    expect(await run(commands, ["init", "--mode", mode, "--file", "c.json"], context)).toBe(0);
    const module = await readConfigFile(join(folder, "ringwall.config.ts"), uid);
    const json = await readConfigFile(join(folder, "c.json"), uid);
    expect(module.content).toEqual(json.content);
    expect(modeOf(module)).toBe(mode);
  },
);

test("init never overwrites", async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, "ringwall.config.ts"), "mine");
  const { context, err } = recorded({ cwd: folder });
  expect(await run(commands, ["init", "--mode", "development"], context)).toBe(1);
  expect(err[0]).toContain("not overwritten");
});

test.each([
  "RINGWALL_TOKEN",
  "RINGWALL_DB_PASSWORD",
  "RINGWALL_MASTER_KEY",
  "RINGWALL_HSM_PIN",
  "RINGWALL_CLIENT_SECRET",
])("%s is refused by name, without its value", (name) => {
  expect(() => readSettings({ [name]: "hunter2" })).toThrow(CommandFailed);
  expect(() => readSettings({ [name]: "hunter2" })).not.toThrow(/hunter2/);
});

test("children inherit settings and a short list, not the shell's secrets", () => {
  const environment = { PATH: "/bin", AWS_SECRET_ACCESS_KEY: "x", NODE_OPTIONS: "--inspect", RINGWALL_PORT: "1" };
  expect(childEnvironment(environment)).toEqual({ PATH: "/bin", RINGWALL_PORT: "1" });
});

test("doctor on a machine without anything says what is missing and how to get it", async () => {
  const root = join(temporaryFolder(), "data");
  const { context, out } = recorded({ cwd: temporaryFolder(), nodeVersion: "20.11.0" });
  expect(
    await run(commands, ["doctor", "--data", root, "--json", "--port", "17400", "--bank-port", "17490"], context),
  ).toBe(1);
  const findings: unknown = JSON.parse(out.join(""));
  expect(findings).toContainEqual(expect.objectContaining({ check: "node", state: "fail" }));
  expect(findings).toContainEqual(expect.objectContaining({ check: "configuration", state: "warn" }));
  expect(existsSync(root)).toBe(false);
});

test("doctor names the secret file that others can read, and nothing that is in it", async () => {
  const root = join(temporaryFolder(), "data");
  const paths = prepareDataDirectory(root, uid);
  writePrivateFile(join(paths.secrets, "good.password"), "hunter2");
  writePrivateFile(join(paths.secrets, "bad.password"), "hunter2");
  chmodSync(join(paths.secrets, "bad.password"), 0o644);
  const { context, out } = recorded({ cwd: temporaryFolder() });
  expect(await run(commands, ["doctor", "--data", root, "--port", "17400", "--bank-port", "17490"], context)).toBe(1);
  const said = out.join("\n");
  expect(said).toContain("fail  secrets/bad.password");
  expect(said).not.toContain("good.password");
  expect(said).not.toContain("hunter2");
});
