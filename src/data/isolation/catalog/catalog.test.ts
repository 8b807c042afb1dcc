import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inspectionAccess } from "../../../adapters/postgres/index.ts";
import { type TestDatabase, testDatabase } from "../../../testing/index.ts";
import type { SqlSession } from "../session.ts";
import { type Catalog, readCatalog } from "./index.ts";

let stage: TestDatabase;
const named = ({ relations }: Catalog, schema: string, name: string) => {
  const found = [...relations.values()].find((relation) => relation.schema === schema && relation.name === name);
  if (found === undefined) throw new Error(`${schema}.${name} was not read`);
  return found;
};
const as = async (role: string): Promise<SqlSession> => await inspectionAccess(stage.target(role)).connect();

beforeAll(async () => {
  stage = await testDatabase();
});
afterAll(async () => {
  await stage.close();
});

describe("the catalog", () => {
  test("a login without rights reads the structure, and is told what it may not see", async () => {
    const session = await as("bank_app");
    const catalog = await readCatalog(session);
    await session.close();
    const tenant = named(catalog, "ringwall", "tenant");
    expect(tenant).toMatchObject({ kind: "table", owner: "ringwall_migrate", rowSecurity: true, forced: true });
    expect(tenant.columns[0]).toMatchObject({ name: "tenant_id", type: "text", baseType: "text", notNull: true });
    expect(catalog.policies.filter(({ table }) => table === tenant.oid)).toContainEqual({
      table: tenant.oid,
      name: "tenant_wall",
      command: "ALL",
      permissive: false,
      roles: ["public"],
      using: expect.stringContaining("ringwall.tenant()"),
      check: expect.stringContaining("platform"),
    });
    expect(catalog.unreadable.map(({ what }) => what)).toEqual(["function source", "pg_hba", "settings"]);
    expect([...catalog.routines.values()].every(({ source }) => source === undefined)).toBe(true);
  });

  test("a superuser reads everything", async () => {
    const session = await inspectionAccess(stage.target("postgres")).connect();
    const catalog = await readCatalog(session);
    await session.close();
    expect(catalog.unreadable).toEqual([]);
    expect([...catalog.routines.values()].find(({ name }) => name === "tenant")?.source).toContain("pg_catalog.sha256");
    expect(catalog.server.hba?.length).toBeGreaterThan(0);
  });
});
