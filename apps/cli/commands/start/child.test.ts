import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { CommandFailed } from "../../command.ts";
import { temporaryFolder } from "../../context.fixture.ts";
import { childService, logTail, trimLog } from "./child.ts";
import type { Service } from "./supervise.ts";

const never = new AbortController().signal;

/** A child whose whole program is `source`. */
function program(source: string): { service: Service; logFile: string; folder: string } {
  const folder = temporaryFolder();
  const [script, runtimeFile, logFile] = ["child.mjs", "runtime.json", "child.log"].map((name) => join(folder, name));
  if (script === undefined || runtimeFile === undefined || logFile === undefined) throw new TypeError("three names");
  writeFileSync(script, source);
  writeFileSync(runtimeFile, "{}");
  const service = childService({
    name: "child",
    nodePath: process.execPath,
    script,
    runtimeFile,
    logFile,
    environment: { RINGWALL_COLOUR: "blue" },
  });
  return { service, logFile, folder };
}

const READY = `process.send({ ready: true }); process.on("disconnect", () => process.exit(0));`;

test("is ready when it says so, prints into its log, and is given one argument and a short environment", async () => {
  const { service, logFile, folder } = program(
    `console.log(JSON.stringify([process.argv.slice(2), process.env]));
     process.on("SIGTERM", () => { console.log("drained"); process.exit(0); }); ${READY}`,
  );
  const running = await service.start(never);
  await running.stop();
  expect(await running.exited).toBe("exit code 0");
  const [facts = "", last] = readFileSync(logFile, "utf8").trim().split("\n");
  const [args, environment] = JSON.parse(facts) as [string[], Record<string, string>];
  expect(args).toEqual([join(folder, "runtime.json")]);
  expect(Object.keys(environment).filter((name) => !name.startsWith("NODE_CHANNEL"))).toEqual(["RINGWALL_COLOUR"]);
  expect(last).toBe("drained");
  expect(statSync(logFile).mode & 0o777).toBe(0o600);
});

test("a reason from the child is final", async () => {
  const { service } = program(`process.send({ fatal: "the schema is newer" }); setInterval(() => {}, 1000);`);
  const attempt = service.start(never);
  await expect(attempt).rejects.toBeInstanceOf(CommandFailed);
  await expect(attempt).rejects.toThrow("child: the schema is newer");
});

test("a child that ends before it is ready is a crash, told with the end of its log", async () => {
  const { service } = program(`console.error("cannot bind"); process.exit(3);`);
  const attempt = service.start(never);
  await expect(attempt).rejects.toThrow(/exit code 3; its log .* ends with:\n {2}\| cannot bind/);
  await expect(attempt).rejects.not.toBeInstanceOf(CommandFailed);
});

test("a child that calls its configuration wrong (exit code 78) is not started again", async () => {
  const { service } = program(`process.exit(78);`);
  await expect(service.start(never)).rejects.toBeInstanceOf(CommandFailed);
});

test("a stop while it is starting ends it", async () => {
  const { service, logFile } = program(`console.log("up"); setInterval(() => {}, 1000);`);
  const stop = new AbortController();
  const attempt = service.start(stop.signal);
  stop.abort();
  await expect(attempt).rejects.toThrow(/signal SIGTERM/);
  expect(readFileSync(logFile, "utf8")).not.toContain("ready");
});

test("messages of another form are not readiness", async () => {
  const { service } = program(
    `process.send({ ready: "yes" }); process.send("ready"); process.send({ fatal: "then this" }); setInterval(() => {}, 1000);`,
  );
  await expect(service.start(never)).rejects.toThrow("then this");
});

test("children end with a supervisor that was killed with kill -9", async () => {
  const { logFile, folder } = program(`console.log(process.pid); ${READY} setInterval(() => {}, 1000);`);
  const module = fileURLToPath(new URL("child.ts", import.meta.url));
  const supervisor = join(folder, "supervisor.mjs");
  writeFileSync(
    supervisor,
    `import { childService } from ${JSON.stringify(module)};
     const [script, runtimeFile, logFile] = ["child.mjs", "runtime.json", "child.log"].map((name) => ${JSON.stringify(`${folder}/`)} + name);
     const service = childService({ name: "child", nodePath: process.execPath, script, runtimeFile, logFile, environment: {} });
     await service.start(new AbortController().signal);
     console.log("ready");`,
  );
  const killed = spawn(process.execPath, ["--conditions=source", supervisor], { stdio: ["ignore", "pipe", "inherit"] });
  await once(killed.stdout, "data");
  const child = Number(readFileSync(logFile, "utf8").trim());
  expect(child).toBeGreaterThan(1);
  killed.kill("SIGKILL");
  await once(killed, "exit");
  await expect.poll(() => isRunning(child)).toBe(false);
});

function isRunning(pid: number): boolean {
  try {
    // A zombie waits for its parent to look; it does nothing any more.
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return false;
  }
}

test("a log that grew beyond its limit becomes the one older copy", () => {
  const file = join(temporaryFolder(), "server.log");
  writeFileSync(file, "start\n");
  trimLog(file);
  expect(readFileSync(file, "utf8")).toBe("start\n");
  truncateSync(file, 64 * 1_024 * 1_024 + 1);
  trimLog(file);
  expect(statSync(file).size).toBe(0);
  expect(statSync(`${file}.1`).size).toBe(64 * 1_024 * 1_024 + 1);
});

test("the end of a log is a few lines, and a missing log is nothing", () => {
  const file = join(temporaryFolder(), "server.log");
  expect(logTail(file)).toBe("");
  writeFileSync(file, Array.from({ length: 10_000 }, (_, index) => `line ${index}`).join("\n"));
  expect(logTail(file).split("\n")).toEqual(Array.from({ length: 8 }, (_, index) => `  | line ${9_992 + index}`));
});
