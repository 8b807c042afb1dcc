/**
 * The server process, as the supervisor starts it: `main.ts <runtime file>`.
 */
import { fileURLToPath } from "node:url";
import { createRingwall, type RingwallConfig } from "ringwall";
import { openSql } from "ringwall/adapters/postgres";
import { RingwallError, systemClock } from "ringwall/core";
import { checkSchema } from "ringwall/migrations";
import { checkListener } from "ringwall/network";
import { createLogger } from "ringwall/perimeter";
import {
  linesOfATurn,
  lineWriter,
  masterOpener,
  openCounters,
  type Runtime,
  readRuntime,
  readSigner,
  runSupervised,
  targetOf,
} from "ringwall/supervised";
import { createApi } from "./api.ts";
import { consoleRoutes } from "./console.ts";
import { finishRotations, openRotators, rotationsOf } from "./rotations.ts";
import { describeInstallation } from "./routes/installation/installation.ts";
import { startSequencer } from "./sequencer.ts";

const PRIVATE_UMASK = 0o077;
const CONSOLE = fileURLToPath(new URL("../console/dist", import.meta.url));

const log = createLogger({
  write: lineWriter(process.stdout.fd),
  level: "info",
  clock: systemClock,
  join: linesOfATurn(process),
});

/** Starts everything, in the order in which one leans on another. Returns what takes it down in the reverse order. */
async function start(runtimeFile: string): Promise<() => Promise<void>> {
  const { runtime, config } = await readRuntime(runtimeFile, process.getuid?.());
  const host = listenHost(config);
  const target = await targetOf(runtime, config, "ringwall_app");
  const sql = openSql(target);
  try {
    await checkSchema(sql);
  } finally {
    await sql.destroy();
  }
  const signer = await readSigner(runtime);
  const shared = await openCounters(config, { log, uid: runtime.uid });
  const parts = { signer, log, clock: systemClock };
  const openMaster = masterOpener(runtime, config);
  const ringwall = await createRingwall(config, { ...parts, target, openMaster, counters: shared.counters });
  const sequencer = await startSequencer(runtime, config, parts);
  const rotators = await openRotators(
    rotationsOf(config.secrets.rotations, config.mode === "development" && runtime.ports.bank !== null),
    (role) => targetOf(runtime, config, role),
  );
  let draining = false;
  const services = {
    ringwall,
    publicOrigin: publicOrigin(runtime, config),
    draining: () => draining,
    rotators,
    installation: describeInstallation({
      config,
      database: ringwall.database,
      clock: systemClock,
      auditKey: sequencer.publicKey,
      sequencer: sequencer.status,
      nodeVersion: process.version,
      dataDir: runtime.dataDir,
      uid: runtime.uid,
    }),
  };
  const places = { host, port: runtime.ports.api, adminSocket: runtime.adminSocket, console: consoleRoutes(CONSOLE) };
  const api = await createApi(services, places);
  // In the background: a place that is slow to answer must not keep the server from serving.
  const finishing = finishRotations(ringwall.secrets, rotators, log);
  return async () => {
    draining = true;
    await api.close();
    await finishing;
    await ringwall.close();
    await shared.close();
    // Last, so that what the others recorded while they ended is signed too.
    await sequencer.stop();
  };
}

function listenHost({ mode, network }: RingwallConfig): string {
  if (network.tls !== undefined) {
    throw new RingwallError("config.invalid", {
      message: "network.tls: this server does not end TLS itself; let a proxy do it and set network.declaredProxy",
    });
  }
  checkListener({ mode, host: network.host, tls: false, declaredProxy: network.declaredProxy });
  return network.host;
}

function publicOrigin(runtime: Runtime, { mode, perimeter }: RingwallConfig): string {
  const host = perimeter.hosts.find((name) => !name.startsWith("*."));
  return mode === "production" && host !== undefined ? `https://${host}` : `http://localhost:${runtime.ports.api}`;
}

process.umask(PRIVATE_UMASK);
runSupervised(process, log, () => start(process.argv[2] ?? ""));
