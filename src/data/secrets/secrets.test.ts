import { inspect } from "node:util";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Actor, PlainSecret, RingwallError, randomToken } from "../../core/index.ts";
import { testBus } from "../../testing/keys.ts";
import { changed, type SecretsStage, secretsStage, serviceOf, WRITER } from "../../testing/secrets-stage.ts";

let stage: SecretsStage;
let reader: Actor;
let count = 0;
beforeAll(async () => {
  stage = await secretsStage();
  reader = serviceOf(stage.bank);
});
afterAll(() => stage.close());
beforeEach(() => {
  stage.time.aheadMs = 0;
  stage.recorder.down = false;
  stage.recorder.events.length = 0;
});

/** A secret of the bank with a value nobody else has. */
async function planted(expiresMs?: number): Promise<{ name: string; value: string }> {
  const [name, value] = [`database/s${String((count += 1))}`, `canary-${randomToken()}`];
  const expiry = expiresMs === undefined ? {} : { expiresMs };
  // Its message is awaited, so that it does not empty a memory in the middle of a test.
  const heard = stage.heard(name);
  await stage.node().set(name, new PlainSecret(value), { tenant: stage.bank, actor: WRITER, ...expiry });
  await heard;
  stage.recorder.events.length = 0;
  return { name, value };
}

const scope = () => ({ tenant: stage.bank, actor: reader });

describe("a secret", () => {
  test("is read by its tenant's service; from memory then, without a promise", async () => {
    const { name, value } = await planted();
    const node = stage.node();
    expect((await node.get(name, scope())).open()).toBe(value);
    const warm = node.get(name, scope());
    expect(warm).toBeInstanceOf(PlainSecret);
    expect((await warm).open()).toBe(value);
  });

  test("is audited on every read, from memory too", async () => {
    const { name } = await planted();
    const node = stage.node();
    for (let read = 0; read < 3; read += 1) await node.get(name, scope());
    const reads = stage.recorder.events.filter((event) => event.action === "secret.read");
    expect(reads).toHaveLength(3);
    expect(reads[2]).toMatchObject({
      outcome: "success",
      targets: [{ id: name }],
      facts: { version: 1 },
      actor: reader,
    });
  });

  test("is not handed out when the read cannot be audited", async () => {
    const { name } = await planted();
    const node = stage.node();
    await node.get(name, scope());
    stage.recorder.down = true;
    const read = async () => await node.get(name, scope());
    await expect(read()).rejects.toMatchObject({ code: "audit.unavailable" });
  });

  test("has versions, and the newest is read, on other nodes too", async () => {
    const { name, value } = await planted();
    const [here, there] = [stage.node(), stage.node()];
    expect((await there.get(name, scope())).open()).toBe(value);
    const heard = stage.heard(name);
    expect(await here.set(name, new PlainSecret("second"), { tenant: stage.bank, actor: WRITER })).toBe(2);
    expect((await here.get(name, scope())).open()).toBe("second");
    await heard;
    expect((await there.get(name, scope())).open()).toBe("second");
  });

  test("is written with its record or not at all", async () => {
    const { name, value } = await planted();
    stage.recorder.down = true;
    const write = stage.node().set(name, new PlainSecret("unrecorded"), { tenant: stage.bank, actor: WRITER });
    await expect(write).rejects.toMatchObject({ code: "audit.unavailable" });
    stage.recorder.down = false;
    expect((await stage.node().get(name, scope())).open()).toBe(value);
  });

  test("written ten times at once has ten versions and one value", async () => {
    const { name } = await planted();
    const node = stage.node();
    const versions = await Promise.all(
      Array.from({ length: 10 }, (_, turn) =>
        node.set(name, new PlainSecret(`turn-${String(turn)}`), { tenant: stage.bank, actor: WRITER }),
      ),
    );
    expect(new Set(versions).size).toBe(10);
    const last = versions.indexOf(Math.max(...versions));
    expect((await node.get(name, scope())).open()).toBe(`turn-${String(last)}`);
  });

  test("is not overwritten by somebody who saw an older version", async () => {
    const { name } = await planted();
    const node = stage.node();
    const write = (expectedVersion: number) =>
      node.set(name, new PlainSecret("x"), { tenant: stage.bank, actor: WRITER, expectedVersion });
    expect(await write(1)).toBe(2);
    await expect(write(1)).rejects.toMatchObject({ code: "resource.conflict" });
    await expect(write(0)).rejects.toMatchObject({ code: "resource.conflict" });
  });
});

