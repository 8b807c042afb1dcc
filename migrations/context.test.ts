import { createHmac } from "node:crypto";
import * as fc from "fast-check";
import { type Kysely, sql } from "kysely";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { openSql, postgresDatabase } from "../src/adapters/postgres/index.ts";
import { statement, systemClock, type TenantId } from "../src/core/index.ts";
import { type ContextKey, contextSigner } from "../src/data/tenants/index.ts";
import { type TestDatabase, testDatabase } from "../src/testing/index.ts";
import { checkSchema, installContextKey, migrate, wall } from "./index.ts";

let data: TestDatabase;
let a: TenantId;
let owner: Kysely<unknown>;
let app: Kysely<unknown>;
let pid = 0;

beforeAll(async () => {
  data = await testDatabase();
  a = await data.createTenant("bank-a");
  await data.createTenant("bank-b");
  owner = openSql(data.target("ringwall_migrate"));
  app = openSql(data.target("bank_app"));
  pid = await backend(app);
  await sql`
    create table ringwall.note (
      tenant_id text not null default ringwall.tenant() check (tenant_id <> ''), id integer not null,
      primary key (tenant_id, id))`.execute(owner);
  await wall(owner, "note", { ringwall_client: ["select", "insert"] });
  await data.owner.query("insert into ringwall.note values ('bank-a', 1), ('bank-b', 2)");
});
afterAll(async () => {
  await owner.destroy();
  await app.destroy();
  await data.close();
});

async function backend(db: Kysely<unknown>): Promise<number> {
  return (await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(db)).rows[0]?.pid ?? 0;
}

/** What a host application's login can do: set any setting, then read. */
async function readWith(token: string, db = app): Promise<readonly number[]> {
  return await db.transaction().execute(async (tx) => {
    await sql`select set_config('ringwall.context', ${token}, true)`.execute(tx);
    return (await sql<{ id: number }>`select id from ringwall.note`.execute(tx)).rows.map(({ id }) => id);
  });
}

const KEY: ContextKey = { kid: "kt", key: Buffer.alloc(32, 3) };
const soon = (): number => systemClock() + 15_000;
const REFUSED = /tenant context is not valid|hexadecimal/;

