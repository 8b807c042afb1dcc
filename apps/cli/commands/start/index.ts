/**
 * `ringwall start`: the supervisor. Starts PostgreSQL, the server, in development the example bank, and the gateway where it
 * leads somewhere; says where to go, keeps them running and takes them down in order.
 *
 * Guards: everything that can be refused is refused before anything is started; passwords travel in 0600 files, never
 * in arguments or the environment; one supervisor a data directory. A supervisor that is killed leaves no Node process
 * behind (they end when its channel closes), and the next start takes over the PostgreSQL it left.
 * Does not guard against whoever can act as the same user.
 *
 * Limits: five crashes of one process a minute, ten seconds for a drain, 60 s to become ready.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { makeClient } from "../../client.ts";
import type { Command, Context, ExitCode } from "../../command.ts";
import { EXIT } from "../../command.ts";
import { type ConfigFile, findConfigFile, modeOf, readConfigFile } from "../../config-file.ts";
import { type DataPaths, dataDirectory, prepareDataDirectory } from "../../data-directory.ts";
import { writePrivateFile } from "../../private-file.ts";
import { usesEmbeddedDatabase } from "../database-target.ts";
import { announce } from "./announce.ts";
import { childService, trimLog } from "./child.ts";
import { claimDataDirectory } from "./claim.ts";
import { buildConsole } from "./console-build.ts";
import { checkPorts } from "./ports.ts";
import { type Runtime, writeRuntime } from "./runtime.ts";
import { type Service, type Supervisor, supervise } from "./supervise.ts";

const API_PORT = 7_400;
const BANK_PORT = 7_490;
const GATEWAY_PORT = 7_480;
const PORT_MAX = 65_535;
const LOG_CHECK_MS = 30_000;
const SERVER_SCRIPT = fileURLToPath(new URL("../../../server/main.ts", import.meta.url));
const BANK_SCRIPT = fileURLToPath(new URL("../../../../examples/bank/main.ts", import.meta.url));
const GATEWAY_SCRIPT = fileURLToPath(new URL("../../../gateway/main.ts", import.meta.url));
const BANK_MIGRATIONS = fileURLToPath(new URL("../../../../examples/bank/migrations/index.ts", import.meta.url));

/** What a start needs to know, all of it checked. */
interface Plan {
  readonly paths: DataPaths;
  readonly config: ConfigFile;
  readonly apiPort: number;
  readonly bankPort: number | undefined;
  readonly gatewayPort: number | undefined;
  readonly bootstrapFile: string | undefined;
}

export const start: Command = {
  name: "start",
  summary: "Run Ringwall here: PostgreSQL, the server and, in development, the example bank",
  about:
    "Data lives in --data DIR, else in /var/lib/ringwall for root, else in $XDG_STATE_HOME/ringwall or " +
    "~/.local/state/ringwall. Without a configuration file a development one is written there. Ctrl-C drains and stops " +
    "everything; a second one stops at once.",
  options: {
    port: { value: "N", summary: `Port of the API (${API_PORT})` },
    "bank-port": { value: "N", summary: `Port of the example bank (${BANK_PORT})` },
    "gateway-port": { value: "N", summary: `Port of the gateway (${GATEWAY_PORT}, or the configured one)` },
    data: { value: "DIR", summary: "Data directory, created when missing" },
    config: { value: "FILE", summary: "Configuration file" },
    "no-example": { summary: "Do not run the example bank" },
    "bootstrap-file": {
      value: "FILE",
      summary: "Write the enrolment link into this file (mode 0600), not on the terminal",
    },
  },
  examples: [
    ["ringwall start", "everything, on its usual ports"],
    ["ringwall start --port 8400 --bank-port 8490 --gateway-port 8480 --data ./data", "beside another one"],
    ["ringwall start --config /etc/ringwall/ringwall.config.json --no-example", "with a configuration of your own"],
  ],
  async run(input, context) {
    const apiPort = input.whole("port", 1, PORT_MAX) ?? API_PORT;
    const example = input.flag("no-example") ? undefined : (input.whole("bank-port", 1, PORT_MAX) ?? BANK_PORT);
    await checkPorts([
      { number: apiPort, option: "--port", use: "the API" },
      ...(example === undefined ? [] : [{ number: example, option: "--bank-port", use: "the example bank" }]),
    ]);
    const { uid, pid } = context.machine;
    const root = dataDirectory(input.text("data"), context.machine);
    // Found before the directory is made, so that a mistyped --config leaves nothing behind.
    const found = findConfigFile(input.text("config"), root, context.machine);
    const paths = prepareDataDirectory(root, uid);
    const release = claimDataDirectory(paths.run, pid);
    try {
      const config = await readConfigFile(found ?? writeFirstConfig(paths), uid);
      const bankPort = bankPortOf(example, config, context);
      const gatewayPort = gatewayPortOf(input.whole("gateway-port", 1, PORT_MAX), config, bankPort);
      if (gatewayPort !== undefined) {
        await checkPorts([{ number: gatewayPort, option: "--gateway-port", use: "the gateway" }]);
      }
      const bootstrapFile = input.text("bootstrap-file");
      return await superviseAll(context, {
        paths,
        config,
        apiPort,
        bankPort,
        gatewayPort,
        bootstrapFile: bootstrapFile === undefined ? undefined : resolve(context.machine.cwd, bootstrapFile),
      });
    } finally {
      release();
    }
  },
};

/** An installation may come without the example; everything else runs then, and says so. */
function bankPortOf(wanted: number | undefined, config: ConfigFile, context: Context): number | undefined {
  if (wanted === undefined || modeOf(config) !== "development") return undefined;
  if (!usesEmbeddedDatabase(config)) {
    // Its tables and its role belong into no database that is somebody's own.
    context.stderr("bank ... runs on the embedded PostgreSQL only, skipped");
    return undefined;
  }
  if (existsSync(BANK_SCRIPT)) return wanted;
  context.stderr("bank ... not installed, skipped");
  return undefined;
}

