import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, authenticator, PASSWORD, type Person, type Stage } from "../stage.fixture.ts";

let stage: Stage;
let owner: Person;
let admin: Person;
let editor: Person;
let other: Person;

beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("alpha-bank");
  admin = await stage.person(owner, "admin");
  editor = await stage.person(owner, "editor");
  other = await stage.tenant("beta-bank");
});
afterAll(() => stage.close());

const items = (json: unknown): Record<string, unknown>[] => (json as { items: Record<string, unknown>[] }).items;

async function signedIn(person: Person): Promise<string> {
  const { email, tenant } = person;
  const done = await stage.ask("POST", "/v1/sign-in", { body: { tenant, email, password: PASSWORD } });
  return done.field("token");
}

describe("people", () => {
  test("are listed and shown to administrators of their own tenant", async () => {
    const listed = await stage.ask("GET", "/v1/users", { token: admin.token });
    expect(items(listed.json).map(({ email, role }) => [email, role])).toEqual([
      ["owner@alpha-bank.example", "owner"],
      ["admin@alpha-bank.example", "admin"],
      ["editor@alpha-bank.example", "editor"],
    ]);
    const [first] = items(listed.json);
    const rest = await stage.ask("GET", `/v1/users?after=${String(first?.["id"])}`, { token: admin.token });
    expect(items(rest.json)).toHaveLength(2);
    const shown = await stage.ask("GET", `/v1/users/${editor.id}`, { token: admin.token });
    expect(shown.json).toMatchObject({ id: editor.id, status: "active", second_factor: false });
  });

  test("of another tenant are not there, whatever is done with their ids", async () => {
    await stage.freshen(owner);
    const { token } = owner;
    const ask = async (method: string, path: string, body?: object) =>
      (await stage.ask(method, `/v1/users/${other.id}${path}`, { token, ...(body === undefined ? {} : { body }) }))
        .status;
    expect([
      await ask("GET", ""),
      await ask("PUT", "/role", { role: "viewer" }),
      await ask("POST", "/disable"),
      await ask("POST", "/enable"),
      await ask("DELETE", "/sessions"),
      await ask("POST", "/recoveries", { kind: "password" }),
    ]).toEqual([404, 404, 404, 404, 404, 404]);
    expect((await stage.ask("GET", "/v1/session", { token: other.token })).status).toBe(200);
  });

  test("get another role at once, and not one above the giver's", async () => {
    const person = await stage.person(owner, "viewer");
    const path = `/v1/users/${person.id}/role`;
    const given = await stage.ask("PUT", path, { token: owner.token, body: { role: "editor" } });
    expect(given.status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: person.token })).field("role")).toBe("editor");
    await stage.freshen(admin);
    const refused = await stage.ask("PUT", path, { token: admin.token, body: { role: "owner" } });
    expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
    const unknown = await stage.ask("PUT", path, { token: owner.token, body: { role: "root" } });
    expect(unknown.json).toMatchObject({ code: "request.invalid", fields: ["body.role"] });
  });

  test("who are disabled are out at once, and the last owner cannot be", async () => {
    const person = await stage.person(owner, "viewer", "gone@alpha-bank.example");
    const disabled = await stage.ask("POST", `/v1/users/${person.id}/disable`, { token: owner.token });
    expect(disabled.status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: person.token })).status).toBe(401);
    expect((await stage.ask("POST", `/v1/users/${person.id}/enable`, { token: owner.token })).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: await signedIn(person) })).status).toBe(200);
    const last = await stage.ask("POST", `/v1/users/${owner.id}/disable`, { token: owner.token });
    expect([last.status, last.code]).toEqual([409, "resource.conflict"]);
  });
});

