import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type RunningSystem, startSystem } from "../running-system.ts";
import { Browser, hiddenFields } from "./http.ts";

let system: RunningSystem;
beforeAll(async () => {
  system = await startSystem();
});
afterAll(async () => {
  await system.stop();
});

/** What the first start wrote for its reader: the two customers of the northern bank. */
function customers(): { email: string; password: string; account: string }[] {
  const text = readFileSync(join(system.dataFolder, "first-run.txt"), "utf8");
  const found = text.matchAll(
    /editor\s+(\S+@northbank\.example)\n\s+password\s+(\S+)\n(?:\s+TOTP\s+\S+\n)?\s+account\s+(\S+)/g,
  );
  return [...found].map(([, email = "", password = "", account = ""]) => ({ email, password, account }));
}

test("a customer signs in at the gateway, moves money through it, and is nobody after signing out", async () => {
  const [nora, noel] = customers();
  const browser = new Browser(system.gatewayPort);
  const page = await browser.open("localhost", "/");
  const fields = {
    ...hiddenFields(page.text),
    tenant: "northbank",
    email: noel?.email ?? "",
    password: noel?.password ?? "",
  };
  const home = await browser.submit("localhost", "/.ringwall/sign-in", fields);
  expect([home.status, browser.visited.at(-1)]).toEqual([200, "localhost/"]);
  expect(home.text).toContain("<title>");
  expect(home.headers["content-security-policy"]).toContain("nonce-");
  const read = async (): Promise<number> => {
    const answer = await browser.send("localhost", `/api/accounts/${noel?.account ?? ""}`);
    expect(answer.status).toBe(200);
    return (JSON.parse(answer.text) as { balance: number }).balance;
  };
  const before = await read();
  const same = { "origin": `http://localhost:${system.gatewayPort}`, "sec-fetch-site": "same-origin" };
  const moved = await browser.send("localhost", "/api/transfers", {
    method: "POST",
    headers: { ...same, "content-type": "application/json", "idempotency-key": "through-the-gateway" },
    body: JSON.stringify({ from: noel?.account, to: nora?.account, amount: 1_200 }),
  });
  expect(moved.status).toBeLessThan(300);
  expect(await read()).toBe(before - 1_200);
  await browser.submit("localhost", "/.ringwall/sign-out", {});
  expect((await browser.send("localhost", "/api/session")).status).toBe(401);
});
