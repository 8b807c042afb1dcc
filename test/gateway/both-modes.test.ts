import { request as plainRequest } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Person } from "../../examples/bank/stage.fixture.ts";
import { type Answered, ask } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

let at: GatewayStage;
beforeAll(async () => {
  at = await gatewayStage();
});
afterAll(async () => {
  await at.close();
});

const bearer = (person: Person): Record<string, string> => ({ authorization: `Bearer ${person.token}` });

/** Straight to the bank's socket, as whoever got there would ask. */
async function askSocket(path: string, headers: Record<string, string>): Promise<Answered> {
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const request = plainRequest({
    socketPath: at.socket,
    path,
    agent: false,
    headers: { host: "localhost", ...headers },
  });
  request.once("error", reject);
  request.once("response", (response) => {
    let text = "";
    response.on("data", (chunk: Buffer) => (text += chunk.toString()));
    response.once("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, text }));
  });
  request.end();
  return await promise;
}

test("the bank behind the gateway knows who asks, under one request id, and counts nothing itself", async () => {
  const { ann } = at.stage.north;
  const answer = await ask(at.port, { path: "/api/session", headers: bearer(ann) });
  expect([answer.status, JSON.parse(answer.text)]).toMatchObject([
    200,
    { tenant: "northbank", user: ann.user, role: "editor" },
  ]);
  expect(answer.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
  expect(answer.headers["content-security-policy"]).toContain("default-src 'none'");
  expect(at.countedBehind).toEqual([]);
});

test("an act through the gateway is audited once, and so is a refusal by the application", async () => {
  const { ann, ben, owner } = at.stage.north;
  const path = `/api/accounts/${ann.account}`;
  const mine = await ask(at.port, { path, headers: bearer(ann) });
  expect(mine.status).toBe(200);
  const records = (await at.audit(owner, "account.read")).filter((one) => one.includes(ann.account));
  expect(records).toHaveLength(1);
  expect(records.join()).toContain('"count":1');
  const theirs = await ask(at.port, { path: `/api/accounts/${at.stage.south.ann.account}`, headers: bearer(ben) });
  expect(theirs.status).toBe(404);
  const low = await ask(at.port, {
    method: "POST",
    path: "/api/customers",
    headers: { ...bearer(ben), "content-type": "application/json" },
    body: "{}",
  });
  expect(low.status).toBe(403);
  // Each refusal of the application's once, under its own route's name; the gateway saw two answers and adds nothing.
  const denied = (await at.audit(owner, "access.denied")).filter((one) => one.includes(ben.user));
  for (const route of ["/api/accounts", "/api/customers"]) {
    const found = denied.filter((one) => one.includes(`"route":"${route}`));
    expect([route, found.length, found[0]?.includes('"count":1')]).toEqual([route, 1, true]);
  }
  expect(denied).toHaveLength(2);
  const id = (JSON.parse(low.text) as { request_id: string }).request_id;
  expect(low.headers["x-request-id"]).toBe(id);
});

test("nobody gets to the bank's socket without an assertion, with one of another request, or with one twice", async () => {
  const { ann } = at.stage.north;
  const { principal } = ann;
  const asserted = {
    person: { ...principal, tier: 1 as const, secondFactorMs: undefined },
    address: "192.0.2.1",
    https: false,
    requestId: "0198c1a0-0000-7000-8000-000000000001",
  };
  const make = (purpose = { audience: "bank", method: "GET", target: "/api/session" }): string =>
    at.sign(asserted, purpose);
  const status = async (headers: Record<string, string>, path = "/api/session"): Promise<number> =>
    (await askSocket(path, headers)).status;
  expect(await status({})).toBe(403);
  expect(await status(bearer(ann))).toBe(403);
  const once = make();
  expect(await status({ "x-ringwall-assertion": once })).toBe(200);
  expect(await status({ "x-ringwall-assertion": once })).toBe(403);
  expect(await status({ "x-ringwall-assertion": make(), x_ringwall_assertion: make() })).toBe(403);
  expect(await status({ "x-ringwall-assertion": make({ audience: "a", method: "GET", target: "/api/session" }) })).toBe(
    403,
  );
  expect(
    await status({ "x-ringwall-assertion": make({ audience: "bank", method: "POST", target: "/api/session" }) }),
  ).toBe(403);
  expect(await status({ "x-ringwall-assertion": make() }, "/api/session?other")).toBe(403);
  expect(await status({ "x-ringwall-assertion": `${(make()).slice(0, -4)}AAAA` })).toBe(403);
});

test("what a visitor claims to be never arrives, in any spelling, and no credential does", async () => {
  const { ann } = at.stage.north;
  const claims = {
    ...bearer(ann),
    "X-Ringwall-Assertion": "forged",
    "X-Ringwall-Tenant": "southbank",
    x_ringwall_tenant: "southbank",
    "X-Forwarded-User": "root",
    x_forwarded_user: "root",
    "x-forwarded-for": "192.0.2.9",
    "Forwarded": "for=192.0.2.9",
    "X-Original-URL": "/admin",
    "X-HTTP-Method-Override": "DELETE",
    "Connection": "keep-alive, X-Hop",
    "X-Hop": "1",
    "cookie": `__Host-rw_session=x; theme=dark; other=${ann.token}`,
    "x-harmless": "kept",
  };
  const answer = await ask(at.port, { host: "a.localhost", headers: claims });
  expect(answer.status).toBe(200);
  const raw = JSON.parse(answer.text) as string[];
  const fields = new Map(
    raw.flatMap((name, index) => (index % 2 === 0 ? [[name.toLowerCase(), raw[index + 1]] as const] : [])),
  );
  expect(fields.get("cookie")).toBe("theme=dark");
  expect(fields.get("x-forwarded-for")).toBe("127.0.0.1");
  expect(fields.get("x-harmless")).toBe("kept");
  for (const name of [
    "authorization",
    "x-ringwall-assertion",
    "x-ringwall-tenant",
    "x_ringwall_tenant",
    "x-forwarded-user",
    "x_forwarded_user",
    "forwarded",
    "x-original-url",
    "x-http-method-override",
    "x-hop",
  ]) {
    expect([name, fields.get(name)]).toEqual([name, undefined]);
  }
  expect(answer.text).not.toContain("rws_");
});

test("an application that knows nothing of Ringwall is behind session, role and audit", async () => {
  const { ann, owner } = at.stage.north;
  const host = "a.localhost";
  expect((await ask(at.port, { host })).status).toBe(401);
  expect((await ask(at.port, { host, headers: bearer(ann) })).status).toBe(200);
  const before = at.upstream.seen.length;
  expect((await ask(at.port, { host, path: "/admin/x", headers: bearer(ann) })).status).toBe(403);
  // Other spellings of the path lead to no other rule, and to no answer either.
  for (const path of [
    "/%61dmin/x",
    "/ADMIN/x",
    "/x//..;/admin",
    "/;a=b/admin",
    "/%2561dmin",
    "//admin",
    "/x/%2e%2e/admin",
  ]) {
    expect([path, (await ask(at.port, { host, path, headers: bearer(ann) })).status]).toEqual([path, 400]);
  }
  expect(at.upstream.seen).toHaveLength(before);
  expect((await ask(at.port, { host, path: "/admin/x", headers: bearer(owner) })).status).toBe(200);
  const passed = await at.audit(owner, "request.forwarded");
  expect(passed.filter((one) => one.includes("a-admin"))).toHaveLength(1);
});

test("a session that the bank opens or ends through the gateway becomes the host's own cookie", async () => {
  const { auditor, tenant } = at.stage.north;
  const site = { origin: `http://localhost:${at.port}`, "sec-fetch-site": "same-origin" };
  const headers = { ...site, "content-type": "application/json" };
  const body = JSON.stringify({ tenant, email: auditor.email, password: "tide knot 52 ember" });
  const entered = await ask(at.port, { method: "POST", path: "/api/sign-in", headers, body });
  const [cookie = ""] = entered.headers["set-cookie"] ?? [];
  expect([entered.status, cookie.startsWith("__Host-rw_gateway="), cookie.includes("rws_")]).toEqual([
    200,
    true,
    false,
  ]);
  const [pair = ""] = cookie.split(";");
  const who = await ask(at.port, { path: "/api/session", headers: { cookie: pair } });
  expect([who.status, JSON.parse(who.text)]).toMatchObject([200, { user: auditor.user }]);
  const left = await ask(at.port, { method: "DELETE", path: "/api/session", headers: { ...site, cookie: pair } });
  expect([left.status, left.headers["set-cookie"]?.[0]]).toEqual([204, expect.stringContaining("__Host-rw_gateway=;")]);
  expect((await ask(at.port, { path: "/api/session", headers: { cookie: pair } })).status).toBe(401);
});