describe("a context", () => {
  const key = KEY;
  const signer = contextSigner(key);
  beforeEach(async () => {
    await installContextKey(owner, key);
  });

  test("of a tenant shows that tenant's rows", async () => {
    expect(await readWith(signer.sign(a, pid, soon()))).toEqual([1]);
    expect(await readWith(signer.sign("bank-b" as TenantId, pid, soon()))).toEqual([2]);
  });

  test("that is absent or empty shows none, and nothing can be written", async () => {
    expect((await sql`select * from ringwall.note`.execute(app)).rows).toEqual([]);
    expect(await readWith("")).toEqual([]);
    await expect(sql`insert into ringwall.note (id) values (9)`.execute(app)).rejects.toThrow();
    await expect(sql`insert into ringwall.note values ('bank-a', 9)`.execute(app)).rejects.toThrow(
      /row-level security/,
    );
  });

  test("signed with another key is refused", async () => {
    const forger = contextSigner({ kid: key.kid, key: Buffer.alloc(32, 99) });
    await expect(readWith(forger.sign(a, pid, soon()))).rejects.toThrow(REFUSED);
    const unknown = contextSigner({ kid: "nobody", key: key.key });
    await expect(readWith(unknown.sign(a, pid, soon()))).rejects.toThrow(REFUSED);
  });

  test("turned into another tenant's is refused", async () => {
    await expect(readWith(signer.sign(a, pid, soon()).replace("bank-a", "bank-b"))).rejects.toThrow(REFUSED);
  });

  test("of another backend is refused: a stolen token is of no use elsewhere", async () => {
    const stolen = signer.sign(a, pid, soon());
    const elsewhere = openSql(data.target("bank_app"));
    await expect(readWith(stolen, elsewhere)).rejects.toThrow(REFUSED);
    await elsewhere.destroy();
    expect(await readWith(stolen)).toEqual([1]);
  });

  test("that ended, or claims to live longer than 30 seconds, is refused", async () => {
    await expect(readWith(signer.sign(a, pid, systemClock() - 1_000))).rejects.toThrow(REFUSED);
    await expect(readWith(signer.sign(a, pid, systemClock() + 32_000))).rejects.toThrow(REFUSED);
    expect(await readWith(signer.sign(a, pid, systemClock() + 28_000))).toEqual([1]);
  });

  test("is compared with the time of the transaction's start", async () => {
    const seen = await app.transaction().execute(async (tx) => {
      const { rows } = await sql<{ now_ms: number }>`select date_part('epoch', now()) * 1000 as now_ms`.execute(tx);
      const token = signer.sign(a, pid, Math.ceil(rows[0]?.now_ms ?? 0) + 1_100);
      await sql`select set_config('ringwall.context', ${token}, true)`.execute(tx);
      await sql`select pg_sleep(1.2)`.execute(tx);
      return (await sql`select * from ringwall.note`.execute(tx)).rows.length;
    });
    expect(seen).toBe(1);
  });

  test("cut short, lengthened, or changed in any character is refused", async () => {
    const good = signer.sign(a, pid, soon());
    await fc.assert(
      fc.asyncProperty(
        fc.oneof(
          fc.nat(good.length - 1).map((at) => good.slice(0, at)),
          fc.string({ minLength: 1, maxLength: 20 }).map((tail) => good + tail),
          fc
            .tuple(fc.nat(good.length - 1), fc.string({ minLength: 1, maxLength: 1 }))
            .map(([at, other]) => good.slice(0, at) + other + good.slice(at + 1)),
          fc.string({ minLength: 1, maxLength: 200 }),
        ),
        async (token) => {
          // The MAC's hex digits may be spelt in capitals; that is the same MAC.
          fc.pre(token.toLowerCase() !== good && token !== "" && !token.includes("\0"));
          await expect(readWith(token)).rejects.toThrow();
        },
      ),
      { numRuns: 120 },
    );
  });

  test("is computed as in RFC 2104, which node does too", () => {
    const token = signer.sign(a, pid, 1_700_000_000_999);
    const claims = `v1.${key.kid}.bank-a.1700000000.`;
    expect(token).toBe(claims + createHmac("sha256", key.key).update(`${claims}${pid}`).digest("hex"));
  });

  test("survives one rotation of the key, and not a second", async () => {
    const token = signer.sign(a, pid, soon());
    await installContextKey(owner, { kid: `${key.kid}2`, key: Buffer.alloc(32, 5) });
    expect(await readWith(token)).toEqual([1]);
    expect(
      await readWith(contextSigner({ kid: `${key.kid}2`, key: Buffer.alloc(32, 5) }).sign(a, pid, soon())),
    ).toEqual([1]);
    await installContextKey(owner, { kid: `${key.kid}3`, key: Buffer.alloc(32, 6) });
    await expect(readWith(token)).rejects.toThrow(REFUSED);
  });

  test("cannot be verified by operators or functions that a caller puts in the way", async () => {
    await sql`create schema if not exists evil`.execute(owner);
    await sql`grant usage on schema evil to ringwall_client`.execute(owner);
    for (const [name, left, right] of [
      ["texteq", "text", "text"],
      ["byteaeq", "bytea", "bytea"],
    ] as const) {
      await sql
        .raw(`create or replace function evil.${name}(${left}, ${right}) returns boolean language sql as 'select true'`)
        .execute(owner);
    }
    await sql`drop operator if exists evil.= (text, text)`.execute(owner);
    await sql`create operator evil.= (function = evil.texteq, leftarg = text, rightarg = text)`.execute(owner);
    await sql`drop operator if exists evil.= (bytea, bytea)`.execute(owner);
    await sql`create operator evil.= (function = evil.byteaeq, leftarg = bytea, rightarg = bytea)`.execute(owner);
    await sql`set search_path = evil, pg_catalog`.execute(app);
    const forged = contextSigner({ kid: key.kid, key: Buffer.alloc(32, 99) }).sign(a, pid, soon());
    await expect(readWith(forged)).rejects.toThrow(REFUSED);
    expect(await readWith(signer.sign(a, pid, soon()))).toEqual([1]);
    await sql`reset search_path`.execute(app);
  });

  test("is worth nothing to a statement that runs before it in the same trip", async () => {
    const database = postgresDatabase({ target: data.target("bank_app"), signer, clock: systemClock });
    const early = statement<{ id: number }>("test.early", "select id from ringwall.note");
    const actor = { type: "service", tenant: a, name: "test" } as const;
    expect(await database.once(a, actor, early)).toEqual([{ id: 1 }]);
    await database.close();
    // The other way round, as a client that gets the order wrong would send it.
    const seen = await app.transaction().execute(async (tx) => {
      const before = (await sql`select id from ringwall.note`.execute(tx)).rows.length;
      await sql`select set_config('ringwall.context', ${signer.sign(a, pid, soon())}, true)`.execute(tx);
      return [before, (await sql`select id from ringwall.note`.execute(tx)).rows.length];
    });
    expect(seen).toEqual([0, 1]);
  });

  test("keeps its key from every login but the owner's", async () => {
    const secret = KEY.key.toString("hex").slice(0, 16);
    const pad = Buffer.alloc(8, (KEY.key[0] ?? 0) ^ 0x36).toString("hex");
    for (const role of ["bank_app", "ringwall_app", "ringwall_worker"]) {
      const login = openSql(data.target(role));
      await expect(sql`select * from ringwall.context_key`.execute(login)).rejects.toThrow(/permission denied/);
      await expect(sql`select prosrc from pg_proc`.execute(login)).rejects.toThrow(/permission denied/);
      await expect(sql`select pg_get_functiondef('ringwall.tenant()'::regprocedure)`.execute(login)).rejects.toThrow(
        /permission denied/,
      );
      await expect(
        sql`select pg_get_function_sqlbody('ringwall.tenant()'::regprocedure)`.execute(login),
      ).rejects.toThrow(/permission denied/);
      const { rows } = await sql`select * from information_schema.routines where routine_schema = 'ringwall'`.execute(
        login,
      );
      const { rows: plan } = await sql`explain (verbose) select ringwall.tenant()`.execute(login);
      expect(JSON.stringify([rows, plan])).not.toContain(secret);
      expect(JSON.stringify([rows, plan])).not.toContain(pad);
      await login.destroy();
    }
  });

  test("is not served by a function that holds the key in its text; migrate replaces one", async () => {
    const login = openSql(data.target("ringwall_app"));
    await expect(checkSchema(login)).resolves.toBeUndefined();
    await sql`comment on function ringwall.tenant() is 'holding: constant'`.execute(owner);
    await expect(checkSchema(login)).rejects.toMatchObject({ code: "config.invalid" });
    await migrate(owner);
    await expect(checkSchema(login)).resolves.toBeUndefined();
    await login.destroy();
  });
});

test("a kid cannot be taken over by another key", async () => {
  await installContextKey(owner, { kid: "same", key: Buffer.alloc(32, 1) });
  await expect(installContextKey(owner, { kid: "same", key: Buffer.alloc(32, 2) })).rejects.toMatchObject({
    code: "config.invalid",
  });
});

test("a token is not readable in another login's view of what runs", async () => {
  const watcher = openSql(data.target("ringwall_worker"));
  const key = { kid: "seen", key: Buffer.alloc(32, 8) };
  await installContextKey(owner, key);
  await app.transaction().execute(async (tx) => {
    const token = contextSigner(key).sign(a, pid, soon());
    await sql`select set_config('ringwall.context', ${token}, true)`.execute(tx);
    for (const db of [watcher, app]) {
      const { rows } = await sql`select * from pg_stat_activity where pid = ${pid}`.execute(db === app ? tx : db);
      expect(
        JSON.stringify(rows, (_, value: unknown) => (typeof value === "bigint" ? String(value) : value)),
      ).not.toContain(token.slice(-64));
    }
  });
  await watcher.destroy();
});