describe("invitations", () => {
  test("are for one's own tenant, and an address that is there gets none", async () => {
    const body = { email: editor.email, role: "viewer" };
    const there = await stage.ask("POST", "/v1/invitations", { token: owner.token, body });
    expect([there.status, there.code]).toEqual([409, "resource.conflict"]);
    const foreign = { email: "x@beta-bank.example", role: "viewer", tenant: "beta-bank" };
    const refused = await stage.ask("POST", "/v1/invitations", { token: owner.token, body: foreign });
    expect([refused.status, refused.code]).toEqual([404, "resource.not_found"]);
  });

  test("that wait are listed to one's own tenant, and can be taken back", async () => {
    const body = { email: "waits@alpha-bank.example", role: "viewer" };
    const made = await stage.ask("POST", "/v1/invitations", { token: owner.token, body });
    const listed = await stage.ask("GET", "/v1/invitations", { token: owner.token });
    expect(items(listed.json)).toMatchObject([{ ...body, invited_by: owner.id, expires_at: made.field("expires_at") }]);
    expect(listed.text).not.toContain(new URL(made.field("link")).hash.slice(1));
    const { email } = body;
    const other = await stage.tenant("gamma-bank");
    expect(items((await stage.ask("GET", "/v1/invitations", { token: other.token })).json)).toEqual([]);
    const foreign = await stage.ask("POST", "/v1/invitations/withdraw", { token: other.token, body: { email } });
    expect([foreign.status, foreign.code]).toEqual([404, "resource.not_found"]);
    const done = await stage.ask("POST", "/v1/invitations/withdraw", { token: owner.token, body: { email } });
    expect(done.status).toBe(204);
    const accepted = { token: new URL(made.field("link")).hash.slice(1), name: "Late", password: PASSWORD };
    const refused = await stage.ask("POST", "/v1/invitations/accept", { body: accepted });
    expect(refused.code).toBe("identity.link_invalid");
  });

  test("by the machine's operator need a tenant, make no owner where there is one, and stand in its audit", async () => {
    const body = { email: "helped@alpha-bank.example", role: "viewer" };
    const nowhere = await stage.operator("POST", "/v1/invitations", { body });
    expect(nowhere.json).toMatchObject({ code: "request.invalid", fields: ["body.tenant"] });
    const missing = await stage.operator("POST", "/v1/invitations", { body: { ...body, tenant: "no-such-bank" } });
    expect(missing.code).toBe("resource.not_found");
    const seized = { ...body, role: "owner", tenant: "alpha-bank" };
    expect((await stage.operator("POST", "/v1/invitations", { body: seized })).code).toBe("resource.conflict");
    const made = await stage.operator("POST", "/v1/invitations", { body: { ...body, tenant: "alpha-bank" } });
    const accepted = {
      token: new URL(made.field("link")).hash.slice(1),
      name: "Helped",
      password: PASSWORD,
    };
    expect((await stage.ask("POST", "/v1/invitations/accept", { body: accepted })).field("next")).toBe("done");
    await stage.sequence();
    const log = await stage.ask("GET", "/v1/audit-events?action=user.invited&limit=1", { token: owner.token });
    expect(items(log.json)[0]).toMatchObject({ actor: "system:users.invite", facts: { role: "viewer" } });
  });
});

