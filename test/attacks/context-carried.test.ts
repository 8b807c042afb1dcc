import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { statement } from "../../src/core/index.ts";
import { as, type ContextStage, contextStage } from "./context-stage.ts";

// What an attacker who completes one statement of a host application leaves behind in a pooled connection, for the next
// tenant's transaction to fall into or for the attacker to collect later. Over the real pool, one connection for all.

let stage: ContextStage;
beforeAll(async () => {
  stage = await contextStage();
});
afterAll(() => stage.close());

/** Plants, lets the victim work, collects, in this order and over the same pool. */
async function plantAndCollect(plant: readonly string[], collect: readonly string[]): Promise<string> {
  await stage.inject(...plant);
  await stage.victimWorks();
  await stage.victimWorks();
  return JSON.stringify(await stage.inject(...collect));
}

const TOKEN = "v1.";
const STASH = "select current_setting('x.stash', true) as stash";

describe("nothing planted in a connection meets another tenant's transaction", () => {
  test.each([
    [
      "the statement that sets the context, prepared anew so that it keeps the token",
      [
        `do $$ begin execute 'deallocate "ringwall.context"'; execute 'prepare "ringwall.context"(text) as
           select where set_config(''ringwall.context'', $1, true) is null or set_config(''x.stash'', $1, false) is null'; end $$`,
      ],
      [STASH],
    ],
    [
      "the host's own statement, prepared anew so that it keeps the rows",
      [
        `do $$ begin execute 'prepare "host.read" as select id, set_config(''x.stash'', text, false) as text from host.note'; end $$`,
      ],
      [STASH],
    ],
    [
      "PREPARE without a block around it",
      [
        `prepare "host.read" as select id, set_config('x.stash', text, false) as text from host.note`,
        `prepare "host.one"(int) as select id, set_config('x.stash', text, false) as text from host.note`,
      ],
      [STASH],
    ],
    ["a comment before PREPARE", [`/* select */ prepare "host.one"(int) as select 1 as id, 'x' as text`], [STASH]],
    ["DEALLOCATE ALL", ["deallocate all"], [STASH]],
    ["DISCARD ALL, which cannot run there", ["discard all"], [STASH]],
    ["a search path", ["select set_config('search_path', 'nowhere', false)"], [STASH]],
    ["a search path, spelt in escapes", [`select U&"set\\005fconfig"('search_path', 'nowhere', false)`], [STASH]],
    [
      "a search path, set by a query inside a query",
      ["select query_to_xml('select set_conf' || 'ig(''search_path'', ''nowhere'', false)', true, true, '')"],
      [STASH],
    ],
    [
      "SET",
      ["set search_path = nowhere", "set row_security = off", "set plan_cache_mode = force_generic_plan"],
      [STASH],
    ],
    ["plans that are forced to be generic", ["set plan_cache_mode = force_generic_plan"], ["select * from host.note"]],
    ["LISTEN", ["listen everything"], ["select pg_notify('everything', 'x')"]],
    [
      "a session's advisory lock",
      ["select pg_advisory_lock(1)"],
      ["select pid, granted from pg_locks where locktype = 'advisory' and objid = 1"],
    ],
  ])("%s", async (_, plant, collect) => {
    const got = await plantAndCollect(plant, collect);
    expect(got).not.toContain(stage.secret);
    expect(got).not.toContain(TOKEN);
    expect(got).not.toContain('"granted":true');
  });

  test("a cursor WITH HOLD over the victim's rows is gone when its connection would serve another", async () => {
    const { attacker, pool, victim, secret } = stage;
    for (const text of [
      "declare kept cursor with hold for select * from host.note",
      "do $$ begin execute 'declare kept cursor with hold for select * from host.note'; end $$",
    ]) {
      await pool.forTenant(victim, as(victim), (tx) => tx.run(statement(`hold.${text.slice(0, 9)}`, text)));
      const got = JSON.stringify(await stage.inject("select * from pg_cursors", "fetch all from kept"));
      expect(got).not.toContain(secret);
      expect(got).not.toContain("with hold");
      await pool.forTenant(attacker, as(attacker), async () => {});
    }
  });

  test("a setting of a session ends with its transaction", async () => {
    const { pool, victim, secret } = stage;
    const keep = statement("set.keep", "select set_config('x.stash', (select text from host.note limit 1), false)");
    await pool.forTenant(victim, as(victim), (tx) => tx.run(keep));
    await pool.once(victim, as(victim), keep);
    expect(JSON.stringify(await stage.inject(STASH))).not.toContain(secret);
    expect(JSON.stringify(await pool.once(stage.attacker, as(stage.attacker), statement("look", STASH)))).not.toContain(
      secret,
    );
  });

  test("a context set for the session serves no look-up and no later transaction", async () => {
    await stage.inject(
      "select set_config('ringwall.context', current_setting('ringwall.context'), false), pg_backend_pid() as pid",
    );
    const left = await stage.data.owner.query<{ n: number }>(
      "select count(*)::int as n from pg_stat_activity where usename = 'bank_app' and datname = current_database() and state like 'idle in%'",
    );
    expect(left).toEqual([{ n: 0 }]);
    await stage.victimWorks();
  });
});