describe("an expired secret", () => {
  test("is refused when read, from memory too, and is not a missing one to the operator", async () => {
    const { name } = await planted(stage.db.clock() + 60_000);
    const node = stage.node();
    await node.get(name, scope());
    stage.time.aheadMs = 59_000;
    await node.get(name, scope());
    stage.time.aheadMs = 61_000;
    const fromMemory = async () => await node.get(name, scope());
    await expect(fromMemory()).rejects.toMatchObject({ code: "secrets.expired", status: 404, message: "Not found." });
    await expect(node.getFresh(name, scope())).rejects.toMatchObject({ code: "secrets.expired" });
    expect(stage.recorder.events.at(-1)).toMatchObject({ action: "secret.read", outcome: "failure" });
  });
});

describe("somebody else's secret", () => {
  test.each<[string, () => Actor]>([
    ["another tenant's service", () => serviceOf(stage.other)],
    ["a capability for something else", () => ({ type: "system", capability: "audit.verify" })],
    ["nobody", () => ({ type: "anonymous", tenant: stage.bank })],
  ])("looks like a missing one to %s", async (_name, actor) => {
    const { name, value } = await planted();
    const node = stage.node();
    // Warm, so that memory is not the way around the wall.
    expect((await node.get(name, scope())).open()).toBe(value);
    const read = async () => await node.get(name, { tenant: stage.bank, actor: actor() });
    const missing = async () => await node.get("not/there", scope());
    const [refused, absent] = await Promise.all([read().catch(String), missing().catch(String)]);
    expect(refused).toBe(absent);
    expect(stage.recorder.events).toContainEqual(
      expect.objectContaining({ action: "access.denied", outcome: "denied" }),
    );
  });

  test("of the global scope is not a tenant's to read", async () => {
    const name = "global/signing";
    await stage.node().set(name, new PlainSecret("global"), { actor: WRITER });
    const own = async () => await stage.node().get(name, { tenant: stage.bank, actor: reader });
    const global = async () => await stage.node().get(name, { actor: reader });
    await expect(own()).rejects.toMatchObject({ code: "secrets.not_found" });
    await expect(global()).rejects.toMatchObject({ code: "secrets.not_found" });
    const platform: Actor = { type: "system", capability: "secrets.read" };
    expect((await stage.node().get(name, { actor: platform })).open()).toBe("global");
  });

  test("by the same name is another secret", async () => {
    const { name, value } = await planted();
    await stage.node().set(name, new PlainSecret("theirs"), { tenant: stage.other, actor: WRITER });
    const node = stage.node();
    const theirs = { tenant: stage.other, actor: serviceOf(stage.other) };
    expect((await node.get(name, theirs)).open()).toBe("theirs");
    expect((await node.get(name, scope())).open()).toBe(value);
  });

  test("moved into one's own rows by the database's owner does not open", async () => {
    const { name } = await planted();
    await stage.node().set(name, new PlainSecret("theirs"), { tenant: stage.other, actor: WRITER });
    await stage.db.owner.query(
      `update ringwall.secret_version v set sealed = s.sealed from ringwall.secret_version s
        where v.name = $1 and s.name = $1 and v.tenant_id = $2 and s.tenant_id = $3 and v.version = 1`,
      [name, stage.other, stage.bank],
    );
    const stolen = stage.node().getFresh(name, { tenant: stage.other, actor: serviceOf(stage.other) });
    await expect(stolen).rejects.toMatchObject({ code: "keys.decrypt_failed" });
  });

  test.each(["../alpha-bank/x", "a/../../b", "x\0", "/x", "X", "a".repeat(10_000)])(
    "is not reached by the name %j",
    async (name) => {
      const read = async () => await stage.node().get(name, scope());
      await expect(read()).rejects.toMatchObject({ code: "secrets.invalid" });
      const write = stage.node().set(name, new PlainSecret("x"), { tenant: stage.bank, actor: WRITER });
      await expect(write).rejects.toMatchObject({ code: "secrets.invalid" });
    },
  );
});

