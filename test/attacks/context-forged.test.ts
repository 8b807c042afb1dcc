import { Client } from "pg";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { systemClock } from "../../src/core/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import { as, type ContextStage, contextStage } from "./context-stage.ts";

// What whoever runs any SQL as the host application's login can do to become another tenant: an injected statement inside
// a transaction of the attacker's own, and a session of that login with everything a client sees.

let stage: ContextStage;
let client: Client;
/** Everything the server says beside rows. */
let told = "";

beforeAll(async () => {
  stage = await contextStage();
});
afterAll(() => stage.close());
beforeEach(async () => {
  client = await login("bank_app");
  told = "";
  client.on("notice", (notice) => {
    told += JSON.stringify([notice.message, notice.detail, notice.where, notice.internalQuery]);
  });
});
afterEach(() => client.end());

async function login(role: string): Promise<Client> {
  const { credential, database, host, port, user } = stage.data.target(role);
  const one = new Client({ host, port, database, user, password: (await credential()).open() });
  await one.connect();
  return one;
}

/** The key as PostgreSQL could show it: hex, and the bytes of a constant in a printed tree. */
function formsOfKey(): readonly string[] {
  return [0, 0x36, 0x5c].flatMap((pad) => {
    const bytes = [...stage.data.contextKey.key].map((byte) => byte ^ pad).slice(0, 8);
    const signed = bytes.map((byte) => (byte > 127 ? byte - 256 : byte)).join(" ");
    return [Buffer.from(bytes).toString("hex"), signed];
  });
}

function expectNoKey(text: string): void {
  for (const form of formsOfKey()) expect(text).not.toContain(form);
}

describe("the key that signs contexts is not told", () => {
  test("by an error that quotes the verifying function, when the stack was used up before it was called", async () => {
    // Nested until the stack ends; on the way back each level calls the function with a little more room, so that it fails
    // at every place where it can.
    const nest = `do $outer$ declare said text; begin
      begin execute current_setting('x.code'); exception when others then
        get stacked diagnostics said = pg_exception_context;
        perform set_config('x.said', current_setting('x.said', true) || left(said, 4000), false); end;
      begin perform ringwall.tenant(); exception when others then
        get stacked diagnostics said = pg_exception_context;
        perform set_config('x.said', current_setting('x.said', true) || left(said, 4000), false); end;
    end $outer$`;
    await client.query("select set_config('x.code', $1, false), set_config('x.said', '', false)", [nest]);
    await client.query(nest).catch((error: unknown) => {
      told += JSON.stringify(error);
    });
    const { rows } = await client.query<{ said: string }>("select current_setting('x.said') as said");
    // The attack got as far as it can: the function failed while PostgreSQL prepared it, and was quoted.
    expect(rows[0]?.said).toContain("starts_with");
    expectNoKey(String(rows[0]?.said) + told);
  });

  test("by printed trees and plans", async () => {
    await client.query(
      "set debug_print_parse = on; set debug_print_rewritten = on; set debug_print_plan = on; set client_min_messages = log",
    );
    await client.query("select ringwall.tenant()");
    await client.query("select * from host.note");
    await client.query("explain (verbose, analyze) select * from host.note, ringwall.tenant()");
    expect(told).toContain("plan");
    expectNoKey(told);
  });

  test.each([
    "select * from ringwall.context_key",
    "select inner_pad from ringwall.context_key limit 1",
    "copy ringwall.context_key to stdout",
    "table ringwall.context_key",
    "do $$ begin lock table ringwall.context_key in access share mode; end $$",
    "select prosrc from pg_proc where proname = 'tenant'",
    "select pg_get_functiondef('ringwall.tenant'::regproc)",
    "select pg_get_function_sqlbody('ringwall.tenant'::regproc)",
    "select * from pg_authid",
    "select pg_read_file('pg_hba.conf')",
    "select pg_ls_dir('.')",
    "select pg_read_binary_file('global/pg_control')",
    "copy host.note to program 'cat'",
    "copy host.note from program 'id'",
    "copy host.note to '/tmp/out'",
    "select lo_import('/etc/passwd')",
    "load 'auto_explain'",
    "create extension dblink",
    "create extension pageinspect",
    "alter system set log_statement = 'all'",
    "create event trigger e on ddl_command_start execute function ringwall.refuse_context()",
  ])("by %s", async (text) => {
    const attempt = await client.query(text).then(
      ({ rows }) => JSON.stringify(rows),
      (error: unknown) => `refused ${JSON.stringify(error)}`,
    );
    expect(attempt).toMatch(/^refused .*"(?:42501|58P01|0A000|3F000)"/);
    expectNoKey(attempt + told);
  });

  test("by statistics, settings, activity or any other view that the login may read", async () => {
    await stage.data.owner.query("analyze ringwall.context_key");
    const { rows: views } = await client.query<{ name: string }>(
      "select c.oid::regclass::text as name from pg_class c where relnamespace in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace) and relkind = 'v'",
    );
    let read = 0;
    for (const { name } of views) {
      const rows = await client
        .query({ text: `select t::text from ${name} t limit 5000`, rowMode: "array" })
        .catch(() => undefined);
      if (rows === undefined) continue;
      read += 1;
      expectNoKey(JSON.stringify(rows.rows));
    }
    expect(read).toBeGreaterThan(80);
  });
});

