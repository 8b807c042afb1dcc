import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "../../src/core/index.ts";
import { type ContextStage, contextStage } from "./context-stage.ts";
import { storm } from "./context-storm.ts";

let stage: ContextStage;
beforeAll(async () => {
  stage = await contextStage();
});
afterAll(() => stage.close());

test("twelve thousand interleaved transactions under faults and rotations of the key see no foreign row", async () => {
  const tenants: TenantId[] = [];
  for (let n = 0; n < 12; n += 1) {
    const tenant = await stage.data.createTenant(`tenant-${String(n)}`);
    await stage.data.owner.query("insert into host.note (tenant_id, text) select $1, 'x' from generate_series(1, 30)", [
      tenant,
    ]);
    tenants.push(tenant);
  }
  const seen = await storm({ data: stage.data, tenants, transactions: 12_000, faultMs: 40 });
  expect(seen).toMatchObject({ foreign: 0, unexpected: [] });
  expect(seen.transactions).toBeGreaterThanOrEqual(12_000);
  expect(seen.rows).toBeGreaterThan(12_000);
  expect(seen.rotations).toBeGreaterThan(1);
  expect(seen.killed).toBeGreaterThan(10);
  expect(seen.failed["planned"]).toBeGreaterThan(0);
});
