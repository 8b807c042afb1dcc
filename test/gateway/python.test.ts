import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type GatewayStage, gatewayStage } from "./stage.ts";

/** Why the recipe cannot be tried here; `undefined` when it can. */
function pythonMissing(): string | undefined {
  const found = spawnSync("python3", ["-c", "import cryptography"], { stdio: "ignore" });
  return found.error === undefined && found.status === 0 ? undefined : "python3 with cryptography is absent";
}

const missing = pythonMissing();
const guide = readFileSync(new URL("../../docs/guides/gateway-python.md", import.meta.url), "utf8");
const recipe = /```python\n([\s\S]*?)```/.exec(guide)?.[1] ?? "";
const CALLS = `
import sys
told = json.load(sys.stdin)
seen, said = {}, []
for call in told["calls"]:
    try:
        said.append(verify(call["assertion"], told["jwks"], call["audience"], call["method"], call["target"], seen, call["now"])["sub"])
    except Refused as refused:
        said.append(f"refused: {refused}")
json.dump(said, sys.stdout)
`;

let at: GatewayStage;
beforeAll(async () => {
  if (missing === undefined) at = await gatewayStage();
});
afterAll(async () => {
  if (missing === undefined) await at.close();
});

test.skipIf(missing !== undefined)(
  `the recipe for Python takes what the gateway signs for this request, once, and nothing else${missing === undefined ? "" : ` (${missing})`}`,
  async () => {
    const { principal } = at.stage.north.ann;
    const person = { ...principal, tier: 1 as const };
    const asserted = { person, address: "192.0.2.1", https: true, requestId: "0198c1a0-0000-7000-8000-000000000001" };
    const purpose = { audience: "orders", method: "POST", target: "/orders?x=%20y" };
    const sign = (): string => at.sign(asserted, purpose);
    const now = at.stage.clock() / 1_000;
    const call = { ...purpose, now };
    const once = sign();
    const [head = "", , signature = ""] = sign().split(".");
    const forged = Buffer.from(JSON.stringify({ sub: "root" })).toString("base64url");
    const none = Buffer.from(JSON.stringify({ alg: "none", typ: "rw-assertion+jwt" })).toString("base64url");
    const calls = [
      { ...call, assertion: once },
      { ...call, assertion: once },
      { ...call, assertion: sign(), audience: "other" },
      { ...call, assertion: sign(), method: "GET" },
      { ...call, assertion: sign(), target: "/orders" },
      { ...call, assertion: sign(), now: now + 60 },
      { ...call, assertion: sign(), now: now - 60 },
      { ...call, assertion: `${head}.${forged}.${signature}` },
      { ...call, assertion: `${none}.${forged}.` },
      { ...call, assertion: "not one" },
      { ...call, assertion: "x".repeat(5_000) },
      { ...call, assertion: sign() },
    ];
    const input = JSON.stringify({ jwks: at.keys.keySet(), calls });
    const done = spawnSync("python3", ["-c", recipe + CALLS], { input, encoding: "utf8" });
    expect(done.stderr).toBe("");
    expect(JSON.parse(done.stdout)).toEqual([
      principal.user,
      "refused: used before",
      ...Array.from({ length: 5 }, () => "refused: claims"),
      "refused: malformed",
      "refused: kind",
      "refused: malformed",
      "refused: length",
      principal.user,
    ]);
  },
);
