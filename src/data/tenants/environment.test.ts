import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Bus, type Database, PLATFORM_TENANT, statement, type TenantId } from "../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { type Environment, servedDatabase, servedEnvironments, TenantsConfig, tenantRegister } from "./index.ts";

const BUS: Bus = { up: true, subscribe: () => () => {}, onGap: () => () => {} };
const OPERATOR = { type: "system", capability: "tenants.create" } as const;
const PROBE = statement("test.probe", "select 1 as one");
const REFUSED = { code: "tenant.unavailable" };

let data: TestDatabase;
beforeAll(async () => {
  data = await testDatabase();
  await data.createTenant("live-bank");
  await data.owner.query(
    "insert into ringwall.tenant (tenant_id, name, environment, account) values ('stage-bank', 'S', 'staging', 'live-bank')",
  );
});
afterAll(() => data.close());

const live = "live-bank" as TenantId;
const staged = "stage-bank" as TenantId;
const serving = (...environments: Environment[]): Database => servedDatabase(data.database, new Set(environments));

describe("an installation", () => {
  test("serves production alone in production, everything in development, and what its configuration names", () => {
    const served = (mode: "development" | "production", config: object = {}) => [
      ...servedEnvironments(mode, TenantsConfig.parse(config)),
    ];
    expect(served("production")).toEqual(["production"]);
    expect(served("development")).toEqual(["development", "staging", "production"]);
    expect(served("production", { environments: ["staging"] })).toEqual(["staging"]);
    expect(TenantsConfig.safeParse({ environments: [] }).success).toBe(false);
    expect(TenantsConfig.safeParse({ environments: ["test"] }).success).toBe(false);
  });

  test.each([
    [["production"], live, staged],
    [["staging"], staged, live],
  ] as const)(
    "that serves %s refuses the other's tenants in every way to the database",
    async (environments, own, other) => {
      const database = serving(...environments);
      const actor = (tenant: TenantId) => ({ type: "service", tenant, name: "test" }) as const;
      expect(await database.once(own, actor(own), PROBE)).toEqual([{ one: 1 }]);
      expect(await database.forTenant(own, actor(own), async (tx) => await tx.run(PROBE))).toEqual([{ one: 1 }]);
      expect(await database.lookup("tenant_by_id", [own])).toMatchObject({ tenant_id: own });
      expect(await database.lookup("sign_in_user", [own, "a@b.example"])).toBeDefined();
      for (let again = 0; again < 2; again += 1) {
        await expect(database.once(other, actor(other), PROBE)).rejects.toMatchObject(REFUSED);
        await expect(database.once(other, OPERATOR, PROBE)).rejects.toMatchObject(REFUSED);
        await expect(database.forTenant(other, actor(other), async () => {})).rejects.toMatchObject(REFUSED);
        expect(await database.lookup("tenant_by_id", [other])).toBeUndefined();
        expect(await database.lookup("sign_in_user", [other, "a@b.example"])).toBeUndefined();
      }
      expect(await database.once(PLATFORM_TENANT, OPERATOR, PROBE)).toEqual([{ one: 1 }]);
    },
  );

  test("neither lists, makes nor suspends tenants of another environment", async () => {
    const recorder = { record: async () => {}, note() {} };
    const environments = new Set<Environment>(["production"]);
    const register = tenantRegister({
      database: serving("production"),
      recorder,
      bus: BUS,
      clock: data.clock,
      environments,
    });
    expect((await register.list(OPERATOR)).map(({ id }) => id)).toEqual(["live-bank"]);
    const wanted = { id: "new-stage" as TenantId, name: "N", environment: "staging", account: live } as const;
    await expect(register.create(OPERATOR, wanted)).rejects.toMatchObject(REFUSED);
    await expect(register.requireActive(staged)).rejects.toMatchObject(REFUSED);
    await expect(register.suspend(OPERATOR, staged)).rejects.toMatchObject({ code: "resource.not_found" });
  });
});
