import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, authenticator, PASSWORD, type Person, type Stage, tokenOf } from "../stage.fixture.ts";

let stage: Stage;
let owner: Person;
let viewer: Person;

beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("alpha-bank");
  viewer = await stage.person(owner, "viewer");
});
afterAll(() => stage.close());

const credentials = (person: Person, password = PASSWORD) => ({ tenant: person.tenant, email: person.email, password });

describe("health", () => {
  test("says that the process lives and can work, to anybody", async () => {
    expect((await stage.ask("GET", "/healthz")).json).toEqual({ status: "ok" });
    expect((await stage.ask("GET", "/readyz")).json).toEqual({ status: "ready" });
  });
});

describe("the first administrator", () => {
  test("comes in with a link from the local socket; then there are no more links", async () => {
    expect((await stage.ask("POST", "/v1/bootstrap/links")).status).toBe(404);
    const first = await stage.operator("POST", "/v1/bootstrap/links");
    expect(first.status).toBe(201);
    expect(first.field("link")).toMatch(/^http:\/\/localhost:7400\/bootstrap#rwk_/);
    const second = await stage.operator("POST", "/v1/bootstrap/links");
    const body = { email: "root@platform.example", name: "Root", password: PASSWORD };
    const token = tokenOf(first.field("link"));
    expect((await stage.ask("POST", "/v1/bootstrap", { body: { ...body, token } })).code).toBe("identity.link_invalid");
    const right = { ...body, token: tokenOf(second.field("link")) };
    expect((await stage.ask("POST", "/v1/bootstrap", { body: right })).field("next")).toBe("enrol");
    expect((await stage.ask("POST", "/v1/bootstrap", { body: right })).code).toBe("identity.link_invalid");
    const third = await stage.operator("POST", "/v1/bootstrap/links");
    expect([third.status, third.code]).toEqual([409, "resource.conflict"]);
  });

  test("needs a password that is worth one", async () => {
    const body = { token: `rwk_${"x".repeat(43)}`, email: "a@b.example", name: "A", password: "" };
    const refused = await stage.ask("POST", "/v1/bootstrap", { body });
    expect(refused.json).toMatchObject({ code: "request.invalid", fields: ["body.password"] });
  });
});

describe("signing in", () => {
  test("with a password alone is done for a viewer, and the token is in the body of a program's answer", async () => {
    const done = await stage.ask("POST", "/v1/sign-in", { body: credentials(viewer) });
    expect(done.json).toMatchObject({ next: "done" });
    expect(done.headers["set-cookie"]).toBeUndefined();
    const who = await stage.ask("GET", "/v1/session", { token: done.field("token") });
    expect(who.json).toMatchObject({ tenant: "alpha-bank", user: viewer.id, role: "viewer", aal: 1 });
  });

  test("gives a browser a cookie that no script reads, and no token in the body", async () => {
    const headers = { "origin": `http://127.0.0.1:${stage.port}`, "sec-fetch-site": "same-origin" };
    const done = await stage.ask("POST", "/v1/sign-in", { body: credentials(viewer), headers });
    expect(done.json).not.toHaveProperty("token");
    const [cookie = ""] = done.headers["set-cookie"] ?? [];
    expect(cookie).toMatch(/^__Host-rw_session=rws_[\w-]{43}; Path=\/; Secure; HttpOnly; SameSite=Strict$/);
    const [pair = ""] = cookie.split(";");
    expect((await stage.ask("GET", "/v1/session", { headers: { cookie: pair } })).status).toBe(200);
    const out = await stage.ask("DELETE", "/v1/session", { headers: { ...headers, cookie: pair } });
    expect([out.status, out.headers["set-cookie"]?.[0]]).toEqual([204, expect.stringContaining("Max-Age=0")]);
    expect((await stage.ask("GET", "/v1/session", { headers: { cookie: pair } })).status).toBe(401);
  });

  test("needs the code too for an owner, and a code is good once", async () => {
    await stage.nextStep();
    const pending = await stage.ask("POST", "/v1/sign-in", { body: credentials(owner) });
    expect(pending.json).toMatchObject({ next: "code" });
    const body = { login: pending.field("login"), code: owner.code() };
    expect((await stage.ask("GET", "/v1/session", { token: body.login })).status).toBe(401);
    expect((await stage.ask("POST", "/v1/sign-in/code", { body })).json).toMatchObject({ next: "done" });
    const again = await stage.ask("POST", "/v1/sign-in", { body: credentials(owner) });
    const replayed = { login: again.field("login"), code: body.code };
    expect((await stage.ask("POST", "/v1/sign-in/code", { body: replayed })).code).toBe("identity.sign_in_failed");
  });

  test("answers alike for a wrong password, a wrong address and a wrong tenant", async () => {
    const wrong = [
      credentials(viewer, "tide knot 52 embers"),
      { ...credentials(viewer), email: "nobody@alpha-bank.example" },
      { ...credentials(viewer), tenant: "no-such-bank" },
    ];
    const answers = [];
    for (const body of wrong) answers.push(await stage.ask("POST", "/v1/sign-in", { body }));
    expect(new Set(answers.map(({ code, status }) => `${status} ${code}`))).toEqual(
      new Set(["401 identity.sign_in_failed"]),
    );
    const shapes = answers.map(({ json }) => ({ ...(json as object), request_id: "" }));
    expect(new Set(shapes.map((shape) => JSON.stringify(shape))).size).toBe(1);
  });

  test("out ends the session at once", async () => {
    const { field } = await stage.ask("POST", "/v1/sign-in", { body: credentials(viewer) });
    const token = field("token");
    expect((await stage.ask("DELETE", "/v1/session", { token })).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token })).code).toBe("identity.sign_in_required");
  });
});

