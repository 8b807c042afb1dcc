import { SESSION_COOKIE as API_COOKIE } from "ringwall/pipeline";
import { afterAll, beforeAll, expect, test } from "vitest";
import { SESSION_COOKIE } from "../server.ts";
import { type BankStage, bankStage, PASSWORD } from "../stage.fixture.ts";

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

const browser = (): Record<string, string> => ({ "sec-fetch-site": "same-origin", "origin": stage.url });

function credentials(of: { email: string }, over: object = {}): object {
  return { tenant: "northbank", email: of.email, password: PASSWORD, ...over };
}

test("a program gets the token in the answer's body, and who it is", async () => {
  const { ask, north } = stage;
  const { body, headers } = await ask("POST", "/api/sign-in", { body: credentials(north.ann) });
  expect(body).toEqual({
    next: "done",
    session: expect.any(String),
    expires_at: expect.any(String),
    token: expect.stringMatching(/^rws_[A-Za-z0-9_-]{43}$/),
  });
  expect(headers.get("set-cookie")).toBeNull();
  const session = await ask("GET", "/api/session", { as: body });
  expect(session.body).toEqual({
    tenant: "northbank",
    user: north.ann.user,
    role: "editor",
    aal: 1,
    sid: body.session,
  });
});

test("a browser gets the bank's own cookie and no token that a script could read", async () => {
  const { ask, north } = stage;
  const entered = await ask("POST", "/api/sign-in", { body: credentials(north.ann), headers: browser() });
  expect(entered.body).toEqual({ next: "done", session: expect.any(String), expires_at: expect.any(String) });
  const cookie = entered.headers.get("set-cookie") ?? "";
  expect(cookie).toMatch(/^__Host-bank_session=rws_[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
  const [pair = ""] = cookie.split(";");
  expect((await ask("GET", "/api/session", { headers: { cookie: pair } })).status).toBe(200);

  const token = pair.slice(SESSION_COOKIE.length + 1);
  for (const other of [`${API_COOKIE}=${token}`, `bank_session=${token}`, `x${pair}`, `__host-bank_session=${token}`]) {
    const { body } = await ask("GET", "/api/session", { headers: { cookie: other } });
    expect([other.slice(0, 24), body.code]).toEqual([other.slice(0, 24), "identity.sign_in_required"]);
  }
  const twice = await ask("GET", "/api/session", { headers: { cookie: `${pair}; ${pair}` } });
  expect(twice.body.code).toBe("request.malformed");
  const both = await ask("GET", "/api/session", { headers: { cookie: pair }, as: north.ben });
  expect(both.body.code).toBe("request.malformed");

  const forged = { cookie: pair, "sec-fetch-site": "cross-site", "origin": "https://evil.example" };
  expect((await ask("DELETE", "/api/session", { headers: forged })).status).toBe(403);
  expect((await ask("DELETE", "/api/session", { headers: { cookie: pair } })).body.code).toBe("request.cross_site");
  const out = await ask("DELETE", "/api/session", { headers: { cookie: pair, ...browser() } });
  expect(out.status).toBe(204);
  expect(out.headers.get("set-cookie")).toMatch(/^__Host-bank_session=; .*Max-Age=0$/);
  expect((await ask("GET", "/api/session", { headers: { cookie: pair } })).status).toBe(401);
});

test("whoever has a second factor gives its code before there is a session, and each code once", async () => {
  const { ask, north } = stage;
  stage.nextStep();
  const { body } = await ask("POST", "/api/sign-in", { body: credentials(north.owner) });
  expect(body).toEqual({ next: "code", login: expect.stringMatching(/^rw[a-z]_/), expires_at: expect.any(String) });
  expect((await ask("GET", "/api/session", { as: { token: body.login } })).status).toBe(401);
  const code = north.owner.code();
  const given = { login: body.login, code };
  const session = await ask("POST", "/api/sign-in/code", { body: given, headers: browser() });
  expect(session.body).toMatchObject({ next: "done" });
  expect(session.body.token).toBeUndefined();
  expect(session.headers.get("set-cookie")).toMatch(/^__Host-bank_session=/);
  const again = await ask("POST", "/api/sign-in", { body: credentials(north.owner) });
  const replayed = await ask("POST", "/api/sign-in/code", { body: { login: again.body.login, code } });
  expect(replayed.body).toMatchObject({ status: 401, code: "identity.sign_in_failed" });
});

test("wrong password, unknown person, other bank and no bank answer alike", async () => {
  const { ask, north, south } = stage;
  const answers = [
    await ask("POST", "/api/sign-in", { body: credentials(north.ben, { password: `${PASSWORD}x` }) }),
    await ask("POST", "/api/sign-in", { body: credentials({ email: "nobody@northbank.example" }) }),
    await ask("POST", "/api/sign-in", { body: credentials(south.ben) }),
    await ask("POST", "/api/sign-in", { body: credentials(north.ben, { tenant: "eastbank" }) }),
  ];
  expect(answers[0]?.body).toMatchObject({ status: 401, code: "identity.sign_in_failed" });
  expect(new Set(answers.map(({ body, text }) => text.replace(body.request_id, "-"))).size).toBe(1);
});

test("five wrong passwords lock the account, in any spelling of its address, and the bank's audit shows it", async () => {
  const { ask, south } = stage;
  const wrong = { tenant: "southbank", email: south.ben.email, password: "not the password" };
  for (const email of [wrong.email, wrong.email.toUpperCase(), ` ${wrong.email}`, wrong.email, wrong.email]) {
    expect((await ask("POST", "/api/sign-in", { body: { ...wrong, email } })).status).toBe(401);
  }
  const right = await ask("POST", "/api/sign-in", { body: { ...wrong, password: PASSWORD } });
  expect(right.body).toMatchObject({ status: 401, code: "identity.sign_in_failed" });
  const [locked] = await stage.audit(south.owner, "sign_in.locked");
  expect(locked).toBeDefined();
  stage.advance(15 * 60_000);
  expect((await ask("POST", "/api/sign-in", { body: { ...wrong, password: PASSWORD } })).status).toBe(200);
});

test("no password, token or code is in a line of the log", async () => {
  const { ask, north } = stage;
  const { body } = await ask("POST", "/api/sign-in", { body: credentials(north.ann) });
  await ask("GET", `/api/session?token=${body.token}`, { as: body, headers: { "user-agent": `me ${body.token}` } });
  const log = stage.lines.join("");
  expect(log).toContain("/api/sign-in");
  expect(log).not.toContain(PASSWORD);
  expect(log).not.toContain(body.token);
  expect(log).not.toMatch(/rws_[A-Za-z0-9_-]{43}/);
});
