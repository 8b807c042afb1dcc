import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

let stage: Stage;
let owner: Person;
let other: Person;

beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("alpha-bank");
  other = await stage.tenant("beta-bank");
});
afterAll(() => stage.close());

const PATH = "/v1/tenant-settings";
const read = (token: string, query = "") => stage.ask("GET", `${PATH}${query}`, { token });
const put = (token: string, version: number, settings: object, more: object = {}) =>
  stage.ask("PUT", PATH, { token, body: { version, settings, ...more } });

describe("a tenant's settings", () => {
  test("are the defaults while nothing was set, and the same for its administrators and the local operator", async () => {
    const answer = await read(owner.token);
    expect(answer.json).toEqual({
      tenant: "alpha-bank",
      version: 0,
      settings: { second_factor: "administrators", application: {} },
    });
    expect((await stage.operator("GET", `${PATH}?tenant=alpha-bank`)).json).toEqual(answer.json);
    expect((await stage.operator("GET", `${PATH}?tenant=no-such-bank`)).code).toBe("resource.not_found");
  });

  test("are not overwritten by somebody who read another version", async () => {
    const first = await put(owner.token, 0, { application: { theme: "dark", limits: [1, 2.5, null] } });
    expect(first.json).toMatchObject({
      version: 1,
      settings: { application: { theme: "dark", limits: [1, 2.5, null] } },
    });
    expect((await put(owner.token, 0, { application: { theme: "light" } })).code).toBe("resource.conflict");
    const both = await Promise.all([1, 2].map((one) => put(owner.token, 1, { application: { one } })));
    expect(new Set(both.map(({ status }) => status))).toEqual(new Set([200, 409]));
    expect((await read(owner.token)).json).toMatchObject({ version: 2 });
  });

  test("of another tenant are not there, for reading and for writing", async () => {
    for (const token of [other.token]) {
      expect((await read(token, "?tenant=alpha-bank")).code).toBe("resource.not_found");
      expect((await put(token, 2, {}, { tenant: "alpha-bank" })).code).toBe("resource.not_found");
    }
    expect((await read(other.token)).json).toMatchObject({ tenant: "beta-bank", version: 0 });
    const platform = await stage.administrator();
    expect((await read(platform.token, "?tenant=alpha-bank")).code).toBe("resource.not_found");
    expect((await put(platform.token, 2, {}, { tenant: "alpha-bank" })).code).toBe("resource.not_found");
  });

  test("are for administrators, and changed with a fresh second factor", async () => {
    const viewer = await stage.person(owner, "viewer");
    expect((await read(viewer.token)).code).toBe("access.denied");
    expect((await put(viewer.token, 2, {})).code).toBe("access.denied");
    await stage.advance(20 * 60_000);
    expect((await put(owner.token, 2, {})).code).toBe("access.step_up_required");
    await stage.freshen(owner);
    await stage.freshen(other);
  });

  test.each([
    ["a setting that nobody asked for", { registration: "open" }],
    ["a number outside of its range", { session_idle_seconds: 1 }],
    ["more of the application's own than 8 kB", { application: { text: "x".repeat(8_200) } }],
    ["text that the database cannot store", { application: { text: "a\u0000b" } }],
    ["a broken character", { application: { text: "\ud800" } }],
    ["JSON that is too deep", { application: { a: JSON.parse("[".repeat(20) + "]".repeat(20)) as unknown } }],
    ["a name of another form", { application: { "a b": 1 } }],
  ])("refuse %s", async (_what, settings) => {
    const refused = await put(owner.token, 2, settings);
    expect([refused.status, ["request.invalid", "request.malformed"].includes(refused.code ?? "")]).toEqual([
      400,
      true,
    ]);
    expect((await read(owner.token)).json).toMatchObject({ version: 2 });
  });

  test("are in the audit by their names alone", async () => {
    await put(owner.token, 2, { session_idle_seconds: 3_600, application: { secretive: "hidden value" } });
    await stage.sequence();
    const audit = await stage.ask("GET", "/v1/audit-events?action=tenant.settings_changed&limit=1", {
      token: owner.token,
    });
    const [event] = (audit.json as { items: { facts: object }[] }).items;
    expect(event?.facts).toMatchObject({ version: 3, changed: "session_idle_seconds,application" });
    expect(audit.text).not.toContain("hidden value");
  });

  test("make sessions shorter at once, in their own tenant", async () => {
    const viewer = await stage.person(owner, "viewer", "short@alpha-bank.example");
    expect((await stage.ask("GET", "/v1/session", { token: viewer.token })).status).toBe(200);
    await stage.freshen(owner);
    expect((await put(owner.token, 3, { session_absolute_seconds: 300 })).status).toBe(200);
    await stage.advance(301_000);
    expect((await stage.ask("GET", "/v1/session", { token: viewer.token })).status).toBe(401);
    expect((await stage.ask("GET", "/v1/session", { token: other.token })).status).toBe(200);
  });

  test("ask everybody for a second factor: who has none signs in anew", async () => {
    await stage.freshen(other);
    const viewer = await stage.person(other, "viewer");
    expect(viewer.code()).toBe("");
    expect((await put(other.token, 0, { second_factor: "everybody" })).status).toBe(200);
    expect((await stage.ask("GET", "/v1/session", { token: viewer.token })).status).toBe(401);
    const body = { tenant: "beta-bank", email: viewer.email, password: "tide knot 52 ember" };
    expect((await stage.ask("POST", "/v1/sign-in", { body })).field("next")).toBe("enrol");
  });
});
