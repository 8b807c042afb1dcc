import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

const DAY_MS = 86_400_000;

let stage: Stage;
let root: Person;

beforeAll(async () => {
  stage = await apiStage();
  root = await stage.administrator();
  // A table of an application, with rows that refer to each other, to themselves, and in a circle.
  await stage.data.owner.query("create schema shop authorization ringwall_migrate");
  await stage.data.owner.query(`
    set role ringwall_migrate;
    create table shop.item (
      tenant_id text not null default ringwall.tenant(), item_id int not null, parent int, best int,
      primary key (tenant_id, item_id), foreign key (tenant_id, parent) references shop.item);
    create table shop.sale (
      tenant_id text not null default ringwall.tenant(), day date not null, sale_id int not null, item_id int not null,
      primary key (tenant_id, day, sale_id), foreign key (tenant_id, item_id) references shop.item
    ) partition by range (day);
    create table shop.sale_2026 partition of shop.sale for values from ('2026-01-01') to ('2027-01-01');
    create table shop.sale_2027 partition of shop.sale for values from ('2027-01-01') to ('2028-01-01');
    do $$ declare name text; begin
      foreach name in array array['item', 'sale'] loop
        execute format('alter table shop.%I enable row level security, force row level security', name);
        execute format('create policy any_name on shop.%I as restrictive using (tenant_id = (select ringwall.tenant()))', name);
        execute format('create policy owner_door on shop.%I to ringwall_migrate using (true) with check (true)', name);
      end loop; end $$;
    reset role`);
});
afterAll(() => stage.close());

async function fill(tenant: string): Promise<void> {
  await stage.data.owner.query(
    "insert into shop.item select $1, n, nullif(n % 700, 0), null from generate_series(1, 1300) n",
    [tenant],
  );
  await stage.data.owner.query(
    "insert into shop.sale select $1, case when n % 2 = 0 then date '2026-05-05' else date '2027-05-05' end, n, 1 + n % 1300 from generate_series(1, 1300) n",
    [tenant],
  );
}

/** Every row of the tenant's, in every table that has a column for it, counted as superuser. */
async function rowsOf(tenant: string): Promise<Record<string, number>> {
  const tables = await stage.data.owner.query<{ name: string }>(
    `select a.attrelid::regclass::text as name from pg_attribute a join pg_class c on c.oid = a.attrelid
      where a.attname = 'tenant_id' and c.relkind in ('r', 'p') and not c.relispartition order by 1`,
  );
  const counts: Record<string, number> = {};
  for (const { name } of tables) {
    const [row] = await stage.data.owner.query<{ count: number }>(
      `select count(*)::int as count from ${name} where tenant_id = $1`,
      [tenant],
    );
    if (row !== undefined && row.count > 0) counts[name] = row.count;
  }
  return counts;
}

const entry = async (id: string): Promise<Record<string, unknown> | undefined> => {
  const { json } = await stage.operator("GET", "/v1/tenants");
  return (json as { items: Record<string, unknown>[] }).items.find((one) => one["id"] === id);
};

/** Waits for the background, which was woken. */
async function deleted(id: string): Promise<void> {
  await expect.poll(async () => (await entry(id))?.["status"], { timeout: 20_000, interval: 50 }).toBe("deleted");
}

const body = (confirm: string, reason = "contract 17 ended") => ({ confirm, reason });

