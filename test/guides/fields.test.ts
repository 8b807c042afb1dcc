import { readFileSync } from "node:fs";
import { sql } from "kysely";
import { expect, test } from "vitest";
import { openSql } from "../../src/adapters/postgres/index.ts";
import { createFields } from "../../src/data/fields/index.ts";
import { testDatabase } from "../../src/testing/index.ts";
import { testKeys } from "../../src/testing/keys.ts";
import { admit, findByLastFour, PATIENT, up } from "./fields.ts";

test("the code of the guide is the code that runs here", () => {
  const guide = readFileSync(new URL("../../docs/guides/fields.md", import.meta.url), "utf8");
  const code = readFileSync(new URL("fields.ts", import.meta.url), "utf8");
  const blocks = [...guide.matchAll(/```ts\n([\s\S]*?)```/g)].map(([, block]) => block ?? "");
  expect(blocks.length).toBeGreaterThan(3);
  for (const block of blocks) expect(code).toContain(block);
});

test("the guide's table is made, filled and searched", async () => {
  const at = await testDatabase();
  const owner = openSql(at.target("ringwall_migrate"));
  await sql`create schema clinic`.execute(owner);
  await sql`grant usage on schema clinic to bank_app`.execute(owner);
  await up(owner);
  await owner.destroy();
  const fields = createFields({ keys: (await testKeys()).keys });
  const tenant = await at.createTenant("clinic");
  const actor = { type: "service", tenant, name: "clinic" } as const;
  await admit(at.client, fields, actor, "p1", "123-45-6789");
  await admit(at.client, fields, actor, "p2", "987-65-4321");
  const found = await findByLastFour(at.client, fields, actor, "6789");
  expect(found.map(({ found: row, values }) => [row.patient_id, values.ssn])).toEqual([["p1", "123-45-6789"]]);
  // What the guide says of the plan.
  expect(PATIENT.plan.indexes.map(({ bits, name }) => [name, bits])).toEqual([
    ["ssn_eq", 7],
    ["ssn_last4", 7],
  ]);
  expect(PATIENT.plan.coincidences.toFixed(1)).toBe("3.1");
  await at.close();
});
