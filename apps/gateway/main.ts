/**
 * The gateway process, as the supervisor starts it: `main.ts <runtime file>`.
 */
import { createRingwall } from "ringwall";
import { addressesOf } from "ringwall/adapters/fastify";
import { memoryCounters } from "ringwall/adapters/memory";
import { systemClock } from "ringwall/core";
import { assertionSigner, checkListener, openAssertionKeys } from "ringwall/network";
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
import { Gateway } from "./gateway.ts";
import { type Listening, listenPlain, listenTls } from "./listen.ts";
import { gatewayOf } from "./settings.ts";
import { type ListenerTls, listenerTls, tlsFilesOf } from "./tls.ts";

const PRIVATE_UMASK = 0o077;
const SWEEP_MS = 500;
const KEYS_MS = 60_000;
const CERTIFICATE_MS = 10_000;

const log = createLogger({
  write: lineWriter(process.stdout.fd),
  level: "info",
  clock: systemClock,
  join: linesOfATurn(process),
});

async function start(runtimeFile: string): Promise<() => Promise<void>> {
  const clock = systemClock;
  const { runtime, config: read } = await readRuntime(runtimeFile, process.getuid?.());
  const { config, gateway: settings, port } = gatewayOf(read, runtime);
  const { declaredProxy } = config.network;
  checkListener({ mode: config.mode, host: settings.host, tls: false, declaredProxy });
  const target = await targetOf(runtime, config, "ringwall_app");
  const signer = await readSigner(runtime);
  const shared = await openCounters(config, { log, uid: runtime.uid });
  const counters = shared.counters ?? memoryCounters({ clock });
  const openMaster = masterOpener(runtime, config);
  const ringwall = await createRingwall(config, { target, signer, openMaster, log, clock, counters });
  const { identity, keys, perimeter, recorder, secrets } = ringwall;
  const { keySeconds, lifeSeconds } = settings.assertion;
  const assertionKeys = await openAssertionKeys({ secrets, clock, keySeconds });
  const sign = assertionSigner({ keys: assertionKeys, clock, lifeSeconds });
  const gateway = new Gateway({
    config: settings,
    perimeter,
    identity,
    recorder,
    keys,
    counters,
    assertionKeys,
    sign,
    clock,
    log,
  });
  const listening: Listening[] = [];
  const addresses = addressesOf(settings.host);
  for (const [index, address] of addresses.entries()) {
    const one = await listenPlain(gateway, address, port).catch((error: unknown) => absentTwin(error, index));
    if (one !== undefined) listening.push(one);
  }
  let tls: ListenerTls | undefined;
  if (settings.tls !== undefined) {
    const at = { mode: config.mode, dataDir: runtime.dataDir, hosts: [...gateway.hosts] };
    tls = listenerTls(tlsFilesOf(settings.tls, at), settings.tls.minimum, log);
    for (const [index, address] of addresses.entries()) {
      const one = await listenTls(gateway, address, settings.tls.port, tls).catch((error: unknown) =>
        absentTwin(error, index),
      );
      if (one !== undefined) listening.push(one);
    }
  }
  const timers = [
    setInterval(() => void gateway.sweep().catch(report("sweep")), SWEEP_MS),
    setInterval(() => void assertionKeys.refresh().catch(report("assertion keys")), KEYS_MS),
    setInterval(() => tls?.check(), CERTIFICATE_MS),
  ];
  return async () => {
    gateway.drain();
    await Promise.all(listening.map(async (one) => await one.close()));
    for (const timer of timers) clearInterval(timer);
    await gateway.close();
    await ringwall.close();
    await shared.close();
  };
}

/** Where IPv6 is switched off, its loopback address is not there; the first address must be had. */
function absentTwin(error: unknown, index: number): undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  if (index > 0 && (code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT")) return undefined;
  throw error;
}

function report(what: string): (error: unknown) => void {
  return (error) => log.error({ err: error }, `${what} failed; it is tried again`);
}

process.umask(PRIVATE_UMASK);
runSupervised(process, log, () => start(process.argv[2] ?? ""));
