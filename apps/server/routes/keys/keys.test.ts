import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

let stage: Stage;
let root: Person;
let owner: Person;

beforeAll(async () => {
  stage = await apiStage();
  root = await stage.administrator();
  owner = await stage.tenant("alpha-bank");
});
afterAll(() => stage.close());

interface KeyItem {
  readonly tenant: string;
  readonly purpose: string;
  readonly version: number;
}
const items = (json: unknown): KeyItem[] => (json as { items: KeyItem[] }).items;

/** Makes the tenant's data key, as a first sealed row does. */
const useDataKey = async (tenant: Person["tenant"]): Promise<void> => {
  await stage.operator("POST", "/v1/key-rotations", { body: { tenant, purpose: "data" } });
};

describe("keys", () => {
  test("are listed with their versions and ages, a tenant's own only, and never a key", async () => {
    await useDataKey("alpha-bank");
    const mine = await stage.ask("GET", "/v1/keys", { token: owner.token });
    expect(new Set(items(mine.json).map(({ tenant }) => tenant))).toEqual(new Set(["alpha-bank"]));
    expect(mine.json).toMatchObject({ master: { id: expect.stringMatching(/^software:/), elsewhere: null } });
    expect(items(mine.json).find(({ purpose }) => purpose === "data")).toMatchObject({
      class: "tenant",
      version: 2,
      overdue: false,
      automatic: true,
      period_seconds: 7_776_000,
    });
    const all = await stage.operator("GET", "/v1/keys");
    expect(new Set(items(all.json).map(({ tenant }) => tenant))).toContain("platform");
    expect(all.json).toMatchObject({ master: { elsewhere: 0 } });
    const rows = await stage.data.owner.query<{ wrapped: Buffer }>("select wrapped from ringwall.tenant_key");
    for (const { wrapped } of rows) expect(all.text).not.toContain(wrapped.toString("hex").slice(0, 20));
  });

  test("of another tenant look like ones that are not there", async () => {
    await stage.tenant("beta-bank");
    const { token } = owner;
    for (const path of ["/v1/keys?tenant=beta-bank", "/v1/key-jobs?tenant=beta-bank"]) {
      const foreign = await stage.ask("GET", path, { token });
      expect([foreign.status, foreign.code]).toEqual([404, "resource.not_found"]);
    }
    const body = { purpose: "data", tenant: "beta-bank" };
    const rotated = await stage.ask("POST", "/v1/key-rotations", { token, body });
    expect([rotated.status, rotated.code]).toEqual([404, "resource.not_found"]);
  });

  test("are rotated with a fresh second factor only, and the job is followed to its end", async () => {
    await stage.advance(901_000);
    const body = { purpose: "data" };
    const stale = await stage.ask("POST", "/v1/key-rotations", { token: owner.token, body });
    expect([stale.status, stale.code]).toEqual([403, "access.step_up_required"]);
    await stage.freshen(owner);
    const rotated = await stage.ask("POST", "/v1/key-rotations", { token: owner.token, body });
    expect(rotated.json).toMatchObject({ tenant: "alpha-bank", purpose: "data", version: 3, job: { work: "rows" } });
    await stage.keyCare.scheduler.tick();
    const jobs = await stage.ask("GET", "/v1/key-jobs", { token: owner.token });
    expect(items(jobs.json)[0]).toMatchObject({ work: "rows", target: "3", done: 0, total: 0 });
  });

  test("that are not there, or are replaced with the master alone, are not rotated", async () => {
    await stage.freshen(owner);
    for (const purpose of ["anchor", "session-pepper", "no-such"]) {
      const refused = await stage.ask("POST", "/v1/key-rotations", { token: owner.token, body: { purpose } });
      expect([purpose, refused.status]).toEqual([purpose, 404]);
    }
    const master = await stage.ask("POST", "/v1/key-rewraps", { token: owner.token, body: { what: "master" } });
    expect([master.status, master.code]).toEqual([404, "resource.not_found"]);
  });
});

