import type { AddressInfo } from "node:net";
import { MIGRATIONS as BANK_MIGRATIONS } from "../../examples/bank/migrations/index.ts";
import { type Bank, createBank } from "../../examples/bank/server.ts";
import { MIGRATIONS, migrate } from "../../migrations/index.ts";
import { register, route } from "../../src/adapters/fastify/index.ts";
import { openSql } from "../../src/adapters/postgres/index.ts";
import { randomBytes, silentLogger } from "../../src/core/index.ts";
import { softwareMaster } from "../../src/data/keys/index.ts";
import { contextSigner } from "../../src/data/tenants/index.ts";
import type { Layer } from "../../src/pipeline.ts";
import { createRingwall, RingwallConfig } from "../../src/ringwall.ts";
import { type TestDatabase, testDatabase } from "../../src/testing/index.ts";
import { compose } from "./composition.ts";
import { type Members, members } from "./people.ts";

/** The bank on real HTTP, over a database of its own, with one layer taken out or with all five. */
export interface BreachStage {
  readonly without: Layer | undefined;
  readonly port: number;
  readonly at: TestDatabase;
  readonly north: Members;
  readonly south: Members;
  close(): Promise<void>;
}

/** Builds the whole; people and money are made with all layers on, by the product's own functions. */
export async function breachStage(without: Layer | undefined): Promise<BreachStage> {
  const at = await testDatabase();
  const owner = openSql(at.target("ringwall_migrate"));
  await migrate(owner, MIGRATIONS, [{ application: "bank", migrations: BANK_MIGRATIONS }]);
  await owner.destroy();
  const signer = contextSigner(at.contextKey);
  const master = softwareMaster(randomBytes(32));
  const ringwall = await createRingwall(RingwallConfig.parse({ mode: "development" }), {
    target: at.target("ringwall_app"),
    signer,
    openMaster: async () => master,
    log: silentLogger,
    clock: at.clock,
  });
  const whole: Bank = {
    ringwall,
    database: at.client,
    clock: at.clock,
    publicOrigin: "http://localhost",
    draining: () => false,
  };
  const north = await members(whole, "northbank");
  const south = await members(whole, "southbank");
  const bank = await compose(whole, ringwall, at, without);
  const app = createBank(bank);
  register(app, [deviceRoute()]);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const { port } = app.server.address() as AddressInfo;
  return {
    without,
    port,
    at,
    north,
    south,
    async close() {
      await app.close();
      await ringwall.close();
      await at.close();
    },
  };
}

/** A route that only devices of the organisation's own reach. The bank has none; the network layer is tried on this one. */
function deviceRoute() {
  const policy = { access: "principal", tierMin: 2, summary: "For managed devices." } as const;
  return route("GET", "/api/vault", policy, () => ({ open: true }));
}
