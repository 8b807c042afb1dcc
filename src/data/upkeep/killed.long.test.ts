import { spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { randomBytes, type TenantId } from "../../core/index.ts";
import type { TestDatabase } from "../../testing/index.ts";
import { rotationStage } from "../../testing/rotation/index.ts";
import type { WorkOrder } from "../../testing/rotation/working-process.ts";
import { createFields } from "../fields/index.ts";
import { createKeys, databaseKeyStore, KEY_KEEPER, softwareMaster } from "../keys/index.ts";
import { CLIENT, plaintextTable } from "./stage.fixture.ts";

const SCRIPT = fileURLToPath(new URL("../../testing/rotation/working-process.ts", import.meta.url));
/** After so many kills the work is left to end; more than enough to meet every kind of step. */
const KILLS_MAX = 25;

/** Starts the work, kills it after a random while, and starts it again, until it is done. Returns how often it was killed. */
async function killedUntilDone(order: WorkOrder, killAfterMsMax: number): Promise<number> {
  for (let kills = 0; ; ) {
    const child = spawn(process.execPath, ["--conditions=source", SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
    const ended = new Promise<number | null>((resolve) => child.once("exit", resolve));
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    child.stdin.end(`${JSON.stringify(order)}\n`);
    expect((await lines.next()).value).toBe("begun");
    if (kills === KILLS_MAX) {
      expect(await ended).toBe(0);
      return kills;
    }
    const stop = new AbortController();
    const killing = delay(randomInt(0, killAfterMsMax), undefined, { signal: stop.signal }).then(
      () => child.kill("SIGKILL"),
      () => false,
    );
    const code = await ended;
    stop.abort();
    await killing;
    if (code === 0) return kills;
    expect(child.signalCode).toBe("SIGKILL");
    kills += 1;
  }
}

/** Reads all the time until `work` is done. Returns how often; a read that fails fails the test. */
async function readMeanwhile(
  work: Promise<number>,
  read: () => Promise<void>,
): Promise<[kills: number, reads: number]> {
  const state = { done: false, reads: 0 };
  const reading = (async () => {
    while (!state.done) {
      await read();
      state.reads += 1;
    }
  })();
  const ended = work.finally(() => {
    state.done = true;
  });
  const [kills] = await Promise.all([ended, reading]);
  await read();
  return [kills, state.reads];
}

async function orderOf(db: TestDatabase, rest: Pick<WorkOrder, "work" | "mastersHex" | "tenants">): Promise<WorkOrder> {
  const place = async (role: "ringwall_app" | "ringwall_worker" | "ringwall_migrate") => {
    const { credential, database, host, port, user } = db.target(role);
    return { host, port, database, user, password: (await credential()).open() };
  };
  return {
    ...rest,
    app: await place("ringwall_app"),
    worker: await place("ringwall_worker"),
    migrate: await place("ringwall_migrate"),
    contextKey: { kid: db.contextKey.kid, keyHex: db.contextKey.key.toString("hex") },
  };
}

test("a tenant's rotation that is killed again and again ends, and no read fails meanwhile", async () => {
  const stage = await rotationStage();
  try {
    const tenant = await stage.db.createTenant("northbank");
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 4_000);
    const texts = new Set(await node.open(tenant));
    await node.keys.rotate(tenant, "data", KEY_KEEPER);
    const mastersHex = [stage.masterHex];
    const order = await orderOf(stage.db, { work: "rows", mastersHex, tenants: [tenant] });
    const [kills, reads] = await readMeanwhile(killedUntilDone(order, 400), async () => {
      const opened = await node.open(tenant);
      expect(opened).toHaveLength(4_000);
      expect(opened.every((text) => texts.has(text))).toBe(true);
    });
    expect(kills).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(0);
    expect(await stage.versions(tenant)).toEqual({ 2: 4_000 });
  } finally {
    await stage.close();
  }
}, 300_000);

test("a master's rotation that is killed again and again ends, and no read fails meanwhile", async () => {
  const stage = await rotationStage();
  try {
    const old = await stage.node();
    const tenants: TenantId[] = [];
    for (let at = 0; at < 60; at += 1) {
      const tenant = await stage.db.createTenant(`bank-${String(at)}`);
      await stage.fill(old.keys, tenant, 1);
      for (const purpose of ["index", "vault", "secrets", "objects", "identity"] as const) {
        await old.keys.current(tenant, purpose);
      }
      tenants.push(tenant);
    }
    const fresh = randomBytes(32).toString("hex");
    const masterOf = (hex: string) => softwareMaster(Buffer.from(hex, "hex"));
    const reader = await stage.node({ master: masterOf(fresh), previousMasters: [stage.master()] });
    const order = await orderOf(stage.db, { work: "master", mastersHex: [fresh, stage.masterHex], tenants });
    let at = 0;
    const [kills] = await readMeanwhile(killedUntilDone(order, 150), async () => {
      // Now warm, now cold: a node that begins in the middle reads as well.
      const cold = await stage.node({ master: masterOf(fresh), previousMasters: [stage.master()] });
      const tenant = tenants[(at += 1) % tenants.length];
      if (tenant === undefined) throw new Error("there are tenants");
      for (const node of [reader, cold]) expect(await node.open(tenant)).toHaveLength(1);
      cold.keys.close();
    });
    expect(kills).toBeGreaterThan(0);
    const alone = await stage.node({ master: masterOf(fresh) });
    for (const tenant of tenants) expect(await alone.open(tenant)).toHaveLength(1);
  } finally {
    await stage.close();
  }
}, 300_000);

test("an adoption that is killed again and again ends, and no read fails or is stale meanwhile", async () => {
  const { db, sqlOwner, tenants } = await plaintextTable(2_000);
  const master = randomBytes(32);
  const keys = await createKeys({
    master: softwareMaster(Buffer.from(master)),
    store: databaseKeyStore({ own: db.database, database: db.database, recorder: () => undefined }),
    bus: db.bus,
    clock: db.clock,
  });
  try {
    const clients = createFields({ keys }).table(CLIENT);
    const bytes = (text: string): Buffer => Buffer.from(text.slice(2), "hex");
    // Reads as an application that takes the twin where there is one, with whatever columns there are at the moment.
    const read = async (tenant: TenantId, number: number): Promise<void> => {
      const id = `c${String(number)}`;
      const [found] = await db.owner.query<{ row: Record<string, string | null> }>(
        "select to_jsonb(c) as row from shop.client c where client_id = $1 and tenant_id = $2",
        [id, tenant],
      );
      const { row_key: rowKey, ssn, ssn_sealed: sealed } = found?.row ?? {};
      const value =
        typeof sealed === "string"
          ? (await clients.open(tenant, { client_id: id, row_key: bytes(rowKey ?? ""), ssn_sealed: bytes(sealed) }))
              .ssn_sealed
          : ssn;
      expect(value).toBe(`100-00-${String(number).padStart(4, "0")}`);
    };
    const order = await orderOf(db, { work: "adopt", mastersHex: [master.toString("hex")], tenants });
    const [kills, reads] = await readMeanwhile(killedUntilDone(order, 500), async () => {
      for (const tenant of tenants) await read(tenant, randomInt(1, 2_001));
    });
    expect(kills).toBeGreaterThan(0);
    expect(reads).toBeGreaterThan(0);
    const [left] = await db.owner.query<{ n: number }>(
      "select count(*)::int as n from shop.client where ssn_sealed is null or row_key is null",
    );
    expect(left).toEqual({ n: 0 });
  } finally {
    keys.close();
    await sqlOwner.destroy();
    await db.close();
  }
}, 300_000);
