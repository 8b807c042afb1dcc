/**
 * The bank's process, as the supervisor starts it: `main.ts <runtime file>`. It signs in to the database as `bank_app`,
 * whose password it fetches from the secret store whenever a connection is made.
 */
import { createRingwall } from "ringwall";
import { addressesOf, listenOn } from "ringwall/adapters/fastify";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { PLATFORM_TENANT, RingwallError, systemClock } from "ringwall/core";
import { createLogger } from "ringwall/perimeter";
import {
  linesOfATurn,
  lineWriter,
  masterOpener,
  openCounters,
  readRuntime,
  readSigner,
  runSupervised,
  targetOf,
} from "ringwall/supervised";
import { PASSWORD_SECRET, takeOverPassword } from "./password.ts";
import { type SeededBank, seed } from "./seed.ts";
import { createBank, SESSION_COOKIE } from "./server.ts";

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
  const signer = await readSigner(runtime);
  const target = await targetOf(runtime, config, "ringwall_app");
  const openMaster = masterOpener(runtime, config);
  const shared = await openCounters(config, { log, uid: runtime.uid });
  const parts = { target, signer, openMaster, log, clock, counters: shared.counters, sessionCookie: SESSION_COOKIE };
  const ringwall = await createRingwall(config, parts);
  await takeOverPassword(ringwall.secrets, runtime, `${ROLE}.password`);
  const actor = { type: "service", tenant: PLATFORM_TENANT, name: "bank" } as const;
  const own = await targetOf(runtime, config, ROLE, () => ringwall.secrets.getFresh(PASSWORD_SECRET, { actor }));
  const database = postgresDatabase({ target: own, signer, clock });
  let draining = false;
  const publicOrigin = `http://localhost:${api}`;
  const bank: SeededBank = { ringwall, database, clock, publicOrigin, draining: () => draining };
  await seed(bank, config.mode, runtime);
  const app = await listenOn(() => createBank(bank), { addresses: addressesOf("localhost"), port });
  return async () => {
    draining = true;
    await app.close();
    await database.close();
    await ringwall.close();
    await shared.close();
  };
}

process.umask(PRIVATE_UMASK);
runSupervised(process, log, () => start(process.argv[2] ?? ""));
