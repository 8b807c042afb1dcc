import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PlainSecret, RingwallError, type Transaction } from "../../core/index.ts";
import {
  changed,
  ROTATION,
  type SecretsStage,
  secretsStage,
  serviceOf,
  target,
  WRITER,
} from "../../testing/secrets-stage.ts";

let stage: SecretsStage;
let count = 0;
beforeAll(async () => {
  stage = await secretsStage();
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.recorder.down = false;
  stage.recorder.events.length = 0;
});

async function planted(value = "first"): Promise<string> {
  const name = `rotated/s${String((count += 1))}`;
  await stage.node().set(name, new PlainSecret(value), { tenant: stage.bank, actor: WRITER });
  return name;
}
const scope = () => ({ tenant: stage.bank, actor: ROTATION });
const read = async (name: string): Promise<string> =>
  (await stage.node().getFresh(name, { tenant: stage.bank, actor: serviceOf(stage.bank) })).open();

describe("a rotation", () => {
  test("puts a new random value where the old one was used, and here, and says so to every node", async () => {
    const name = await planted();
    const place = target("first");
    const warm = stage.node();
    await warm.get(name, { tenant: stage.bank, actor: serviceOf(stage.bank) });
    const heard = stage.heard(name);
    expect(await stage.node().rotate(name, place, scope())).toBe(2);
    expect(place.password).toMatch(/^[A-Za-z0-9_-]{43}$/u);
    expect(await read(name)).toBe(place.password);
    await heard;
    expect((await warm.get(name, { tenant: stage.bank, actor: serviceOf(stage.bank) })).open()).toBe(place.password);
    expect(stage.recorder.events).toContainEqual(
      expect.objectContaining({ action: "secret.rotated", facts: { version: 2, kind: "test-target", resumed: false } }),
    );
  });

  test.each(["before apply", "after apply", "before the second test"])(
    "that dies %s is finished by the next one, and the value in use works all along or is the pending one",
    async (step) => {
      const name = await planted();
      const place = target("first");
      place.dieAt = step;
      await expect(stage.node().rotate(name, place, scope())).rejects.toMatchObject({
        code: "secrets.rotation_failed",
      });
      expect(stage.recorder.events).toContainEqual(expect.objectContaining({ action: "secret.rotation_failed" }));
      expect(await read(name)).toBe("first");
      const [pending] = (await stage.node().list(scope())).filter((one) => one.name === name);
      expect(pending).toMatchObject({ version: 1, rotationPending: true });
      place.dieAt = undefined;
      const left = place.password;
      expect(await stage.node().rotate(name, place, scope())).toBe(2);
      if (step !== "before apply") expect(place.password).toBe(left); // Finished, not begun anew.
      expect(await read(name)).toBe(place.password);
      expect(stage.recorder.events).toContainEqual(
        expect.objectContaining({
          action: "secret.rotated",
          facts: { version: 2, kind: "test-target", resumed: true },
        }),
      );
    },
  );

  test("that dies at the promotion is finished by the next one", async () => {
    const name = await planted();
    const place = target("first");
    const { database } = stage.db;
    const dying = changed(database, {
      forTenant: <T>(...[tenant, actor, work]: Parameters<typeof database.forTenant<T>>) =>
        database.forTenant(tenant, actor, (tx: Transaction) =>
          work({
            tenant: tx.tenant,
            actor: tx.actor,
            defer: tx.defer.bind(tx),
            invalidate: tx.invalidate.bind(tx),
            run: async (what, values) => {
              if (what.name === "secrets.promote") throw new Error("killed at the promotion");
              return await tx.run(what, values);
            },
          }),
        ),
    });
    const dies = stage.node({ database: dying }).rotate(name, place, scope());
    await expect(dies).rejects.toMatchObject({ code: "secrets.rotation_failed" });
    expect(await read(name)).toBe("first");
    const applied = place.password;
    expect(await stage.node().rotate(name, place, scope())).toBe(2);
    expect(await read(name)).toBe(applied);
    expect(place.applied).toBe(1);
  });

  test("that cannot be recorded does not count, and the next one finishes it", async () => {
    const name = await planted();
    const place = target("first");
    stage.recorder.down = true;
    await expect(stage.node().rotate(name, place, scope())).rejects.toMatchObject({ code: "secrets.rotation_failed" });
    stage.recorder.down = false;
    expect(await read(name)).toBe("first");
    await stage.node().rotate(name, place, scope());
    expect(await read(name)).toBe(place.password);
  });

  test("is refused while another one runs, on another node too, and only then", async () => {
    const name = await planted();
    const place = target("first");
    let reached: () => void = () => {};
    let go: () => void = () => {};
    const inside = new Promise<void>((resolve) => (reached = resolve));
    const released = new Promise<void>((resolve) => (go = resolve));
    const slow = {
      kind: "slow",
      test: place.test.bind(place),
      async apply(current: PlainSecret, next: PlainSecret) {
        reached();
        await released;
        await place.apply(current, next);
      },
    };
    const first = stage.node().rotate(name, slow, scope());
    await inside;
    await expect(stage.node().rotate(name, place, scope())).rejects.toMatchObject({
      code: "secrets.rotation_running",
      retryAfterSeconds: 5,
    });
    // Nor may anybody write a value that the running rotation would bury.
    const write = stage.node().set(name, new PlainSecret("x"), { tenant: stage.bank, actor: WRITER });
    await expect(write).rejects.toMatchObject({ code: "resource.conflict" });
    go();
    expect(await first).toBe(2);
    expect(await stage.node().rotate(name, place, scope())).toBe(3);
    expect(await read(name)).toBe(place.password);
  });

  test("many at once: each one is done or refused, and the value in use is the one that works", async () => {
    const name = await planted();
    const place = target("first");
    const outcomes = await Promise.allSettled(
      Array.from({ length: 4 }, () => stage.node().rotate(name, place, scope())),
    );
    const refused = outcomes.filter((one) => one.status === "rejected").map((one) => one.reason as unknown);
    expect(refused.every((error) => error instanceof RingwallError && error.code === "secrets.rotation_running")).toBe(
      true,
    );
    expect(refused.length).toBeLessThan(4);
    expect(await read(name)).toBe(place.password);
  });

  test("of a secret that is not there, or is somebody else's, is refused the same way and touches nothing", async () => {
    const place = target("first");
    const missing = stage.node().rotate("not/there", place, scope());
    await expect(missing).rejects.toMatchObject({ code: "secrets.not_found" });
    const name = await planted();
    const foreign = stage.node().rotate(name, place, { tenant: stage.bank, actor: serviceOf(stage.other) });
    await expect(foreign).rejects.toMatchObject({ code: "secrets.not_found" });
    expect(place.applied).toBe(0);
  });
});

test("a value written over a running rotation stays, and the rotation says that it failed", async () => {
  const name = await planted();
  const place = target("first");
  const overtaken = {
    kind: "overtaken",
    test: place.test.bind(place),
    async apply(current: PlainSecret, next: PlainSecret) {
      await place.apply(current, next);
      const abandon = { tenant: stage.bank, actor: WRITER, abandonRotation: true };
      expect(await stage.node().set(name, new PlainSecret("by hand"), abandon)).toBe(3);
    },
  };
  await expect(stage.node().rotate(name, overtaken, scope())).rejects.toMatchObject({
    code: "secrets.rotation_failed",
  });
  expect(await read(name)).toBe("by hand");
  expect(stage.recorder.events).toContainEqual(
    expect.objectContaining({ action: "secret.changed", facts: { version: 3, abandonedRotation: true } }),
  );
});