describe("another tenant's rows are not reached", () => {
  const forge = (token: string): readonly string[] => [
    `select set_config('ringwall.context', '${token}', true)`,
    "select text from host.note",
  ];

  test("with a token that is made up, changed, or of another key, backend or time", async () => {
    const { data, secret } = stage;
    const [own = []] = await stage.inject(
      "select current_setting('ringwall.context') as token, pg_backend_pid() as pid",
    );
    const [{ token, pid } = { token: "", pid: 0 }] = own as { token: string; pid: number }[];
    const signer = contextSigner(data.contextKey);
    const stranger = contextSigner({ kid: data.contextKey.kid, key: Buffer.alloc(32, 1) });
    const soon = systemClock() + 15_000;
    const victim = stage.victim;
    const tokens = [
      token.replace("mallory", "bank-b"),
      token.replace("mallory", "bank-b").slice(0, -64) + "0".repeat(64),
      `v1..bank-b.${String(Math.floor(soon / 1000))}.${"0".repeat(64)}`,
      stranger.sign(victim, pid, soon),
      signer.sign(victim, pid + 1, soon),
      signer.sign(victim, pid, systemClock() - 1_500),
      signer.sign(victim, pid, systemClock() + 40_000),
      "bank-b",
      "v1.bank-b",
      "'; set row_security = off; --",
    ];
    for (const forged of tokens) {
      const got = JSON.stringify(await stage.inject(...forge(forged.replaceAll("'", "''"))));
      expect(got, forged.slice(0, 30)).not.toContain(secret);
      expect(got).toMatch(/RW001|22023|22P02|internal/);
    }
  });

  test("with a token of the victim's, taken while it was alive, over another connection", async () => {
    const { pool, secret, victim } = stage;
    const taken = await pool.forTenant(victim, as(victim), async (tx) => {
      const [row] = await tx.run<{ token: string }>({
        name: "taken",
        text: "select current_setting('ringwall.context') as token",
      });
      // Still mid-transaction over there.
      await client.query("begin");
      await client.query("select set_config('ringwall.context', $1, true)", [row?.token]);
      await expect(client.query("select * from host.note")).rejects.toMatchObject({ code: "RW001" });
      await client.query("rollback");
      return row?.token ?? "";
    });
    expect(taken).toContain("bank-b");
    expect(JSON.stringify(await stage.inject("select text from host.note"))).not.toContain(secret);
  });

  test("by watching the victim's session while it works: neither its token nor its values show", async () => {
    const { pool, secret, victim } = stage;
    await pool.forTenant(victim, as(victim), async (tx) => {
      await tx.run({ name: "watched", text: "insert into host.note (text) values ($1)" }, [secret]);
      for (const view of [
        "pg_stat_activity",
        "pg_prepared_statements",
        "pg_cursors",
        "pg_locks",
        "pg_stat_progress_copy",
      ]) {
        const { rows } = await client.query<{ row: string }>(`select t::text as row from ${view} t`);
        const text = JSON.stringify(rows);
        expect(text).not.toContain(secret);
        expect(text).not.toMatch(/v1\.t1\.bank-b/);
      }
    });
  });

  test.each([
    "set role ringwall_migrate",
    "set role ringwall_definer",
    "set role ringwall_app",
    "set session authorization ringwall_migrate",
    "select set_config('role', 'ringwall_definer', true)",
    "select set_config('session_authorization', 'ringwall_migrate', true)",
    "create or replace function ringwall.tenant() returns text language sql as $$ select 'bank-b' $$",
    "create function host.tenant() returns text language sql as $$ select 'bank-b' $$",
    "create operator host.= (function = texteq, leftarg = text, rightarg = text)",
    "create temp table note (text text)",
    "create schema mine",
    "alter function ringwall.tenant() owner to bank_app",
    "alter function ringwall.tenant() set search_path = host",
    "alter table host.note disable row level security",
    "alter table host.note no force row level security",
    "drop policy tenant_wall on host.note",
    "alter policy tenant_wall on host.note using (true)",
    "create policy mine on host.note using (true)",
    "create rule mine as on select to host.note do instead nothing",
    "create trigger mine after insert on host.note execute function ringwall.refuse_context()",
    "create view host.mine as select * from host.note",
    "grant ringwall_definer to bank_app",
    "alter role bank_app bypassrls",
    "alter role bank_app superuser",
    "alter database template1 set row_security = off",
    "set session_replication_role = replica",
    "create publication mine for table host.note",
    "select pg_create_logical_replication_slot('mine', 'test_decoding')",
    "select ringwall.refuse_context()",
    "truncate host.note",
    "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'bank_app'",
    "select pg_cancel_backend(pid) from pg_stat_activity where usename = 'bank_app'",
  ])("by %s", async (text) => {
    const [first, ...rest] = await stage.inject(text, "select text from host.note");
    expect(first, text).toMatch(/"sqlstate":"(?:42\w+|0A000|55000|22023)"/);
    expect(JSON.stringify(rest)).not.toContain(stage.secret);
  });

  test.each([
    "set local row_security = off",
    "set local search_path = host, pg_temp",
    "set local enable_seqscan = off",
    "set local constraint_exclusion = on",
    "do $$ begin execute 'set local plan_cache_mode = force_generic_plan'; end $$",
    "explain (analyze, costs off) select * from host.note where text like 'only%'",
    "with stolen as (delete from host.note returning *) select * from stolen",
    "update host.note set text = text returning text",
    "insert into host.note (tenant_id, text) values ('bank-b', 'x')",
    "update host.note set tenant_id = 'bank-b'",
    "merge into host.note n using (values (1)) v (i) on true when matched then update set seen = 9",
    "copy host.note to stdout",
    "select query_to_xml('select * from host.note', true, true, '')::text",
    "select table_to_xml('host.note', true, true, '')::text",
    "select database_to_xml(true, true, '')::text",
    "select ts_stat('select to_tsvector(text) from host.note')::text",
    "select * from pg_stats where tablename = 'note'",
    "select most_common_vals::text from pg_stats where schemaname = 'host'",
  ])("under %s", async (text) => {
    await stage.data.owner.query("insert into host.note (tenant_id, text) values ('mallory', 'own')");
    await stage.data.owner.query("analyze host.note");
    const got = await stage.inject(text, "select text from host.note");
    expect(JSON.stringify(got)).not.toContain(stage.secret);
    const rows = await stage.data.owner.query<{ n: number }>(
      "select count(*)::int as n from host.note where tenant_id = 'bank-b' and (text <> $1 or seen = 9)",
      [stage.secret],
    );
    expect(rows).toEqual([{ n: 0 }]);
  });
});