describe("a recovery", () => {
  test("of a password comes from an administrator, works once and ends every session", async () => {
    const editor = await stage.person(owner, "editor");
    const path = `/v1/users/${editor.id}/recoveries`;
    await stage.freshen(owner);
    const made = await stage.ask("POST", path, { token: owner.token, body: { kind: "password" } });
    expect([made.status, made.field("link")]).toEqual([201, expect.stringContaining("/recovery#rwk_")]);
    const body = { token: tokenOf(made.field("link")), password: "walnut 81 harbour mist" };
    const done = await stage.ask("POST", "/v1/recoveries", { body });
    expect(done.json).toMatchObject({ next: "done" });
    expect((await stage.ask("GET", "/v1/session", { token: editor.token })).status).toBe(401);
    expect((await stage.ask("POST", "/v1/recoveries", { body })).code).toBe("identity.link_invalid");
    expect((await stage.ask("POST", "/v1/sign-in", { body: credentials(editor) })).status).toBe(401);
    const fresh = credentials(editor, body.password);
    expect((await stage.ask("POST", "/v1/sign-in", { body: fresh })).status).toBe(200);
  });

  test("of a second factor needs the password and sets up a new one", async () => {
    const admin = await stage.person(owner, "admin");
    const path = `/v1/users/${admin.id}/recoveries`;
    const { field } = await stage.ask("POST", path, { token: owner.token, body: { kind: "factor" } });
    const token = tokenOf(field("link"));
    const wrong = await stage.ask("POST", "/v1/recoveries", { body: { token, password: "not it, not at all" } });
    expect(wrong.code).toBe("identity.sign_in_failed");
    const pending = await stage.ask("POST", "/v1/recoveries", { body: { token, password: PASSWORD } });
    expect(pending.json).toMatchObject({ next: "enrol" });
    const login = pending.field("login");
    const secret = (await stage.ask("POST", "/v1/sign-in/enrolment", { body: { login } })).field("secret");
    const code = authenticator(secret, stage.clock)();
    const done = await stage.ask("POST", "/v1/sign-in/enrolment/confirm", { body: { login, code } });
    expect(done.json).toMatchObject({ next: "done" });
  });

  test("is not for oneself, and an administrator makes none for an owner", async () => {
    const admin = await stage.person(owner, "admin", "second-admin@alpha-bank.example");
    const ask = async (token: string, id: string) =>
      (await stage.ask("POST", `/v1/users/${id}/recoveries`, { token, body: { kind: "factor" } })).code;
    expect(await ask(admin.token, admin.id)).toBe("access.denied");
    expect(await ask(admin.token, owner.id)).toBe("access.denied");
    const other = await stage.tenant("gamma-bank");
    expect(await ask(admin.token, other.id)).toBe("resource.not_found");
  });
});
