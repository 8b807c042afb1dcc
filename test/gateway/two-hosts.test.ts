import { afterAll, beforeAll, expect, test } from "vitest";
import { PASSWORD } from "../../examples/bank/stage.fixture.ts";
import { ask, Browser, hiddenFields } from "./http.ts";
import { type GatewayStage, gatewayStage } from "./stage.ts";

const OWN = "__Host-rw_gateway";
const SIGN_IN = "sign-in.localhost";

let at: GatewayStage;
beforeAll(async () => {
  at = await gatewayStage();
});
afterAll(async () => {
  await at.close();
});

/** Signs the viewer of the northern bank in, who needs a password alone. */
async function signIn(browser: Browser, host = "a.localhost", path = "/some/page?q=1"): Promise<string> {
  const page = await browser.open(host, path);
  expect(page.status).toBe(200);
  const { auditor, tenant } = at.stage.north;
  const fields = { ...hiddenFields(page.text), tenant, email: auditor.email, password: PASSWORD };
  return (await browser.submit(SIGN_IN, "/.ringwall/sign-in", fields)).text;
}

test("a page leads to the sign-in host and back, and each host has a cookie of its own", async () => {
  const browser = new Browser(at.port);
  await signIn(browser);
  expect(browser.visited.at(-1)).toBe("a.localhost/some/page?q=1");
  const first = browser.jar("a.localhost").get(OWN);
  expect(first).toMatch(/^[A-Za-z0-9_-]{100,}$/);
  expect(first).not.toContain("rws_");
  // The second host asks for no password again, and gets a cookie that is another one.
  const second = await browser.open("b.localhost", "/elsewhere");
  expect([second.status, browser.visited.at(-1)]).toEqual([200, "b.localhost/elsewhere"]);
  expect(browser.jar("b.localhost").get(OWN)).not.toBe(first);
  expect(browser.jar("a.localhost").has("__Host-rw_state")).toBe(false);
});

test("the cookie of one host is nothing at another, and a session's token is no cookie at all", async () => {
  const browser = new Browser(at.port);
  await signIn(browser);
  const cookie = `${OWN}=${browser.jar("a.localhost").get(OWN) ?? ""}`;
  const status = async (host: string, value: string): Promise<number> =>
    (await ask(at.port, { host, headers: { cookie: value } })).status;
  expect(await status("a.localhost", cookie)).toBe(200);
  expect(await status("b.localhost", cookie)).toBe(401);
  expect(await status("a.localhost", `${OWN}=${at.stage.north.auditor.token}`)).toBe(401);
  expect(await status("a.localhost", `${cookie}; ${cookie}`)).toBe(400);
});

test("a code works once, in the browser that asked for it, at the host it is for", async () => {
  const browser = new Browser(at.port);
  await signIn(browser);
  const stranger = new Browser(at.port);
  // The stranger's browser asks too, so that it has a state of its own; then it gets the other one's code.
  await stranger.send("b.localhost", "/", { headers: { "sec-fetch-mode": "navigate" } });
  await browser.send("b.localhost", "/", { headers: { "sec-fetch-mode": "navigate" } });
  const begun = await browser.send("b.localhost", "/", { headers: { "sec-fetch-mode": "navigate" } });
  const led = new URL(begun.headers.location ?? "");
  const back = await browser.send(SIGN_IN, `${led.pathname}${led.search}`);
  const callback = new URL(back.headers.location ?? "");
  const path = `${callback.pathname}${callback.search}`;
  expect((await stranger.send("b.localhost", path)).status).toBe(401);
  expect((await new Browser(at.port).send("b.localhost", path)).status).toBe(401);
  const elsewhere = browser.jar("a.localhost");
  elsewhere.set("__Host-rw_state", browser.jar("b.localhost").get("__Host-rw_state") ?? "");
  expect((await browser.send("a.localhost", path)).status).toBe(401);
  const state = browser.jar("b.localhost").get("__Host-rw_state") ?? "";
  expect((await browser.send("b.localhost", path)).status).toBe(302);
  // Used, it is worth nothing, not even to its own browser.
  const again = await ask(at.port, { host: "b.localhost", path, headers: { cookie: `__Host-rw_state=${state}` } });
  expect([again.status, again.headers["set-cookie"]]).toEqual([401, undefined]);
});

