import { afterEach, beforeEach, expect, test } from "vitest";
import { parseConfig, randomBytes, type ServiceActor, silentLogger, systemClock } from "./core/index.ts";
import { softwareMaster } from "./data/keys/index.ts";
import { contextSigner } from "./data/tenants/index.ts";
import { createRingwall, type Ringwall, RingwallConfig } from "./ringwall.ts";
import { type TestDatabase, testDatabase } from "./testing/index.ts";

const AT_ONCE = 20;

let data: TestDatabase;
let ringwall: Ringwall;
beforeEach(async () => {
  data = await testDatabase();
  ringwall = await createRingwall(
    // The smallest pool: one connection that reads share and one for transactions.
    parseConfig(RingwallConfig, { mode: "development", database: { kind: "embedded", connectionsMax: 2 } }),
    {
      target: data.target("ringwall_app"),
      signer: contextSigner(data.contextKey),
      openMaster: async () => softwareMaster(randomBytes(32)),
      log: silentLogger,
      clock: systemClock,
    },
  );
});
afterEach(async () => {
  await ringwall.close();
  await data.close();
});

test("transactions that record for tenants without a key at hand all finish, however few connections there are", async () => {
  const tenants = await Promise.all(Array.from({ length: AT_ONCE }, (_, index) => data.createTenant(`cold-${index}`)));
  await Promise.all(
    tenants.map(async (tenant) => {
      const actor: ServiceActor = { type: "service", tenant, name: "test" };
      await ringwall.database.forTenant(tenant, actor, async (tx) => {
        // The transaction holds its connection before the key is asked for.
        await tx.run({ name: "test.hold", text: "select 1" });
        await ringwall.recorder.record(tx, {
          action: "account.read",
          outcome: "success",
          tenant,
          actor,
          targets: [],
          context: { address: "192.0.2.1" },
        });
      });
    }),
  );
  const [row] = await data.owner.query(
    "select count(distinct tenant_id)::int as tenants from ringwall.audit_outbox where leaf like '%account.read%'",
  );
  expect(row).toEqual({ tenants: AT_ONCE });
});
