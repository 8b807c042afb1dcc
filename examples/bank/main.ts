/**
 * The bank's process, as the supervisor starts it: `main.ts <runtime file>`. It signs in to the database as `bank_app`,
 * whose password it fetches from the secret store whenever a connection is made.
 */
import { rm } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import { createRingwall } from "ringwall";
import { addressesOf, listenOn } from "ringwall/adapters/fastify";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { PLATFORM_TENANT, RingwallError, systemClock } from "ringwall/core";
import { assertionVerifier, remoteKeys } from "ringwall/network";
import { createLogger } from "ringwall/perimeter";
import {
  bankSocket,
  linesOfATurn,
  lineWriter,
  openParts,
  type Runtime,
  readRuntime,
  runSupervised,
  targetOf,
} from "ringwall/supervised";
import { PASSWORD_SECRET, takeOverPassword } from "./password.ts";
import { type SeededBank, seed } from "./seed.ts";
import { type Bank, createBank, SESSION_COOKIE } from "./server.ts";

const PRIVATE_UMASK = 0o077;
const ROLE = "bank_app";

const log = createLogger({
  write: lineWriter(process.stdout.fd),
  level: "info",
  clock: systemClock,
  join: linesOfATurn(process),
});

async function start(runtimeFile: string): Promise<() => Promise<void>> {
  const clock = systemClock;
  const { runtime, config } = await readRuntime(runtimeFile, process.getuid?.());
  const { api, bank: port } = runtime.ports;
  if (port === null) throw new RingwallError("config.invalid", { message: "the bank has no port" });
  const { parts, close } = await openParts(runtime, config, log);
  const ringwall = await createRingwall(config, { ...parts, clock, sessionCookie: SESSION_COOKIE });
  await takeOverPassword(ringwall.secrets, runtime, `${ROLE}.password`);
  const actor = { type: "service", tenant: PLATFORM_TENANT, name: "bank" } as const;
  const own = await targetOf(runtime, config, ROLE, () => ringwall.secrets.getFresh(PASSWORD_SECRET, { actor }));
  const database = postgresDatabase({ target: own, signer: parts.signer, clock });
  let draining = false;
  const publicOrigin = `http://localhost:${api}`;
  const bank: SeededBank = { ringwall, database, clock, publicOrigin, draining: () => draining };
  await seed(bank, config.mode, runtime);
  const app = await listenOn(() => createBank(bank), { addresses: addressesOf("localhost"), port });
  const behind = await listenBehindGateway(bank, runtime);
  return async () => {
    draining = true;
    await app.close();
    await behind?.close();
    await database.close();
    await ringwall.close();
    await close();
  };
}

/** The same bank for what comes through the gateway: its assertions say who is asking, and nobody else reaches the socket. */
async function listenBehindGateway(bank: Bank, runtime: Runtime): Promise<FastifyInstance | undefined> {
  const { gateway } = runtime.ports;
  if (gateway === null) return undefined;
  const keys = remoteKeys(`http://localhost:${gateway}/.well-known/ringwall/jwks.json`);
  const app = createBank(bank, { assertion: assertionVerifier({ audience: "bank", keys, clock: bank.clock }) });
  const path = bankSocket(runtime);
  await rm(path, { force: true });
  await app.listen({ path });
  return app;
}

process.umask(PRIVATE_UMASK);
runSupervised(process, log, () => start(process.argv[2] ?? ""));
