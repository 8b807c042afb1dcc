import { inspect } from "node:util";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  AssertionFailed,
  type AuditEvent,
  PLATFORM_TENANT,
  type Recorder,
  type SystemActor,
  statement,
  type TenantId,
} from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { testBus } from "../../testing/keys.ts";
import { contextSigner, type TenantRegister, tenantRegister } from "./index.ts";

describe("a context signer", () => {
  const key = { kid: "k1", key: Buffer.alloc(32, 1) };

  test("gives different tokens for different tenants, backends and ends, and the same for the same", () => {
    const signer = contextSigner(key);
    const claim = fc.record({
      tenant: fc.stringMatching(/^[a-z0-9_-]{3,50}$/),
      pid: fc.integer({ min: 1, max: 2 ** 31 - 1 }),
      seconds: fc.integer({ min: 1, max: 2_000_000_000 }),
    });
    fc.assert(
      fc.property(claim, claim, (left, right) => {
        const sign = ({ tenant, pid, seconds }: typeof left): string =>
          signer.sign(tenant as TenantId, pid, seconds * 1_000);
        expect(sign(left) === sign(right)).toBe(JSON.stringify(left) === JSON.stringify(right));
        expect(sign(left)).toBe(sign({ ...left }));
        expect(sign(left).split(".")).toHaveLength(5);
      }),
    );
  });

  test("refuses what could be read in two ways", () => {
    const signer = contextSigner(key);
    for (const tenant of ["a.b", "", "A", "ab", "bank a", "x".repeat(51)]) {
      expect(() => signer.sign(tenant as TenantId, 1, 1_000)).toThrow(AssertionFailed);
    }
    for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 31]) {
      expect(() => signer.sign(PLATFORM_TENANT, pid, 1_000)).toThrow(AssertionFailed);
    }
  });

  test("wants a whole key, and shows nothing of it", () => {
    expect(() => contextSigner({ kid: "k1", key: Buffer.alloc(31) })).toThrow(/32 bytes/);
    expect(() => contextSigner({ kid: "K.1", key: Buffer.alloc(32) })).toThrow(/kid/);
    const shown = inspect(contextSigner({ kid: "k1", key: Buffer.from("0123456789abcdef0123456789abcdef") }));
    expect(shown).not.toContain("0123");
  });
});

describe("a notice between nodes", () => {
  const here = contextSigner({ kid: "k1", key: Buffer.alloc(32, 1) });
  const there = contextSigner({ kid: "k2", key: Buffer.alloc(32, 1) });
  const elsewhere = contextSigner({ kid: "k1", key: Buffer.alloc(32, 2) });

  test("is opened by whoever has the key and by nobody else, and is equally long whatever it says", () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-zA-Z0-9"[\],-]{0,300}$/), fc.nat(), (text, place) => {
        const sealed = here.sealNotice(text);
        expect(there.openNotice(sealed)).toBe(text);
        expect(elsewhere.openNotice(sealed)).toBeUndefined();
        expect(sealed).toHaveLength(720);
        const bytes = Buffer.from(sealed, "base64url");
        bytes[place % bytes.length] = (bytes[place % bytes.length] ?? 0) ^ 1;
        expect(here.openNotice(bytes.toString("base64url"))).toBeUndefined();
      }),
    );
  });

  test("that was never sealed is nothing, and one too long is a bug", () => {
    fc.assert(fc.property(fc.string(), (text) => here.openNotice(text) === undefined));
    expect(() => here.sealNotice("x".repeat(513))).toThrow(AssertionFailed);
  });
});

