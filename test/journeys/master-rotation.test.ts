import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openMasterKeyFile } from "../../src/adapters/files/index.ts";
import { randomToken } from "../../src/core/index.ts";
import { endCli, runCli, spawnCli, untilRunning } from "../cli-process.ts";
import { systemPorts } from "../running-system.ts";

// The master key is replaced under the whole system: every process of it has to open what the old one still wraps, and
// after the rewrap none needs the old one.

const folder = mkdtempSync(join(tmpdir(), "rw-master-config-"));
const data = join(tmpdir(), `rw-master-${randomToken(9)}`);
const [old, fresh] = [join(data, "secrets", "master.key"), join(folder, "fresh.key")];

/** Starts with these master keys, reads Noel's account with its sealed number at the bank and behind the gateway, ends. */
async function readWith(keys: object | undefined, meanwhile?: () => Promise<void>): Promise<string> {
  const { apiPort, bankPort, gatewayPort, words } = await systemPorts();
  const configFile = join(folder, "ringwall.config.json");
  writeFileSync(configFile, JSON.stringify({ mode: "development", ...(keys === undefined ? {} : { data: keys }) }), {
    mode: 0o600,
  });
  const child = spawnCli(["start", "--data", data, "--config", configFile, ...words], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  try {
    await untilRunning(child);
    await meanwhile?.();
    const lines = readFileSync(join(data, "first-run.txt"), "utf8").split("\n");
    const own = lines.slice(lines.findIndex((line) => line.includes("noel@northbank.example")) + 1);
    const value = (name: string): string =>
      own
        .find((line) => line.includes(name))
        ?.trim()
        .split(/\s+/)[1] ?? "";
    const credential = join(folder, "noel.session");
    rmSync(credential, { force: true });
    const signedIn = await runCli(
      ["sign-in", "--credential", credential, "--url", `http://localhost:${String(apiPort)}`],
      { answers: ["northbank", "noel@northbank.example", value("password")] },
    );
    expect([signedIn.exit, signedIn.stderr]).toEqual([0, expect.any(String)]);
    const headers = { authorization: `Bearer ${readFileSync(credential, "utf8").trim()}` };
    const answers = await Promise.all(
      [bankPort, gatewayPort].map(async (port) => {
        const answer = await fetch(`http://localhost:${String(port)}/api/accounts/${value("account")}`, { headers });
        return { status: answer.status, body: (await answer.json()) as { number?: string } };
      }),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    expect(answers[0]?.body).toEqual(answers[1]?.body);
    return JSON.stringify(answers[0]?.body);
  } finally {
    await endCli(child);
  }
}

test("a new master key takes over while server, bank and gateway read what the old one still wraps", async () => {
  try {
    const before = await readWith(undefined);
    await openMasterKeyFile({ file: fresh, mode: "development", allowInProduction: false, mayCreate: true });
    const [masterKey, previous] = [fresh, old].map((file) => ({ kind: "software", file }));
    const during = await readWith({ masterKey, previousMasterKeys: [previous] });
    expect(during).toBe(before);
    const rewrapped = await readWith({ masterKey, previousMasterKeys: [previous] }, async () => {
      const done = await runCli(["keys", "rewrap", "master", "--data", data]);
      expect([done.exit, done.stdout]).toEqual([0, expect.any(String)]);
    });
    expect(rewrapped).toBe(before);
    expect(await readWith({ masterKey })).toBe(before);
  } finally {
    for (const place of [folder, data]) rmSync(place, { recursive: true, force: true });
  }
}, 120_000);
