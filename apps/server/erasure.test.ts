import { join } from "node:path";
import { fileHeadStore } from "ringwall/adapters/files";
import { statement, tenantId } from "ringwall/core";
import { HeadVerifier, verifyAudit, workerSource } from "ringwall/monitoring/audit";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, PASSWORD, type Person, type Stage } from "./stage.fixture.ts";

const ADDRESS = "ann.to-be-forgotten@north-bank.example";
const AUDITOR = { type: "system", capability: "audit.verify" } as const;
const tenant = tenantId("north-bank");

let stage: Stage;
let owner: Person;
let ann: Person;
beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant(tenant);
  ann = await stage.person(owner, "editor", ADDRESS);
});
afterAll(() => stage.close());

const signIn = async (email: string) =>
  await stage.ask("POST", "/v1/sign-in", { body: { tenant, email, password: PASSWORD } });

/** Every place of the schema where a text stands in clear. */
async function placesOf(text: string): Promise<readonly string[]> {
  const tables = await stage.data.owner.query<{ name: string }>(
    "select quote_ident(relname) as name from pg_class where relnamespace = 'ringwall'::regnamespace and relkind = 'r'",
  );
  const places: string[] = [];
  for (const { name } of tables) {
    const found = await stage.data.owner.query(`select 1 from ringwall.${name} t where t::text like $1 limit 1`, [
      `%${text}%`,
    ]);
    if (found.length > 0) places.push(name);
  }
  return places;
}

async function audit() {
  await stage.sequence();
  return await verifyAudit({
    source: workerSource(stage.data.worker, AUDITOR),
    heads: await fileHeadStore(join(stage.folder, "audit-heads")),
    verifier: new HeadVerifier([stage.auditKey]),
    tenant,
  });
}

describe("a person who was erased", () => {
  test("loses account, sessions, name and address in the transaction of the erasure, and the log says so", async () => {
    expect((await signIn(ADDRESS)).status).toBe(200);
    expect((await stage.ask("GET", "/v1/session", { token: ann.token })).status).toBe(200);
    await stage.sequence();
    expect(await placesOf(ADDRESS)).toContain("user_account");
    const whole = await audit();
    expect(whole).toMatchObject({ ok: true, tenants: [{ erased: 0 }] });

    const reason = "she asked for it";
    const what = { subject: "person", user: ann.id } as const;
    const actor = { type: "system", capability: "keys.erase" } as const;
    const { certificate } = await stage.keyCare.erasures.erase({ actor, tenant, reason, what });
    expect(JSON.parse(certificate)).toMatchObject({ subject: "person", accounts: expect.any(Number) });

    // Not within a second but by the next request: the message travelled with the commit.
    expect((await stage.ask("GET", "/v1/session", { token: ann.token })).status).toBe(401);
    expect((await signIn(ADDRESS)).status).not.toBe(200);
    const pseudonym = `${ann.id}@erased.invalid`;
    const known = await signIn(pseudonym);
    const unknown = await signIn("nobody@erased.invalid");
    expect([known.status, known.code]).toEqual([unknown.status, unknown.code]);
    const [account] = await stage.data.owner.query(
      "select email, name, status from ringwall.user_account where user_id = $1::uuid",
      [ann.id],
    );
    expect(account).toEqual({ email: pseudonym, name: "Erased", status: "disabled" });
    expect(await placesOf(ADDRESS)).toEqual([]);
    for (const table of ["totp_factor", "login_transaction"]) {
      expect(
        await stage.data.owner.query(`select 1 from ringwall.${table} where user_id = $1::uuid`, [ann.id]),
      ).toEqual([]);
    }
    const sessions = await stage.data.owner.query(
      "select 1 from ringwall.session where user_id = $1::uuid and (revoked_at is null or address_prefix is not null or user_agent is not null)",
      [ann.id],
    );
    expect(sessions).toEqual([]);
    // Others go on.
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(200);

    const after = await audit();
    expect(after.tenants[0]?.problem).toBeUndefined();
    expect(after.tenants[0]?.erased).toBeGreaterThan(0);
  });

  test("is erased again when a restore brought the account back, and not when nothing came back", async () => {
    expect(await stage.keyCare.erasures.replay()).toMatchObject({ replayed: 0 });
    await stage.data.owner.query(
      "update ringwall.user_account set email = $1, name = 'Ann', status = 'active' where user_id = $2::uuid",
      [ADDRESS, ann.id],
    );
    expect(await stage.keyCare.erasures.replay()).toMatchObject({ replayed: 1 });
    expect(await placesOf(ADDRESS)).toEqual([]);
  });

  test("whose details somebody else emptied is a finding", async () => {
    const wipe = `update ringwall.audit_entry set detail = '\\x00'
      where tenant_id = $1 and detail is not null and detail <> '\\x00' and leaf::jsonb #>> '{actor,user}' = $2`;
    await stage.data.owner.query(wipe, [tenant, owner.id]);
    const found = await audit();
    expect(found.tenants[0]?.problem).toMatchObject({ kind: "detail_wiped" });
  });

  test("can be erased by the worker alone, and in its own tenant alone", async () => {
    const erase = statement<{ changed: string }>(
      "attack.account",
      "select ringwall.account_erase($1)::text as changed",
    );
    for (const database of [stage.data.database, stage.data.client]) {
      await expect(database.once(tenant, AUDITOR, erase, [owner.id])).rejects.toThrow();
    }
    await stage.tenant("south-bank");
    const [none] = await stage.data.worker.once(tenantId("south-bank"), AUDITOR, erase, [owner.id]);
    expect(none).toEqual({ changed: "0" });
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(200);
  });
});
