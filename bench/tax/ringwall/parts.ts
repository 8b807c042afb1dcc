import path from "node:path";
import { z } from "zod";
import type { Bank } from "../../../examples/bank/server.ts";
import { openMasterKeyFile } from "../../../src/adapters/files/index.ts";
import { postgresDatabase } from "../../../src/adapters/postgres/index.ts";
import { type Logger, parseConfig, systemClock } from "../../../src/core/index.ts";
import { contextSigner } from "../../../src/data/tenants/index.ts";
import { createRingwall, type Ringwall, RingwallConfig } from "../../../src/ringwall.ts";
import { POOL_CONNECTIONS } from "../variant.ts";
import { targetOf } from "./database.ts";

const Access = z.object({
  host: z.string(),
  port: z.number(),
  database: z.string(),
  user: z.string(),
  password: z.string(),
});

/** What a process of this variant is told, over its channel. */
export const Parts = z.object({
  app: Access,
  worker: Access,
  bank: Access,
  contextKey: z.object({ kid: z.string(), keyHex: z.string() }),
  /** For the files a production machine would hold: master key, audit key, signed heads. */
  folder: z.string(),
});
export type Parts = z.output<typeof Parts>;

/** As `examples/bank/main.ts` names it. */
export const SESSION_COOKIE = "__Host-bank_session";

// So high that the load's one address and its 64 people never meet them; every request is counted all the same.
const HIGH = { limit: 10_000_000, periodSeconds: 60, burst: 1_000_000 };

/** A production configuration: the defaults, with the limits above in place of those for people. */
export const config = parseConfig(RingwallConfig, {
  mode: "production",
  perimeter: { hosts: ["127.0.0.1"], rates: { address: HIGH, account: HIGH, tenant: HIGH } },
});

/** Raised in the same way: the load makes in a second what a customer makes in a year. */
const LIMITS = { transfers: { windowSeconds: 3_600, sumMax: 1_000_000_000_000n, countMax: 1_000_000_000 } };

export function signerOf({ contextKey }: Parts): ReturnType<typeof contextSigner> {
  return contextSigner({ kid: contextKey.kid, key: Buffer.from(contextKey.keyHex, "hex") });
}

/** Ringwall and the bank on it, composed as `examples/bank/main.ts` does. */
export async function composeBank(parts: Parts, log: Logger): Promise<Bank & { readonly ringwall: Ringwall }> {
  const signer = signerOf(parts);
  const ringwall = await createRingwall(config, {
    target: targetOf(parts.app),
    signer,
    openMaster: (mayCreate) =>
      openMasterKeyFile({
        file: path.join(parts.folder, "master.key"),
        mode: config.mode,
        allowInProduction: true,
        mayCreate,
      }),
    log,
    clock: systemClock,
    sessionCookie: SESSION_COOKIE,
  });
  const database = postgresDatabase({
    target: targetOf(parts.bank),
    signer,
    clock: systemClock,
    connectionsMax: POOL_CONNECTIONS,
  });
  return {
    ringwall,
    database,
    clock: systemClock,
    limits: LIMITS,
    publicOrigin: "http://127.0.0.1",
    draining: () => false,
  };
}
