/**
 * The server process, as the supervisor starts it: `main.ts <runtime file>`.
 */
import { fileURLToPath } from "node:url";
import { createRingwall, type RingwallConfig } from "ringwall";
import { openSql, type Target } from "ringwall/adapters/postgres";
import { type PlainSecret, type SystemActor, systemClock } from "ringwall/core";
import { checkSchema } from "ringwall/migrations";
import { checkListener, type ListenerTls, openListenerTls } from "ringwall/network";
import { createLogger } from "ringwall/perimeter";
import {
  linesOfATurn,
  lineWriter,
  openParts,
  type Runtime,
  readRuntime,
  readSecret,
  runSupervised,
  targetOf,
  withBankRoute,
} from "ringwall/supervised";
import { createApi } from "./api.ts";
import { consoleRoutes } from "./console.ts";
import { startKeyCare } from "./key-care.ts";
import { createMetrics } from "./metrics.ts";
import { openMetricsPort } from "./metrics-port.ts";
import { finishRotations, openRotators, rotationsOf } from "./rotations.ts";
import { describeInstallation } from "./routes/installation/installation.ts";
import { startSequencer } from "./sequencer.ts";

const PRIVATE_UMASK = 0o077;
const SECRETS_WATCHER: SystemActor = { type: "system", capability: "secrets.read" };
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
  const { host, tls } = await listener(config, runtime.uid);
  const { close, parts: opened } = await openParts(runtime, config, log);
  const parts = { ...opened, clock: systemClock };
  await checkDatabase(parts.target);
  const metrics = createMetrics(systemClock);
  const ringwall = await createRingwall(config, { ...parts, meter: metrics.meter });
  // Before anything listens: what a restored backup brought back is erased again first.
  const keyCare = await startKeyCare(runtime, config, { ...parts, ringwall });
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
    keyAdministration: keyCare.administration,
    erasures: keyCare.erasures,
    wakeDeletions: () => keyCare.wake(),
    metrics,
    installation: describeInstallation({
      config,
      database: ringwall.database,
      clock: systemClock,
      auditKey: sequencer.publicKey,
      sequencer: sequencer.status,
      gateway: { settings: withBankRoute(config, runtime).gateway, port: runtime.ports.gateway ?? undefined },
      nodeVersion: process.version,
      dataDir: runtime.dataDir,
      uid: runtime.uid,
    }),
  };
  metrics.watch({
    connections: () => ringwall.database.connections(),
    sequencer: () => sequencer.status(),
    secrets: () => ringwall.secrets.list({ actor: SECRETS_WATCHER }),
    keys: () => keyCare.numbers(),
    certificateExpiresMs: () => tls?.expiresMs,
    draining: () => draining,
  });
  const places = { host, port: runtime.ports.api, adminSocket: runtime.adminSocket, console: consoleRoutes(CONSOLE) };
  const api = await createApi(services, { ...places, tls });
  const unwatch = tls?.watch();
  const { metrics: collected } = config.monitoring;
  const metricsPort = collected === undefined ? undefined : await openMetricsPort(metrics, collected.port);
  // In the background: a place that is slow to answer must not keep the server from serving.
  const finishing = finishRotations(ringwall.secrets, rotators, log);
  return async () => {
    draining = true;
    unwatch?.();
    await api.close();
    await metricsPort?.close();
    await finishing;
    await keyCare.stop();
    await ringwall.close();
    await close();
    // Last, so that what the others recorded while they ended is signed too.
    await sequencer.stop();
  };
}

/** @throws RingwallError when the database is not at this version. */
async function checkDatabase(target: Target): Promise<void> {
  const sql = openSql(target);
  try {
    await checkSchema(sql);
  } finally {
    await sql.destroy();
  }
}

async function listener(
  { mode, network }: RingwallConfig,
  uid: number | undefined,
): Promise<{ host: string; tls: ListenerTls | undefined }> {
  const { declaredProxy, host } = network;
  checkListener({ mode, host, tls: network.tls !== undefined, declaredProxy });
  if (network.tls === undefined) return { host, tls: undefined };
  const readKey = (path: string): Promise<PlainSecret> => readSecret(path, uid);
  return { host, tls: await openListenerTls(network.tls, { readKey, clock: systemClock, log }) };
}

function publicOrigin(runtime: Runtime, { mode, network, perimeter }: RingwallConfig): string {
  const host = perimeter.hosts.find((name) => !name.startsWith("*."));
  if (mode === "production" && host !== undefined) return `https://${host}`;
  return `${network.tls === undefined ? "http" : "https"}://localhost:${runtime.ports.api}`;
}

process.umask(PRIVATE_UMASK);
runSupervised(process, log, () => start(process.argv[2] ?? ""));