describe("the deletion of a tenant", () => {
  test("is planned for a week ahead once its name is typed, changes nothing until then, and is undone", async () => {
    const owner = await stage.tenant("alpha-bank");
    const path = "/v1/tenants/alpha-bank/deletion";
    const { token } = root;
    expect((await stage.ask("POST", path, { token, body: body("alpha-bank") })).code).toBe("request.invalid");
    const planned = await stage.ask("POST", path, { token, body: body("The alpha-bank") });
    expect(planned.status).toBe(201);
    const atMs = Date.parse(planned.field("deletion_at"));
    expect(Math.abs(atMs - stage.clock() - 7 * DAY_MS)).toBeLessThan(60_000);
    expect(await entry("alpha-bank")).toMatchObject({ status: "active", deletion_at: planned.field("deletion_at") });
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(200);
    // Once is enough; later is not earlier.
    expect((await stage.ask("POST", path, { token, body: body("The alpha-bank") })).code).toBe("resource.conflict");
    expect((await stage.ask("DELETE", path, { token })).status).toBe(204);
    expect(await entry("alpha-bank")).toMatchObject({ status: "active", deletion_at: null });
    expect((await stage.ask("DELETE", path, { token })).code).toBe("resource.conflict");
    expect((await stage.operator("DELETE", "/v1/tenants/no-such-bank/deletion")).code).toBe("resource.not_found");
  });

  test("is nobody's but the platform's, and at once nobody's but a person's", async () => {
    const owner = await stage.tenant("beta-bank");
    for (const path of ["deletion", "immediate-deletion"]) {
      const asked = { token: owner.token, body: body("The beta-bank") };
      expect((await stage.ask("POST", `/v1/tenants/beta-bank/${path}`, asked)).code).toBe("access.denied");
    }
    expect((await stage.ask("DELETE", "/v1/tenants/beta-bank/deletion", { token: owner.token })).code).toBe(
      "access.denied",
    );
    const wanted = { body: body("The beta-bank") };
    const atOnce = await stage.operator("POST", "/v1/tenants/beta-bank/immediate-deletion", wanted);
    expect([401, 403]).toContain(atOnce.status);
    expect((await stage.operator("POST", "/v1/tenants/beta-bank/deletion", wanted)).status).toBe(201);
    expect((await stage.operator("DELETE", "/v1/tenants/beta-bank/deletion")).status).toBe(204);
    const [platform] = await stage.data.owner.query<{ name: string }>(
      "select name from ringwall.tenant where tenant_id = 'platform'",
    );
    const self = { token: root.token, body: body(platform?.name ?? "") };
    expect((await stage.ask("POST", "/v1/tenants/platform/immediate-deletion", self)).code).toBe("resource.conflict");
  });

  test("ends sessions, destroys keys, deletes every row of the tenant and no other's, and keeps the id", async () => {
    const owner = await stage.tenant("gamma-bank");
    const other = await stage.tenant("delta-bank");
    await fill("gamma-bank");
    await fill("delta-bank");
    await stage.sequence();
    const before = await rowsOf("delta-bank");
    const { token } = root;
    const asked = { token, body: body("The gamma-bank") };
    expect((await stage.ask("POST", "/v1/tenants/gamma-bank/immediate-deletion", asked)).status).toBe(201);
    await deleted("gamma-bank");
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(401);
    await stage.sequence();
    const kept = Object.keys(await rowsOf("gamma-bank"));
    const allowed = [/^ringwall\.audit_/, /^ringwall\.(tenant|tenant_key|erasure|key_epoch)$/];
    expect(kept.filter((name) => !allowed.some((one) => one.test(name)))).toEqual([]);
    expect(await rowsOf("delta-bank")).toEqual(before);
    expect((await stage.ask("GET", "/v1/session", { token: other.token })).status).toBe(200);
    const keys = await stage.data.owner.query(
      "select purpose from ringwall.tenant_key where tenant_id = 'gamma-bank' and wrapped is not null and purpose <> 'audit'",
    );
    expect(keys).toEqual([]);
    expect(await entry("gamma-bank")).toMatchObject({ name: "gamma-bank", status: "deleted", deletion_at: null });
    // The certificate names who ordered it; the audit of it all is the platform's.
    const listed = await stage.ask("GET", "/v1/erasures?tenant=gamma-bank", { token });
    const [certificate] = (listed.json as { items: { certificate: string }[] }).items;
    expect(JSON.parse(certificate?.certificate ?? "")).toMatchObject({
      subject: "tenant",
      approver: `user:${root.id}`,
    });
    const audit = await stage.ask("GET", "/v1/audit-events?limit=200", { token });
    const actions = (audit.json as { items: { action: string }[] }).items.map(({ action }) => action);
    expect(actions).toEqual(
      expect.arrayContaining(["tenant.deletion_planned", "tenant.deletion_begun", "tenant.deleted"]),
    );
  });

  test("leaves an id that is never given again, and a state that nothing takes back", async () => {
    const { token } = root;
    const again = await stage.ask("POST", "/v1/tenants", { token, body: { id: "gamma-bank", name: "Again" } });
    expect(again.code).toBe("resource.conflict");
    expect((await stage.ask("POST", "/v1/tenants/gamma-bank/resume", { token })).code).toBe("resource.conflict");
    expect((await stage.ask("DELETE", "/v1/tenants/gamma-bank/deletion", { token })).code).toBe("resource.conflict");
    const asked = { token, body: body("gamma-bank") };
    expect((await stage.ask("POST", "/v1/tenants/gamma-bank/deletion", asked)).code).toBe("resource.conflict");
    const invited = { token, body: { email: "new@gamma-bank.example" } };
    expect(
      (await stage.ask("POST", "/v1/tenants/gamma-bank/owner-invitations", invited)).status,
    ).toBeGreaterThanOrEqual(400);
    const rise = stage.data.owner.query("update ringwall.tenant set status = 'active' where tenant_id = 'gamma-bank'");
    await expect(rise).rejects.toThrow("is not undone");
  });

  test("goes through tables that refer to each other in a circle", async () => {
    await stage.tenant("eta-bank");
    await stage.tenant("theta-bank");
    await stage.data.owner.query(`
      set role ringwall_migrate;
      create table shop.team (
        tenant_id text not null default ringwall.tenant(), team_id int not null, lead int,
        primary key (tenant_id, team_id));
      create table shop.member (
        tenant_id text not null default ringwall.tenant(), member_id int not null, team_id int not null,
        primary key (tenant_id, member_id), foreign key (tenant_id, team_id) references shop.team);
      alter table shop.team add foreign key (tenant_id, lead) references shop.member;
      do $$ declare name text; begin
        foreach name in array array['team', 'member'] loop
          execute format('alter table shop.%I enable row level security, force row level security', name);
          execute format('create policy any_name on shop.%I as restrictive using (tenant_id = (select ringwall.tenant()))', name);
          execute format('create policy owner_door on shop.%I to ringwall_migrate using (true) with check (true)', name);
        end loop; end $$;
      reset role`);
    for (const tenant of ["eta-bank", "theta-bank"]) {
      for (const text of [
        "insert into shop.team select $1, n, null from generate_series(1, 700) n",
        "insert into shop.member select $1, n, n from generate_series(1, 700) n",
        "update shop.team set lead = team_id where tenant_id = $1",
      ]) {
        await stage.data.owner.query(text, [tenant]);
      }
    }
    const asked = { token: root.token, body: body("The eta-bank") };
    expect((await stage.ask("POST", "/v1/tenants/eta-bank/immediate-deletion", asked)).status).toBe(201);
    await deleted("eta-bank");
    expect(await rowsOf("eta-bank")).not.toHaveProperty("shop.team");
    expect(await rowsOf("eta-bank")).not.toHaveProperty("shop.member");
    expect(await rowsOf("theta-bank")).toMatchObject({ "shop.team": 700, "shop.member": 700 });
  });

  test("is what is left for a tenant whose keys were destroyed: nothing resumes it", async () => {
    const owner = await stage.tenant("iota-bank");
    const { token } = root;
    const erased = await stage.ask("POST", "/v1/tenants/iota-bank/erasure", { token, body: body("The iota-bank") });
    expect(erased.status).toBe(201);
    const resumed = await stage.ask("POST", "/v1/tenants/iota-bank/resume", { token });
    expect([resumed.status, resumed.code]).toEqual([410, "keys.erased"]);
    expect((await stage.operator("POST", "/v1/tenants/iota-bank/resume")).code).toBe("keys.erased");
    expect(await entry("iota-bank")).toMatchObject({ status: "suspended" });
    expect((await stage.ask("GET", "/v1/session", { token: owner.token })).status).toBe(401);
    const asked = { token, body: body("The iota-bank") };
    expect((await stage.ask("POST", "/v1/tenants/iota-bank/immediate-deletion", asked)).status).toBe(201);
    await deleted("iota-bank");
  });

  test("waits for the tenant's other environments", async () => {
    const { token } = root;
    await stage.tenant("epsilon-bank");
    const made = await stage.ask("POST", "/v1/tenants", {
      token,
      body: { id: "epsilon-test", name: "Epsilon's test", environment: "staging", account: "epsilon-bank" },
    });
    expect(made.status).toBe(201);
    const asked = { token, body: body("The epsilon-bank") };
    expect((await stage.ask("POST", "/v1/tenants/epsilon-bank/immediate-deletion", asked)).code).toBe(
      "resource.conflict",
    );
    const first = { token, body: body("Epsilon's test") };
    expect((await stage.ask("POST", "/v1/tenants/epsilon-test/immediate-deletion", first)).status).toBe(201);
    await deleted("epsilon-test");
    expect((await stage.ask("POST", "/v1/tenants/epsilon-bank/immediate-deletion", asked)).status).toBe(201);
    await deleted("epsilon-bank");
  });
});

