/**
 * The gateway process, as the supervisor starts it: `main.ts <runtime file>`.
 */
import { createRingwall } from "ringwall";
import { addressesOf } from "ringwall/adapters/fastify";
import { memoryCounters } from "ringwall/adapters/memory";
import { systemClock } from "ringwall/core";
import { assertionSigner, type ListenerTls, openAssertionKeys, openListenerTls } from "ringwall/network";
import { createLogger } from "ringwall/perimeter";
import { linesOfATurn, lineWriter, openParts, readRuntime, readSecret, runSupervised } from "ringwall/supervised";
import { Gateway } from "./gateway.ts";
import { type Listening, listenPlain, listenTls } from "./listen.ts";
import { gatewayOf, placesOf } from "./settings.ts";
import { tlsFilesOf } from "./tls.ts";

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
  const places = placesOf({ config, gateway: settings });
  const { parts, close } = await openParts(runtime, config, log);
  const counters = parts.counters ?? memoryCounters({ clock });
  const ringwall = await createRingwall(config, { ...parts, clock, counters });
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
  for (const [index, address] of addressesOf(places.plain).entries()) {
    const one = await listenPlain(gateway, address, port).catch((error: unknown) => absentTwin(error, index));
    if (one !== undefined) listening.push(one);
  }
  let tls: ListenerTls | undefined;
  if (settings.tls !== undefined) {
    const at = { mode: config.mode, dataDir: runtime.dataDir, hosts: [...gateway.hosts], clock };
    const files = { ...tlsFilesOf(settings.tls, at), minimum: settings.tls.minimum };
    tls = await openListenerTls(files, { readKey: (path) => readSecret(path, runtime.uid), clock, log });
    for (const [index, address] of addressesOf(places.tls ?? places.plain).entries()) {
      const one = await listenTls(gateway, address, settings.tls.port, tls).catch((error: unknown) =>
        absentTwin(error, index),
      );
      if (one !== undefined) listening.push(one);
    }
  }
  const timers = [
    setInterval(() => void gateway.sweep().catch(report("sweep")), SWEEP_MS),
    setInterval(() => void assertionKeys.refresh().catch(report("assertion keys")), KEYS_MS),
    setInterval(() => gateway.refreshUpstreams(), CERTIFICATE_MS),
  ];
  const unwatch = tls?.watch();
  return async () => {
    unwatch?.();
    gateway.drain();
    await Promise.all(listening.map(async (one) => await one.close()));
    for (const timer of timers) clearInterval(timer);
    await gateway.close();
    await ringwall.close();
    await close();
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