describe("the memory", () => {
  test("is asked for again after 300 seconds, not before", async () => {
    const { name } = await planted();
    let reads = 0;
    const counted = changed(stage.db.database, {
      once: (...args) => {
        reads += 1;
        return stage.db.database.once(...args);
      },
    });
    const node = stage.node({ database: counted });
    await Promise.all(Array.from({ length: 20 }, async () => await node.get(name, scope())));
    expect(reads).toBe(1);
    stage.time.aheadMs = 299_000;
    await node.get(name, scope());
    expect(reads).toBe(1);
    stage.time.aheadMs = 300_001;
    await node.get(name, scope());
    expect(reads).toBe(2);
  });

  test("serves through an outage until its age; then the outage is told as one", async () => {
    const { name, value } = await planted();
    let down = false;
    const breakable = changed(stage.db.database, {
      once: async (...args) => {
        if (down) throw new RingwallError("database.unavailable");
        return await stage.db.database.once(...args);
      },
    });
    const node = stage.node({ database: breakable });
    await node.get(name, scope());
    down = true;
    stage.time.aheadMs = 299_000;
    expect((await node.get(name, scope())).open()).toBe(value);
    stage.time.aheadMs = 300_001;
    const read = async () => await node.get(name, scope());
    await expect(read()).rejects.toMatchObject({ code: "database.unavailable" });
    await expect(node.getFresh(name, scope())).rejects.toMatchObject({ code: "database.unavailable" });
  });

  test("is not trusted without the bus", async () => {
    const { name } = await planted();
    const bus = testBus();
    const node = stage.node({ bus });
    await node.get(name, scope());
    bus.up = false;
    await stage.node().set(name, new PlainSecret("changed unheard"), { tenant: stage.bank, actor: WRITER });
    expect((await node.get(name, scope())).open()).toBe("changed unheard");
  });
});

describe("values", () => {
  test("are in no list, error, print, audit record or row", async () => {
    const { name, value } = await planted();
    const node = stage.node();
    const secret = await node.get(name, scope());
    const listed = await node.list({ tenant: stage.bank, actor: reader });
    expect(listed.find((one) => one.name === name)).toMatchObject({
      version: 1,
      rotationPending: false,
      expiresMs: null,
    });
    const rows = await stage.db.owner.query(
      "select s::text, v::text, convert_from(decode(encode(v.sealed, 'hex'), 'escape'), 'LATIN1') from ringwall.secret s join ringwall.secret_version v using (tenant_id, name)",
    );
    const missing = async () => await node.get("not/there", scope());
    const refused = await missing().catch((error: unknown) => inspect(error, { depth: 9 }));
    const seen = [
      String(secret),
      JSON.stringify({ secret }),
      inspect(secret),
      inspect(node, { depth: 9, showHidden: true }),
    ];
    const everything = [
      ...seen,
      JSON.stringify(listed),
      inspect(stage.recorder.events, { depth: 9 }),
      inspect(rows),
      refused,
    ];
    expect(everything.join("\n")).not.toContain(value);
  });

  test("are listed by name only, to those of the tenant only", async () => {
    const node = stage.node();
    await expect(node.list({ tenant: stage.bank, actor: serviceOf(stage.other) })).rejects.toMatchObject({
      code: "secrets.not_found",
    });
    const all = await node.list({ tenant: stage.bank, actor: WRITER });
    const [first] = all;
    if (first === undefined) throw new Error("the test's secrets are missing");
    const rest = await node.list({ tenant: stage.bank, actor: WRITER, after: first.name });
    expect(rest.map((one) => one.name)).toEqual(all.slice(1).map((one) => one.name));
  });
});
