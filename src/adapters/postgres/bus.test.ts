import { sql } from "kysely";
import { Client } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bus, type Invalidation, type ServiceActor, silentLogger, type TenantId } from "../../core/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { openSql, type PostgresBus, postgresBus, type Target } from "./index.ts";

const busOf = (target: Target) =>
  postgresBus({ target, signer: contextSigner(data.contextKey), log: silentLogger, after });

/** The pauses after forged messages; a test ends them by hand. */
const pauses: { readonly ms: number; readonly end: () => void }[] = [];
function after(ms: number, end: () => void): () => void {
  pauses.push({ ms, end });
  return () => {};
}

let data: TestDatabase;
let bus: PostgresBus;
let a: TenantId;
let actor: ServiceActor;

beforeAll(async () => {
  data = await testDatabase();
  a = await data.createTenant("bank-a");
  actor = { type: "service", tenant: a, name: "test" };
  bus = await busOf(data.target("ringwall_app"));
});
afterAll(async () => {
  await bus.close();
  await data.close();
});

/** The messages up to and including the one whose id ends it. */
function heardUntil(on: Bus, last: string): Promise<readonly Invalidation[]> {
  return new Promise((done) => {
    const heard: Invalidation[] = [];
    const stop = on.subscribe((message) => {
      heard.push(message);
      if (message.id !== last) return;
      stop();
      done(heard);
    });
  });
}

function gap(on: Bus): Promise<void> {
  return new Promise((done) => {
    const stop = on.onGap(() => {
      stop();
      done();
    });
  });
}

const message = (id: string): Invalidation => ({ kind: "session", tenant: a, id });

describe("the bus", () => {
  test("tells of a commit, never of a rollback", async () => {
    const heard = heardUntil(bus, "committed");
    const failing = data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("rolled back"));
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    await data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("committed"));
    });
    expect(await heard).toEqual([message("committed")]);
  });

  test("is down while its connection is lost, says so twice, and hears again afterwards", async () => {
    expect(bus.up).toBe(true);
    const lost = gap(bus);
    await data.owner.query(
      "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and usename = 'ringwall_app'",
    );
    await lost;
    expect(bus.up).toBe(false);
    await gap(bus);
    expect(bus.up).toBe(true);
    const heard = heardUntil(bus, "later");
    await data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("later"));
    });
    expect(await heard).toEqual([message("later")]);
  });

  test("takes what it cannot open as a gap, so that caches are emptied rather than trusted", async () => {
    const sealed = contextSigner(data.contextKey).sealNotice('["session","../x","1"]');
    for (const payload of ["", "nonsense", "[]", '["session","bank-a","1"]', sealed]) {
      const told = gap(bus);
      await data.owner.query("select pg_notify('ringwall_invalidation', $1)", [payload]);
      await told;
      pauses.splice(0).at(-1)?.end();
    }
    expect(bus.up).toBe(true);
  });

  test("cannot be made to empty caches again and again, and misses nothing within half a second", async () => {
    let gaps = 0;
    const stop = bus.onGap(() => void (gaps += 1));
    const forger = openSql(data.target("bank_app"));
    for (let count = 0; count < 50; count += 1)
      await sql`select pg_notify('ringwall_invalidation', 'forged')`.execute(forger);
    await forger.destroy();
    const heard = heardUntil(bus, "behind the forged ones");
    await data.database.forTenant(a, actor, async (tx) => tx.invalidate(message("behind the forged ones")));
    await heard;
    expect(gaps).toBe(1);
    expect(pauses.map(({ ms }) => ms)).toEqual([500]);
    // One more for all that came meanwhile, and none when nothing did.
    pauses.splice(0)[0]?.end();
    expect(gaps).toBe(2);
    pauses.splice(0)[0]?.end();
    expect(gaps).toBe(2);
    expect(pauses).toEqual([]);
    stop();
  });

  test("tells nothing to another login that listens", async () => {
    const { host, port, database, user, credential } = data.target("bank_app");
    const spy = new Client({ host, port, database, user, password: (await credential()).open() });
    await spy.connect();
    await spy.query("listen ringwall_invalidation");
    const overheard: string[] = [];
    const both = new Promise<void>((done) => {
      spy.on("notification", ({ payload = "" }) => {
        if (overheard.push(payload) === 2) done();
      });
    });
    await data.database.forTenant(a, actor, async (tx) => {
      tx.invalidate(message("sid-of-somebody"));
      tx.invalidate({ kind: "epoch", tenant: a, id: "x" });
    });
    await both;
    await spy.end();
    const bytes = Buffer.concat(overheard.map((payload) => Buffer.from(payload, "base64url"))).toString("latin1");
    for (const text of [overheard.join(), bytes]) {
      expect(text).not.toContain("bank-a");
      expect(text).not.toContain("sid-of-somebody");
    }
    expect(new Set(overheard.map(({ length }) => length)).size).toBe(1);
  });

  test("of a server that is not there starts down", async () => {
    const gone = await busOf({ ...data.target("ringwall_app"), host: "/nonexistent" });
    expect(gone.up).toBe(false);
    await gone.close();
  });
});