describe("sessions", () => {
  test("are listed, and one that is ended is refused at once", async () => {
    const token = await signedIn(editor);
    const listed = items((await stage.ask("GET", "/v1/sessions", { token })).json);
    expect(listed).toHaveLength(2);
    const current = listed.find((session) => session["current"] === true);
    expect(current).toMatchObject({ user: editor.id, aal: 1, address_prefix: "127.0.0.0/24" });
    const ended = await stage.ask("DELETE", `/v1/sessions/${String(current?.["sid"])}`, { token: editor.token });
    expect(ended.status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token })).status).toBe(401);
    expect((await stage.ask("GET", "/v1/session", { token: editor.token })).status).toBe(200);
  });

  test("of others are an administrator's to see and to end, within the tenant", async () => {
    const asked = await stage.ask("GET", `/v1/sessions?user=${editor.id}`, { token: admin.token });
    expect(items(asked.json).map(({ user }) => user)).toEqual([editor.id]);
    const refused = await stage.ask("GET", `/v1/sessions?user=${admin.id}`, { token: editor.token });
    expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
    const foreign = await stage.ask("GET", `/v1/sessions?user=${other.id}`, { token: admin.token });
    expect([foreign.status, foreign.code]).toEqual([404, "resource.not_found"]);
    const wall = await stage.ask("GET", "/v1/sessions?tenant=beta-bank", { token: admin.token });
    expect([wall.status, wall.code]).toEqual([404, "resource.not_found"]);
    const all = await stage.ask("DELETE", `/v1/users/${editor.id}/sessions`, { token: admin.token });
    expect(all.status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: editor.token })).status).toBe(401);
    editor.token = await signedIn(editor);
  });

  test("of another tenant cannot be ended by their ids", async () => {
    const sid = (await stage.ask("GET", "/v1/session", { token: other.token })).field("sid");
    const refused = await stage.ask("DELETE", `/v1/sessions/${sid}`, { token: owner.token });
    expect([refused.status, refused.code]).toEqual([404, "resource.not_found"]);
    const named = await stage.ask("DELETE", `/v1/sessions/${sid}?tenant=beta-bank`, { token: owner.token });
    expect([named.status, named.code]).toEqual([404, "resource.not_found"]);
    expect((await stage.ask("GET", "/v1/session", { token: other.token })).status).toBe(200);
  });

  test("all of one's own end together", async () => {
    const person = await stage.person(owner, "viewer", "many@alpha-bank.example");
    const second = await signedIn(person);
    expect((await stage.ask("DELETE", "/v1/sessions", { token: second })).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: second })).status).toBe(401);
    expect((await stage.ask("GET", "/v1/session", { token: person.token })).status).toBe(401);
  });

  test("are shown to and ended by the machine's operator, who names the tenant and stands in its audit", async () => {
    const nowhere = await stage.operator("GET", "/v1/sessions");
    expect(nowhere.json).toMatchObject({ code: "request.invalid", fields: ["query.tenant"] });
    expect((await stage.operator("GET", "/v1/sessions?tenant=no-such-bank")).code).toBe("resource.not_found");
    const token = await signedIn(editor);
    const own = (await stage.ask("GET", "/v1/session", { token })).field("sid");
    const listed = await stage.operator("GET", "/v1/sessions?tenant=alpha-bank");
    expect(items(listed.json).map(({ sid }) => sid)).toContain(own);
    const one = await stage.operator("GET", `/v1/sessions?tenant=alpha-bank&user=${editor.id}`);
    expect(new Set(items(one.json).map(({ user }) => user))).toEqual(new Set([editor.id]));
    const wrong = await stage.operator("DELETE", `/v1/sessions/${own}?tenant=beta-bank`);
    expect(wrong.code).toBe("resource.not_found");
    expect((await stage.operator("DELETE", `/v1/sessions/${own}?tenant=alpha-bank`)).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token })).status).toBe(401);
    await stage.sequence();
    const log = items((await stage.ask("GET", "/v1/audit-events?limit=4", { token: owner.token })).json);
    const acts = log.map(({ action, actor }) => `${String(actor)} ${String(action)}`);
    expect(acts).toContain("system:sessions.manage session.listed");
    expect(acts).toContain("system:sessions.manage session.revoked");
  });
});

describe("a second factor", () => {
  test("is set up from within a session, which is replaced by a better one", async () => {
    const person = await stage.person(owner, "viewer", "careful@alpha-bank.example");
    const ask = async (path: string, token: string, body: object) =>
      await stage.ask("POST", `/v1/session/${path}`, { token, body });
    expect((await ask("enrolment", person.token, { password: "not the password" })).code).toBe(
      "identity.sign_in_failed",
    );
    const { field } = await ask("enrolment", person.token, { password: PASSWORD });
    expect(field("uri")).toMatch(/^otpauth:\/\/totp\//);
    const code = authenticator(field("secret"), stage.clock);
    expect((await ask("enrolment/confirm", person.token, { code: "000000" })).code).toBe("identity.sign_in_failed");
    const done = await ask("enrolment/confirm", person.token, { code: code() });
    expect((await stage.ask("GET", "/v1/session", { token: person.token })).status).toBe(401);
    const who = await stage.ask("GET", "/v1/session", { token: done.field("token") });
    expect(who.json).toMatchObject({ aal: 2, user: person.id });
    await stage.nextStep();
    const stepped = await ask("step-up", done.field("token"), { code: code() });
    expect((await ask("step-up", stepped.field("token"), { code: code() })).code).toBe("identity.sign_in_failed");
    const { email, tenant } = person;
    const again = await stage.ask("POST", "/v1/sign-in", { body: { tenant, email, password: PASSWORD } });
    expect(again.field("next")).toBe("code");
  });
});

// Last, since everybody else idles out with it.
test("sessions are not kept alive by looking whether they are still good", async () => {
  const idle = await stage.tenant("idle-bank");
  const look = async (): Promise<number> => (await stage.ask("GET", "/v1/session/state", { token: idle.token })).status;
  for (let minutes = 0; minutes < 25; minutes += 5) {
    expect(await look()).toBe(200);
    await stage.advance(5 * 60_000);
  }
  await stage.advance(5 * 60_000);
  expect(await look()).toBe(401);
  expect((await stage.ask("GET", "/v1/session", { token: idle.token })).status).toBe(401);
});