describe("a transaction keeps its tenant", () => {
  test("through savepoints: going back to one does not restore an older context", async () => {
    const [, , , , after] = await stage.inject(
      "savepoint before",
      "select set_config('ringwall.context', '', true)",
      "select * from host.note",
      "rollback to savepoint before",
      "select text from host.note",
    );
    expect(after).toEqual([{ text: "own" }]);
  });

  test.each(["commit", "/**/ commit", "rollback", "commit and chain", "end"])(
    "after an injected %s nothing runs",
    async (text) => {
      const got = await stage.inject(text, "select * from host.note", "insert into host.note (text) values ('late')");
      expect(JSON.stringify(got)).not.toContain(stage.secret);
      expect(got.at(-1)).toMatch(/rolled back|ended by its callback|assertion|undone|unavailable|undo/);
      const late = await stage.data.owner.query("select 1 from host.note where text = 'late'");
      expect(late).toEqual([]);
    },
  );

  test("when a query is cancelled in the middle: the connection goes on with the next tenant's own context", async () => {
    const { data, pool, victim, secret } = stage;
    const slow = statement("slow.sleep", "select pg_sleep(30), text from host.note");
    const running = pool.forTenant(victim, as(victim), (tx) => tx.run(slow));
    const refused = expect(running).rejects.toMatchObject({ code: "database.unavailable" });
    for (let cancelled = false; !cancelled; ) {
      const rows = await data.owner.query(
        "select pg_cancel_backend(pid) from pg_stat_activity where query like '%pg_sleep(30)%' and usename = 'bank_app' and datname = current_database() and state = 'active'",
      );
      cancelled = rows.length > 0;
    }
    await refused;
    expect(JSON.stringify(await stage.inject("select text from host.note"))).not.toContain(secret);
    await stage.victimWorks();
  });

  test("when a transaction aborts: the next one sees its own rows, and nothing is left of the first", async () => {
    const { pool, victim, secret } = stage;
    const fail = statement("abort.fail", "select 1 / (select count(*) - count(*) from host.note)");
    for (let round = 0; round < 5; round += 1) {
      await expect(pool.forTenant(victim, as(victim), (tx) => tx.run(fail))).rejects.toThrow();
      expect(await stage.inject("select text from host.note")).toEqual([[{ text: "own" }]]);
      await expect(pool.once(victim, as(victim), fail)).rejects.toThrow();
    }
    expect(secret).not.toBe("own");
  });

  test("over one prepared statement, planned for each call and once for all", async () => {
    const { attacker, pool, victim, secret } = stage;
    const read = statement<{ text: string }>("plans.read", "select text from host.note where id > $1");
    // PostgreSQL plans the first five calls anew, and may then keep a plan for all.
    for (let call = 0; call < 24; call += 1) {
      const mine = await pool.forTenant(attacker, as(attacker), (tx) => tx.run(read, [0]));
      const theirs = await pool.forTenant(victim, as(victim), (tx) => tx.run(read, [0]));
      expect(mine).toEqual([{ text: "own" }]);
      expect(theirs.every(({ text }) => text === secret)).toBe(true);
      expect(await pool.once(attacker, as(attacker), read, [0])).toEqual([{ text: "own" }]);
    }
  });
});

describe("what stays of a session is out of reach", () => {
  test("temporary tables and objects of any kind cannot be made", async () => {
    for (const text of [
      "create temp table kept as select * from host.note",
      "select * into temp kept from host.note",
      "create temp view kept as select * from host.note",
      "create table host.kept as select * from host.note",
      "create table public.kept (a int)",
      "create table ringwall.kept (a int)",
      "create schema kept",
      "create function pg_temp.tenant() returns text language sql as $$ select 'bank-b' $$",
      "create temp sequence kept",
    ]) {
      expect(JSON.stringify(await stage.inject(text)), text).toMatch(/42501/);
    }
  });

  test("a sequence says nothing of what another tenant wrote last", async () => {
    await stage.victimWorks();
    for (const text of [
      "select lastval()",
      "select currval('host.note_id_seq')",
      "select last_value from host.note_id_seq",
    ])
      expect(JSON.stringify(await stage.inject(text)), text).toMatch(/42501|55000/);
  });

  test("large objects, which have no tenant, cannot be made or read", async () => {
    for (const text of [
      "select lo_from_bytea(4711, 'x')",
      "select lo_create(4712)",
      "select lo_get(4711)",
      "select lo_import('/etc/passwd')",
      "select lo_export(4711, '/tmp/x')",
    ])
      expect(JSON.stringify(await stage.inject(text)), text).toMatch(/42501/);
  });
});
