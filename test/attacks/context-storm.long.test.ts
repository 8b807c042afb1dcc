import { afterAll, beforeAll, expect, test } from "vitest";
import type { TenantId } from "../../src/core/index.ts";
import { type ContextStage, contextStage } from "./context-stage.ts";
import { storm } from "./context-storm.ts";

let stage: ContextStage;
beforeAll(async () => {
  stage = await contextStage();
});
afterAll(() => stage.close());

test("a hundred and twenty thousand interleaved transactions of forty tenants see no foreign row", async () => {
  const tenants: TenantId[] = [];
  for (let n = 0; n < 40; n += 1) {
    const tenant = await stage.data.createTenant(`tenant-${String(n)}`);
    await stage.data.owner.query("insert into host.note (tenant_id, text) select $1, 'x' from generate_series(1, 30)", [
      tenant,
    ]);
    tenants.push(tenant);
  }
  const seen = await storm({ data: stage.data, tenants, transactions: 120_000, faultMs: 100 });
  expect(seen).toMatchObject({ foreign: 0, unexpected: [] });
  expect(seen.transactions).toBeGreaterThanOrEqual(120_000);
  expect(seen.rotations).toBeGreaterThan(5);
  expect(seen.killed).toBeGreaterThan(50);
});
