import { afterAll, beforeAll, expect, test } from "vitest";
import { statement, type TenantId } from "../../src/core/index.ts";
import { type IdentityStage, identityStage, type Person } from "../../src/testing/identity-stage.ts";

// What identity's tables say to whoever reaches the database past identity: another tenant, or the host application.

let stage: IdentityStage;
let bankA: TenantId;
let bankB: TenantId;
let olga: Person;

beforeAll(async () => {
  stage = await identityStage();
  bankA = await stage.createTenant("bank-a");
  bankB = await stage.createTenant("bank-b");
  olga = await stage.makeOwner(bankA);
});
afterAll(() => stage.close());

const TABLES = ["user_account", "totp_factor", "session", "login_transaction", "link", "attempt"] as const;

test.each(TABLES)("%s has its wall, forced, with the tenant first in its key", async (table) => {
  const rows = await stage.owner.query(
    `select c.relrowsecurity and c.relforcerowsecurity as walled,
       (select a.attname from pg_index i join pg_attribute a on a.attrelid = c.oid and a.attnum = i.indkey[0]
        where i.indrelid = c.oid and i.indisprimary) as first,
       (select count(*)::int from pg_policy p where p.polrelid = c.oid and not p.polpermissive) as walls
     from pg_class c where c.oid = ('ringwall.' || $1)::regclass`,
    [table],
  );
  expect(rows).toEqual([{ walled: true, first: "tenant_id", walls: 1 }]);
});

test("another tenant's context sees and changes none of the people", async () => {
  const see = statement("test.see", "select user_id from ringwall.user_account");
  const actor = { type: "anonymous", tenant: bankB } as const;
  expect(await stage.database.once(bankB, actor, see)).toEqual([]);
  const promote = statement(
    "test.promote",
    "update ringwall.user_account set role = 'owner' where email like '%' returning user_id",
  );
  expect(await stage.database.once(bankB, actor, promote)).toEqual([]);
  const plant = statement(
    "test.plant",
    `insert into ringwall.user_account (tenant_id, user_id, email, name, role, password_hash, created_at)
     values ($1, gen_random_uuid(), 'x@example.test', 'X', 'owner', '$argon2id$x', now())`,
  );
  await expect(stage.database.once(bankB, actor, plant, [bankA])).rejects.toThrow();
});

test.each(TABLES)("the host application's login has no right on %s", async (table) => {
  const rows = await stage.owner.query(
    `select has_table_privilege('bank_app', 'ringwall.' || $1, 'select, insert, update, delete')
       or has_any_column_privilege('bank_app', 'ringwall.' || $1, 'select, insert, update') as any`,
    [table],
  );
  expect(rows).toEqual([{ any: false }]);
});

test("the host application's login cannot ask the narrow look-ups", async () => {
  await expect(stage.client.lookup("session_by_hash", [Buffer.alloc(32)])).rejects.toThrow();
  await expect(stage.client.lookup("sign_in_user", [bankA, olga.email])).rejects.toThrow();
  await expect(stage.client.lookup("login_by_hash", [Buffer.alloc(32)])).rejects.toThrow();
  await expect(stage.client.lookup("link_by_hash", [Buffer.alloc(32)])).rejects.toThrow();
});

test("nobody changes whose account or session a row is", async () => {
  const actor = { type: "anonymous", tenant: bankA } as const;
  for (const forbidden of [
    statement("test.move_session", "update ringwall.session set user_id = gen_random_uuid()"),
    statement("test.set_token", "update ringwall.session set token_hash = decode(repeat('00', 32), 'hex')"),
    statement("test.longer", "update ringwall.session set expires_at = now() + interval '1 year'"),
    statement("test.set_email", "update ringwall.user_account set email = 'x@example.test'"),
    statement("test.no_user_delete", "delete from ringwall.user_account"),
  ]) {
    await expect(stage.database.once(bankA, actor, forbidden)).rejects.toThrow();
  }
});