describe("an erasure of a tenant", () => {
  const erase = async (tenant: string, body: object, token = root.token) =>
    await stage.ask("POST", `/v1/tenants/${tenant}/erasure`, { token, body });

  test("needs a factor given just now, the tenant's name and the platform's people", async () => {
    const own = await stage.tenant("gamma-bank");
    await stage.advance(301_000);
    const body = { confirm: "The gamma-bank", reason: "the contract ended" };
    expect((await erase("gamma-bank", body)).code).toBe("access.step_up_required");
    await stage.freshen(root);
    for (const confirm of ["gamma-bank", "the gamma-bank", "The alpha-bank", ""]) {
      expect((await erase("gamma-bank", { ...body, confirm })).status).toBe(400);
    }
    expect((await erase("no-such-bank", body)).status).toBe(404);
    // An owner with a fresh factor, of another tenant and of the tenant itself.
    await stage.freshen(owner);
    await stage.freshen(own);
    for (const { token } of [owner, own]) {
      expect((await erase("gamma-bank", body, token)).code).toBe("access.denied");
    }
    const socket = await stage.operator("POST", "/v1/tenants/gamma-bank/erasure", { body });
    expect([socket.status, socket.code]).toEqual([403, "access.denied"]);
    const [row] = await stage.data.owner.query("select status from ringwall.tenant where tenant_id = 'gamma-bank'");
    expect(row).toEqual({ status: "active" });
  });

  test("gives a certificate, ends the tenant, and is in the ledger before and after", async () => {
    const victim = await stage.tenant("delta-bank");
    await useDataKey("delta-bank");
    await stage.freshen(root);
    const done = await erase("delta-bank", { confirm: "The delta-bank", reason: "the contract ended" });
    expect(done.status).toBe(201);
    const certificate = JSON.parse(done.field("certificate")) as Record<string, unknown>;
    expect(certificate).toMatchObject({ tenant: "delta-bank", approver: `user:${root.id}`, subject: "tenant" });
    const lines = (await readFile(join(stage.folder, "erasures", "erasures.jsonl"), "utf8")).trim().split("\n");
    expect(lines.filter((line) => line.includes("delta-bank"))).toHaveLength(2);
    expect((await stage.ask("GET", "/v1/session", { token: victim.token })).status).toBe(401);
    const listed = await stage.operator("GET", "/v1/erasures?tenant=delta-bank");
    expect(items(listed.json)).toMatchObject([
      { certificate: done.field("certificate"), reason: "the contract ended" },
    ]);
    const shown = await stage.ask("GET", "/v1/erasures?tenant=delta-bank", { token: root.token });
    expect(items(shown.json)).toMatchObject([{ certificate: done.field("certificate") }]);
    const keys = await stage.operator("GET", "/v1/keys?tenant=delta-bank");
    expect(items(keys.json).find(({ purpose }) => purpose === "data")).toMatchObject({ min_version: null });
    const rotated = await stage.operator("POST", "/v1/key-rotations", {
      body: { tenant: "delta-bank", purpose: "data" },
    });
    expect([rotated.status, rotated.code]).toEqual([410, "keys.erased"]);
    const replayed = await stage.operator("POST", "/v1/erasure-replays");
    expect(replayed.json).toMatchObject({ replayed: 0, refused: 0 });
  });
});

test("a person is erased by their tenant's administrators alone", async () => {
  await stage.freshen(owner);
  const viewer = await stage.person(owner, "viewer");
  const body = { user: viewer.id, reason: "asked for it" };
  const refused = await stage.ask("POST", "/v1/person-erasures", { token: viewer.token, body });
  expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
  const done = await stage.ask("POST", "/v1/person-erasures", { token: owner.token, body });
  expect(done.status).toBe(201);
  expect(JSON.parse(done.field("certificate"))).toMatchObject({ subject: "person", name: viewer.id });
  const certificate = done.field("certificate");
  const own = await stage.ask("GET", "/v1/erasures?tenant=alpha-bank", { token: owner.token });
  expect(items(own.json)).toMatchObject([{ certificate }]);
  // Whom a tenant erased is the tenant's to know, not the platform's people's and not another tenant's.
  const platforms = await stage.ask("GET", "/v1/erasures?tenant=alpha-bank", { token: root.token });
  expect([platforms.status, platforms.json]).toEqual([200, { items: [] }]);
  const other = await stage.ask("GET", "/v1/erasures?tenant=delta-bank", { token: owner.token });
  expect([other.status, other.code]).toEqual([404, "resource.not_found"]);
});
