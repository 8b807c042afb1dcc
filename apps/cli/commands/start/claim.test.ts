import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CommandFailed } from "../../command.ts";
import { temporaryFolder } from "../../context.fixture.ts";
import { claimDataDirectory, claimHolder, processStart } from "./claim.ts";
import { checkPorts, portHolder } from "./ports.ts";

test("a second claim is refused and names the holder; after the release it is granted", () => {
  const run = temporaryFolder();
  // Another living process stands for the other supervisor.
  const holder = process.ppid;
  const release = claimDataDirectory(run, holder);
  expect(claimHolder(run)).toBe(holder);
  expect(() => claimDataDirectory(run, process.pid)).toThrow(new RegExp(`process ${holder}`));
  // Stepping back leaves nothing of one's own.
  expect(readdirSync(join(run, "claims"))).toHaveLength(1);
  release();
  claimDataDirectory(run, process.pid)();
  expect(claimHolder(run)).toBeUndefined();
});

test("the claim of a process that was killed does not block, nor does its number given to another process", () => {
  const run = temporaryFolder();
  const dead = spawnSync("true").pid;
  mkdirSync(join(run, "claims"), { recursive: true });
  writeFileSync(join(run, "claims", `${dead}.12345`), "");
  // Living, but begun at another time than the claim says.
  writeFileSync(join(run, "claims", `${process.ppid}.1`), "");
  writeFileSync(join(run, "claims", "not-a-claim"), "");
  const release = claimDataDirectory(run, process.pid);
  expect(readdirSync(join(run, "claims"))).toEqual([`${process.pid}.${processStart(process.pid)}`]);
  release();
});

const hasIpv6 = Object.values(networkInterfaces()).some(
  (list) => list?.some(({ address }) => address === "::1") === true,
);

async function listen(host = "127.0.0.1"): Promise<{ port: number; close: () => void }> {
  const server = createServer();
  await new Promise<void>((done) => void server.listen(0, host, done));
  // `address` gives a text for sockets only.
  return { port: (server.address() as AddressInfo).port, close: () => void server.close() };
}

test("a taken port is named with its use, its option and its holder", async () => {
  const { port, close } = await listen();
  const attempt = checkPorts([{ number: port, option: "--port", use: "the API" }]);
  await expect(attempt).rejects.toThrow(`port ${port} (the API) is taken by process ${process.pid}`);
  await expect(attempt).rejects.toHaveProperty("wayOut", "Stop what uses it, or choose another: --port N");
  expect(portHolder(port)).toBe(String(process.pid));
  close();
});

test.skipIf(!hasIpv6)(
  "a port that somebody has on the other loopback address is taken too (skipped: no IPv6 here)",
  async () => {
    const { port, close } = await listen("::1");
    await expect(checkPorts([{ number: port, option: "--port", use: "the API" }])).rejects.toThrow(
      /is taken by process/,
    );
    close();
  },
);

test("a free port passes and stays free; one port for two uses is refused", async () => {
  const { port, close } = await listen();
  close();
  await checkPorts([{ number: port, option: "--port", use: "the API" }]);
  await checkPorts([{ number: port, option: "--port", use: "the API" }]);
  expect(portHolder(port)).toBeUndefined();
  const twice = [
    { number: port, option: "--port", use: "the API" },
    { number: port, option: "--bank-port", use: "the bank" },
  ];
  await expect(checkPorts(twice)).rejects.toThrow(CommandFailed);
});