/** What matters here of the gateway's section; the whole of it is checked where it is used. */
const Gateway = z.object({ gateway: z.object({ port: z.int().optional(), routes: z.array(z.unknown()).optional() }) });

/** The gateway runs where it leads somewhere: to configured routes, or to the example. */
function gatewayPortOf(wanted: number | undefined, { content }: ConfigFile, bankPort?: number): number | undefined {
  const { port = GATEWAY_PORT, routes = [] } = Gateway.safeParse(content).data?.gateway ?? {};
  if ((routes.length === 0 && bankPort === undefined) || !existsSync(GATEWAY_SCRIPT)) return undefined;
  return wanted ?? port;
}

/** The whole of it is checked where it is used; without the section there is nothing to ask. */
function namesCounters(config: ConfigFile): boolean {
  return typeof config.content === "object" && config.content !== null && "counters" in config.content;
}

function speaksTls({ content }: ConfigFile): boolean {
  return z.object({ network: z.object({ tls: z.object({}) }) }).safeParse(content).success;
}

/** The first start, with nothing said: development, on this machine only. */
function writeFirstConfig(paths: DataPaths): string {
  writePrivateFile(paths.config, `${JSON.stringify({ mode: "development" }, undefined, 2)}\n`);
  return paths.config;
}

async function superviseAll(context: Context, plan: Plan): Promise<ExitCode> {
  const supervisor = supervise({
    clock: context.clock,
    delay: async (ms, signal) => {
      await delay(ms, undefined, { signal }).catch(() => {});
    },
    log: context.stderr,
  });
  const trimming = setInterval(() => {
    for (const name of ["server", "bank", "gateway"]) trimLog(join(plan.paths.log, `${name}.log`));
  }, LOG_CHECK_MS);
  const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<undefined>();
  if (context.signal.aborted) interrupt(undefined);
  context.signal.addEventListener("abort", () => interrupt(undefined), { once: true });
  // Never settles when all goes well: a running system ends by being asked to, or by giving up.
  const starting = startAll(supervisor, context, plan).then(() => new Promise<never>(() => {}));
  try {
    const reason = await Promise.race([interrupted, supervisor.gaveUp, starting]);
    if (reason !== undefined) throw reason;
    return EXIT.ok;
  } catch (error) {
    // Whatever was under way when somebody asked to stop has failed because of that.
    if (context.signal.aborted) return EXIT.ok;
    throw error;
  } finally {
    context.stderr("stopping ...");
    await supervisor.stop(context.forced);
    clearInterval(trimming);
    context.stderr("stopped");
  }
}

async function startAll(supervisor: Supervisor, context: Context, plan: Plan): Promise<void> {
  const { paths } = plan;
  // Beside the database's start, which takes longer.
  const building = buildConsole(context);
  let postgres: Runtime["postgres"] = null;
  if (usesEmbeddedDatabase(plan.config)) {
    // Loaded here, so that `--help` and the other commands do not wait for a database driver.
    const { embeddedDatabase } = await import("./database.ts");
    const applications = plan.bankPort !== undefined && existsSync(BANK_MIGRATIONS) ? [BANK_MIGRATIONS] : [];
    const database = embeddedDatabase({ paths, uid: context.machine.uid, say: context.stderr, applications });
    await timed(context, "PostgreSQL", () => supervisor.start(database.service));
    postgres = database.place();
  } else {
    const { checkExternalDatabase } = await import("./external-database.ts");
    await timed(context, "PostgreSQL", () =>
      checkExternalDatabase({ config: plan.config, paths, uid: context.machine.uid, clock: context.clock }),
    );
  }
  if (namesCounters(plan.config)) {
    const { checkCounters } = await import("../counters.ts");
    await timed(context, "counters", async () => void (await checkCounters(plan.config, context.machine.uid)));
  }
  const configFile = join(paths.run, "config.json");
  const runtimeFile = join(paths.run, "runtime.json");
  writePrivateFile(configFile, `${JSON.stringify(plan.config.content)}\n`);
  writeRuntime(runtimeFile, {
    configFile,
    dataDir: paths.root,
    adminSocket: paths.adminSocket,
    postgres,
    ports: { api: plan.apiPort, bank: plan.bankPort ?? null, gateway: plan.gatewayPort ?? null },
  });
  const child = (name: string, script: string): Service =>
    childService({
      name,
      script,
      runtimeFile,
      nodePath: context.machine.nodePath,
      logFile: join(paths.log, `${name}.log`),
      environment: context.machine.childEnvironment,
    });
  await building;
  await timed(context, "server", () => supervisor.start(child("server", SERVER_SCRIPT)));
  if (plan.bankPort !== undefined) await timed(context, "bank", () => supervisor.start(child("bank", BANK_SCRIPT)));
  if (plan.gatewayPort !== undefined) {
    await timed(context, "gateway", () => supervisor.start(child("gateway", GATEWAY_SCRIPT)));
  }
  const client = makeClient({ kind: "socket", path: paths.adminSocket }, context.signal);
  await announce(context, client, { ...plan, configFile: plan.config.path, tls: speaksTls(plan.config) });
}

/** "PostgreSQL ... ready in 1.2 s", so that a wait is seen to be one. */
async function timed(context: Context, what: string, work: () => Promise<void>): Promise<void> {
  context.stderr(`${what} ... starting`);
  const startedMs = context.clock();
  await work();
  context.stderr(`${what} ... ready in ${((context.clock() - startedMs) / 1_000).toFixed(1)} s`);
}