describe("the register", () => {
  let data: TestDatabase;
  let register: TenantRegister;
  let nowMs = 1_000_000;
  const bus = testBus();
  const events: AuditEvent[] = [];
  const recorder: Recorder = {
    async record(_tx, event) {
      events.push(event);
    },
    note() {},
  };
  const actor: SystemActor = { type: "system", capability: "tenants.create" };
  const id = (text: string): TenantId => text as TenantId;
  const setStatus = (tenant: string, status: string) =>
    data.owner.query("update ringwall.tenant set status = $2 where tenant_id = $1", [tenant, status]);

  beforeAll(async () => {
    data = await testDatabase();
    register = tenantRegister({ database: data.database, recorder, bus, clock: () => nowMs });
  });
  afterAll(() => data.close());

  test("knows a tenant once it was made, and records that", async () => {
    expect(await register.find(id("new-bank"))).toBeUndefined();
    await register.create(actor, { id: id("new-bank"), name: "New Bank" });
    const made = {
      id: "new-bank",
      name: "New Bank",
      status: "active",
      environment: "production",
      account: undefined,
    };
    expect(await register.requireActive(id("new-bank"))).toEqual(made);
    expect(events.at(-1)).toMatchObject({ action: "tenant.created", tenant: PLATFORM_TENANT });
    await expect(register.create(actor, { id: id("new-bank"), name: "Again" })).rejects.toMatchObject({
      code: "resource.conflict",
    });
  });

  test("refuses an unknown and a suspended tenant in the same way", async () => {
    await register.create(actor, { id: id("bad-bank"), name: "Bad Bank" });
    await register.requireActive(id("bad-bank"));
    const told = new Promise((done) => {
      data.bus.subscribe(done);
    });
    await register.suspend(actor, id("bad-bank"));
    expect(await told).toEqual({ kind: "tenant", tenant: "bad-bank", id: "bad-bank" });
    bus.publish({ kind: "tenant", tenant: id("bad-bank"), id: "bad-bank" });
    const outcomes = await Promise.allSettled([
      register.requireActive(id("no-bank")),
      register.requireActive(id("bad-bank")),
    ]);
    for (const one of outcomes) {
      expect(one).toMatchObject({ status: "rejected", reason: { code: "tenant.unavailable" } });
    }
    await expect(register.suspend(actor, id("no-bank"))).rejects.toMatchObject({ code: "resource.not_found" });
    const recorded = events.length;
    await register.suspend(actor, id("bad-bank"));
    expect(events).toHaveLength(recorded);
    await register.resume(actor, id("bad-bank"));
    expect(events.at(-1)).toMatchObject({ action: "tenant.resumed", tenant: PLATFORM_TENANT });
    expect(await register.requireActive(id("bad-bank"))).toMatchObject({ status: "active" });
  });

  test("believes its memory for five seconds, and only while the bus is up", async () => {
    const kept = await data.createTenant("kept-bank");
    const status = async () => (await register.find(kept))?.status;
    expect(await status()).toBe("active");
    await setStatus(kept, "suspended");
    expect(await status()).toBe("active");
    bus.up = false;
    expect(await status()).toBe("suspended");
    bus.up = true;
    await setStatus(kept, "active");
    expect(await status()).toBe("suspended");
    nowMs += 5_000;
    expect(await status()).toBe("active");
    await setStatus(kept, "suspended");
    bus.gap();
    expect(await status()).toBe("suspended");
  });

  test("is the platform's to write: another tenant sees its own row and changes nothing", async () => {
    const own = { type: "service", tenant: await data.createTenant("own-bank"), name: "test" } as const;
    const once = (name: string, text: string) => data.database.once(own.tenant, own, statement(name, text));
    expect(await once("test.see", "select tenant_id from ringwall.tenant")).toEqual([{ tenant_id: "own-bank" }]);
    const refused = { detail: { sqlstate: "42501" } };
    await expect(
      once("test.rename", "update ringwall.tenant set name = 'x' where tenant_id = 'own-bank'"),
    ).rejects.toMatchObject(refused);
    await expect(
      once("test.add", "insert into ringwall.tenant (tenant_id, name) values ('my-other', 'x')"),
    ).rejects.toMatchObject(refused);
    await expect(data.client.lookup("tenant_by_id", ["own-bank"])).rejects.toMatchObject(refused);
  });
});