test("a code is over after a minute", async () => {
  const browser = new Browser(at.port);
  await signIn(browser);
  const begun = await browser.send("b.localhost", "/", { headers: { "sec-fetch-mode": "navigate" } });
  const led = new URL(begun.headers.location ?? "");
  const back = await browser.send(SIGN_IN, `${led.pathname}${led.search}`);
  const callback = new URL(back.headers.location ?? "");
  await at.advance(61_000);
  expect((await browser.send("b.localhost", `${callback.pathname}${callback.search}`)).status).toBe(401);
});

test("codes go to hosts and the port of this gateway alone, and to no path that leads away", async () => {
  for (const host of [
    "evil.example",
    `a.localhost:1`,
    `a.localhost:${at.port}@evil.example`,
    `A.localhost:${at.port}`,
  ]) {
    const query = new URLSearchParams({ host, state: "x".repeat(43) }).toString();
    expect((await ask(at.port, { host: SIGN_IN, path: `/.ringwall/sign-in?${query}` })).status).toBe(400);
  }
  const browser = new Browser(at.port);
  browser.jar("a.localhost");
  await signIn(browser);
  const begun = await browser.send("b.localhost", "/", { headers: { "sec-fetch-mode": "navigate" } });
  const [verifier = ""] = (browser.jar("b.localhost").get("__Host-rw_state") ?? "").split(".");
  const led = new URL(begun.headers.location ?? "");
  const back = await browser.send(SIGN_IN, `${led.pathname}${led.search}`);
  const callback = new URL(back.headers.location ?? "");
  browser
    .jar("b.localhost")
    .set("__Host-rw_state", `${verifier}.${Buffer.from("//evil.example/").toString("base64url")}`);
  const answer = await browser.send("b.localhost", `${callback.pathname}${callback.search}`);
  expect([answer.status, answer.headers.location]).toEqual([302, "/"]);
});

test("another site cannot sign anybody in or out", async () => {
  const forged = { origin: "https://evil.example", "content-type": "application/x-www-form-urlencoded" };
  for (const path of ["/.ringwall/sign-in", "/.ringwall/sign-out"]) {
    const answer = await ask(at.port, { method: "POST", host: SIGN_IN, path, headers: forged, body: "a=b" });
    expect(answer.status).toBe(403);
  }
});

test("a wrong password is said in the page, and says nothing about who exists", async () => {
  const browser = new Browser(at.port);
  const page = await browser.open("a.localhost", "/");
  const fields = { ...hiddenFields(page.text), tenant: at.stage.north.tenant, password: "wrong horse battery" };
  const known = await browser.submit(SIGN_IN, "/.ringwall/sign-in", { ...fields, email: at.stage.north.ann.email });
  const unknown = await browser.submit(SIGN_IN, "/.ringwall/sign-in", { ...fields, email: "nobody@northbank.example" });
  expect([known.status, unknown.status]).toEqual([401, 401]);
  const shape = (text: string): string => text.replaceAll(/nonce="[^"]+"/g, "");
  expect(shape(known.text)).toBe(shape(unknown.text));
});

test("signing out ends the session at every host", async () => {
  const browser = new Browser(at.port);
  await signIn(browser);
  await browser.open("b.localhost", "/");
  const before = browser.cookies("b.localhost");
  expect((await ask(at.port, { host: "b.localhost", headers: { cookie: before } })).status).toBe(200);
  await browser.submit("a.localhost", "/.ringwall/sign-out", {});
  expect(browser.jar("a.localhost").has(OWN)).toBe(false);
  expect((await ask(at.port, { host: "b.localhost", headers: { cookie: before } })).status).toBe(401);
});