describe("an environment", () => {
  test("is a tenant of its own that names a production tenant, and keeps both for good", async () => {
    const { token } = root;
    await stage.tenant("zeta-bank");
    const make = (wanted: object) =>
      stage.ask("POST", "/v1/tenants", { token, body: { id: "zeta-dev", name: "Zeta", ...wanted } });
    for (const wrong of [
      { environment: "staging" },
      { account: "zeta-bank" },
      { environment: "production", account: "zeta-bank" },
      { environment: "staging", account: "no-such-bank" },
      { environment: "staging", account: "platform" },
      { environment: "test", account: "zeta-bank" },
    ]) {
      expect([wrong, (await make(wrong)).code]).toEqual([wrong, "request.invalid"]);
    }
    expect((await make({ environment: "development", account: "zeta-bank" })).status).toBe(201);
    expect(await entry("zeta-dev")).toMatchObject({ environment: "development", account: "zeta-bank" });
    const nested = { token, body: { id: "zeta-dev-2", name: "Z", environment: "staging", account: "zeta-dev" } };
    expect((await stage.ask("POST", "/v1/tenants", nested)).code).toBe("request.invalid");
    const move = stage.data.owner.query(
      "update ringwall.tenant set environment = 'staging' where tenant_id = 'zeta-dev'",
    );
    await expect(move).rejects.toThrow("keeps its id");
  });
});
