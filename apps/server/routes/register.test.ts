import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, type Person, type Stage } from "../stage.fixture.ts";

let stage: Stage;
let root: Person;
let owner: Person;

beforeAll(async () => {
  stage = await apiStage();
  root = await stage.administrator();
  owner = await stage.tenant("alpha-bank");
});
afterAll(() => stage.close());

const items = (json: unknown): Record<string, unknown>[] => (json as { items: Record<string, unknown>[] }).items;

describe("the register of tenants", () => {
  test("is listed for the platform's owner and the machine's operator", async () => {
    const listed = await stage.ask("GET", "/v1/tenants", { token: root.token });
    expect(items(listed.json)).toMatchObject([
      { id: "alpha-bank", name: "The alpha-bank", status: "active" },
      { id: "platform", status: "active" },
    ]);
    expect((await stage.operator("GET", "/v1/tenants")).json).toEqual(listed.json);
    const after = await stage.operator("GET", "/v1/tenants?after=alpha-bank");
    expect(items(after.json).map(({ id }) => id)).toEqual(["platform"]);
  });

  test("takes a new tenant once, and only with an id of the right form", async () => {
    const body = { id: "new-bank", name: "New" };
    const made = await stage.ask("POST", "/v1/tenants", { token: root.token, body });
    expect([made.status, made.json]).toEqual([201, body]);
    const again = await stage.ask("POST", "/v1/tenants", { token: root.token, body });
    expect([again.status, again.code]).toEqual([409, "resource.conflict"]);
    for (const id of ["ab", "UPPER", "a b", "../x", "a".repeat(51), "ünï"]) {
      const refused = await stage.ask("POST", "/v1/tenants", { token: root.token, body: { ...body, id } });
      expect(refused.json).toMatchObject({ code: "request.invalid", fields: ["body.id"] });
    }
  });

  test("gives one invitation for a first owner, and none once there is one", async () => {
    const body = { email: "seizer@alpha-bank.example" };
    const path = "/v1/tenants/alpha-bank/owner-invitations";
    expect((await stage.ask("POST", path, { token: root.token, body })).code).toBe("resource.conflict");
    expect((await stage.operator("POST", path, { body })).code).toBe("resource.conflict");
    const missing = await stage.operator("POST", "/v1/tenants/no-such-bank/owner-invitations", { body });
    expect([missing.status, missing.code]).toEqual([404, "resource.not_found"]);
  });

  test("shuts a tenant out at once and lets it in again; the platform cannot shut itself out", async () => {
    const { token } = root;
    expect((await stage.ask("POST", "/v1/tenants/alpha-bank/suspend", { token })).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(401);
    expect((await stage.ask("POST", "/v1/tenants/alpha-bank/resume", { token })).status).toBe(204);
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(200);
    const self = await stage.ask("POST", "/v1/tenants/platform/suspend", { token });
    expect([self.status, self.code]).toEqual([409, "resource.conflict"]);
  });

  test("gives the platform's owner no way to a tenant's people, sessions, secrets or audit", async () => {
    const { token } = root;
    const codes = [];
    for (const path of ["sessions?tenant=alpha-bank", "secrets?tenant=alpha-bank", "audit-events?tenant=alpha-bank"]) {
      codes.push((await stage.ask("GET", `/v1/${path}`, { token })).code);
    }
    codes.push((await stage.ask("GET", `/v1/users/${owner.id}`, { token })).code);
    expect(codes).toEqual(Array.from({ length: 4 }, () => "resource.not_found"));
  });
});

describe("the audit log", () => {
  test("shows an owner the tenant's own events, newest first, and that it was read", async () => {
    await stage.sequence();
    const read = await stage.ask("GET", "/v1/audit-events?limit=200", { token: owner.token });
    const events = items(read.json);
    const sequences = events.map(({ sequence }) => Number(sequence));
    expect(sequences).toEqual([...sequences].sort((left, right) => right - left));
    expect(events.map(({ action }) => action)).toEqual(
      expect.arrayContaining(["session.created", "factor.enrolled", "user.joined", "user.invited"]),
    );
    const joined = events.find(({ action }) => action === "user.joined");
    expect(joined).toMatchObject({ actor: "anonymous", outcome: "success", facts: { role: "owner" } });
    expect(JSON.stringify(joined?.["detail"])).toContain("owner@alpha-bank.example");
    await stage.sequence();
    const again = await stage.ask("GET", "/v1/audit-events?limit=1", { token: owner.token });
    expect(items(again.json)[0]).toMatchObject({ action: "audit.read", actor: `user:${owner.id}` });
  });

  test("is paged and filtered, and takes no other numbers", async () => {
    const { token } = owner;
    const first = items((await stage.ask("GET", "/v1/audit-events?limit=2", { token })).json);
    const before = String(first[1]?.["sequence"]);
    const next = items((await stage.ask("GET", `/v1/audit-events?limit=1&before=${before}`, { token })).json);
    expect(Number(next[0]?.["sequence"])).toBe(Number(before) - 1);
    const filtered = await stage.ask("GET", "/v1/audit-events?action=user.joined", { token });
    expect(new Set(items(filtered.json).map(({ action }) => action))).toEqual(new Set(["user.joined"]));
    for (const query of [
      "limit=0",
      "limit=201",
      "limit=1e2",
      "limit=%2B1",
      "before=-1",
      "action=x",
      "limit=1&limit=2",
    ]) {
      const refused = await stage.ask("GET", `/v1/audit-events?${query}`, { token });
      expect([query, refused.status]).toEqual([query, 400]);
    }
  });

  test("is read by the machine's operator without personal values, and says so to the tenant", async () => {
    expect((await stage.operator("GET", "/v1/audit-events")).json).toMatchObject({ fields: ["query.tenant"] });
    expect((await stage.operator("GET", "/v1/audit-events?tenant=no-such-bank")).code).toBe("resource.not_found");
    const read = await stage.operator("GET", "/v1/audit-events?tenant=alpha-bank&action=user.joined");
    expect(items(read.json)).toMatchObject([{ action: "user.joined", detail: null }]);
    expect(read.text).not.toContain("owner@alpha-bank.example");
    await stage.sequence();
    const seen = await stage.ask("GET", "/v1/audit-events?action=audit.read&limit=1", { token: owner.token });
    expect(items(seen.json)[0]).toMatchObject({ actor: "system:audit.read" });
  });

  test("of another tenant is not there", async () => {
    const other = await stage.tenant("beta-bank");
    const refused = await stage.ask("GET", "/v1/audit-events?tenant=alpha-bank", { token: other.token });
    expect([refused.status, refused.code]).toEqual([404, "resource.not_found"]);
    await stage.sequence();
    const own = await stage.ask("GET", "/v1/audit-events?limit=200", { token: other.token });
    expect(own.text).not.toContain(owner.id);
  });
});

test("the API describes itself, and the description is the committed one", async () => {
  const { json } = await stage.ask("GET", "/v1/openapi.json");
  const committed: unknown = JSON.parse(await readFile(new URL("../openapi.json", import.meta.url), "utf8"));
  expect(json).toEqual(committed);
});

test("a server that is ending says that it is not ready", async () => {
  stage.drain();
  const refused = await stage.ask("GET", "/readyz");
  expect([refused.status, refused.code]).toEqual([503, "database.unavailable"]);
  expect((await stage.ask("GET", "/healthz")).status).toBe(200);
});
