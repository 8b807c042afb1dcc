import type { KeyObject } from "node:crypto";
import { mkdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOTP } from "otpauth";
import { createRingwall, type Ringwall, RingwallConfig } from "ringwall";
import type { RouteDefinition } from "ringwall/adapters/fastify";
import { createAuditKeyFile, fileErasureLedger, fileHeadStore, readAuditKeyFile } from "ringwall/adapters/files";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { type Clock, type Logger, type Meter, randomBytes, systemClock } from "ringwall/core";
import { createErasures, erasureSigner } from "ringwall/data/erasure";
import { softwareMaster } from "ringwall/data/keys";
import type { Rotator } from "ringwall/data/secrets";
import { createSequencer, HeadVerifier, headSigner, type Sequencer } from "ringwall/monitoring/audit";
import { GatewayConfig } from "ringwall/network";
import { createLogger } from "ringwall/perimeter";
import { presentSigner, type TestDatabase, testDatabase } from "ringwall/testing";
import { createApi } from "./api.ts";
import { type Ask, asker } from "./http.fixture.ts";
import { type KeyCare, runKeyCare } from "./key-care.ts";
import { createMetrics, type Metrics } from "./metrics.ts";
import { allRoutes } from "./routes/index.ts";
import { describeInstallation, type GatewayFacts, type Installation } from "./routes/installation/installation.ts";

/** Good for everybody here: long enough alone, and none of anybody's words. */
export const PASSWORD = "tide knot 52 ember";
export const TOTP_STEP_MS = 30_000;

const PLENTY = { limit: 1_000_000, periodSeconds: 60, burst: 1_000_000 };
const PUBLIC_ORIGIN = "http://localhost:7400";

/** Somebody who is signed in, with the second factor when the role needs one. */
export interface Person {
  readonly tenant: string;
  readonly email: string;
  readonly id: string;
  /** Replaced by `freshen`. */
  token: string;
  /** A code of the present step; empty without a second factor. */
  code(): string;
}

export type Role = "viewer" | "editor" | "admin" | "owner";

export type Stage = Awaited<ReturnType<typeof apiStage>>;

/** How the stage differs from the usual one. */
export interface StageOptions {
  /** The configured limits instead of ones that no test reaches. */
  readonly rates?: boolean;
  /** Believes that the asker is a proxy which ends TLS. */
  readonly behindProxy?: boolean;
  /** Pages to serve beside the API; none unless given. */
  readonly console?: readonly RouteDefinition[];
  /** The gateway that is said to run beside the server. */
  readonly gateway?: GatewayFacts;
  readonly rotators?: (data: TestDatabase) => Promise<ReadonlyMap<string, Rotator>>;
}

/**
 * The server's API as it is served, port and local socket, over a database of its own and with a clock that tests move.
 * Everything under it is the product's; people come in through the API itself.
 */
export async function apiStage(options: StageOptions = {}) {
  const data = await testDatabase();
  const folder = await mkdtemp(join(tmpdir(), "rw-api-"));
  const time = { aheadMs: 0 };
  const clock = (): number => systemClock() + time.aheadMs;
  const lines: string[] = [];
  const log = createLogger({ write: (line) => void lines.push(line), level: "info", clock });
  const metrics = createMetrics(clock);
  const ringwall = await openRingwall(data, options, { log, clock, meter: metrics.meter });
  const { auditKey, sequencer } = await openSequencer(data, folder, log);
  const keyCare = await openKeyCare(data, folder, { ringwall, log, clock });
  const state = { draining: false };
  watchAll(metrics, { ringwall, sequencer, keyCare, state });
  const { administration: keyAdministration, erasures } = keyCare;
  const rotators = (await options.rotators?.(data)) ?? new Map<string, Rotator>();
  const draining = (): boolean => state.draining;
  const gateway = options.gateway ?? { settings: GatewayConfig.parse({}), port: undefined };
  const installation = installationOf(ringwall, { clock, auditKey, folder, sequencer, gateway });
  const own = { ringwall, publicOrigin: PUBLIC_ORIGIN, draining, rotators, metrics, installation };
  const services = { ...own, keyAdministration, erasures, wakeDeletions: () => keyCare.wake() };
  const adminSocket = join(folder, "admin.sock");
  const places = { host: "127.0.0.1", port: 0, adminSocket, console: options.console ?? [] };
  const api = await createApi(services, places);
  const routes = allRoutes(() => services);
  const ask = asker({ port: api.port }, routes);
  const operator = asker({ socketPath: adminSocket }, routes);
  const people = cast({ ask, operator, clock });
  const advance = async (ms: number): Promise<void> => {
    await settled(ringwall);
    time.aheadMs += ms;
  };
  return {
    data,
    ringwall,
    clock,
    lines,
    folder,
    keyCare,
    auditKey,
    port: api.port,
    adminSocket,
    routes,
    metrics,
    /** Asks at the port, as anybody can. */
    ask,
    /** Asks at the local socket, as the machine's own operator. */
    operator,
    ...people,
    drain(): void {
      state.draining = true;
    },
    advance,
    /** Into the next step of codes. */
    nextStep: () => advance(TOTP_STEP_MS),
    /** Gives the person a second factor given just now. */
    async freshen(person: Person): Promise<void> {
      await advance(TOTP_STEP_MS);
      const body = { code: person.code() };
      person.token = (await ask("POST", "/v1/session/step-up", { token: person.token, body })).field("token");
    },
    /** Chains what was recorded, as the sequencer does all the time. */
    async sequence(): Promise<void> {
      await settled(ringwall);
      await sequencer.drain();
    },
    close: () => closeAll([api, asClosing(keyCare), ringwall, asClosing(sequencer), data], folder),
  };
}

interface Closing {
  close(): Promise<void>;
}

function asClosing(part: { stop(): Promise<void> }): Closing {
  return { close: () => part.stop() };
}

async function closeAll(parts: readonly Closing[], folder: string): Promise<void> {
  for (const part of parts) await part.close();
  await rm(folder, { recursive: true, force: true });
}

function watchAll(
  metrics: Metrics,
  parts: { ringwall: Ringwall; sequencer: Sequencer; keyCare: KeyCare; state: { readonly draining: boolean } },
): void {
  const { ringwall, sequencer, state } = parts;
  metrics.watch({
    connections: () => ringwall.database.connections(),
    sequencer: () => sequencer.status(),
    secrets: () => ringwall.secrets.list({ actor: { type: "system", capability: "secrets.read" } }),
    keys: () => parts.keyCare.numbers(),
    certificateExpiresMs: () => undefined,
    draining: () => state.draining,
  });
}

function installationOf(
  { database }: Ringwall,
  parts: { clock: Clock; auditKey: KeyObject; folder: string; sequencer: Sequencer; gateway: GatewayFacts },
): Installation {
  const { auditKey, clock, folder, gateway, sequencer } = parts;
  mkdirSync(join(folder, "secrets"), { mode: 0o700 });
  return describeInstallation({
    config: RingwallConfig.parse({ mode: "development" }),
    database,
    clock,
    auditKey,
    sequencer: () => sequencer.status(),
    gateway,
    nodeVersion: "v24.0.0",
    dataDir: folder,
    uid: undefined,
  });
}

async function openRingwall(
  data: TestDatabase,
  { behindProxy = false, rates = false }: StageOptions,
  parts: { readonly log: Logger; readonly clock: Clock; readonly meter: Meter },
): Promise<Ringwall> {
  const unlimited = { rates: { address: PLENTY, account: PLENTY, routes: { "sign-in": PLENTY } } };
  const config = RingwallConfig.parse({
    mode: "development",
    perimeter: { ...(rates ? {} : unlimited), trustedProxies: behindProxy ? ["127.0.0.1"] : [] },
  });
  return await createRingwall(config, {
    target: data.target("ringwall_app"),
    signer: presentSigner(data.contextKey),
    openMaster: async () => softwareMaster(randomBytes(32)),
    ...parts,
  });
}

/**
 * Makes what was noted durable. A note that waits while the clock jumps looks like one that could not be written, and
 * acts are refused then.
 */
async function settled({ recorder }: Ringwall): Promise<void> {
  if (!("flush" in recorder) || typeof recorder.flush !== "function") throw new TypeError("the recorder flushes");
  await recorder.flush();
}

async function openSequencer(data: TestDatabase, folder: string, log: ReturnType<typeof createLogger>) {
  const keyFile = join(folder, "audit.key");
  await createAuditKeyFile(keyFile);
  const signer = headSigner(await readAuditKeyFile(keyFile));
  const sequencer = createSequencer({
    database: data.worker,
    signer,
    verifier: new HeadVerifier([signer.publicKey]),
    heads: await fileHeadStore(join(folder, "audit-heads")),
    clock: data.clock,
    config: RingwallConfig.parse({ mode: "development" }).monitoring.audit,
    log,
  });
  await sequencer.start();
  return { auditKey: signer.publicKey, sequencer };
}

async function openKeyCare(
  data: TestDatabase,
  folder: string,
  { clock, log, ringwall }: { ringwall: Ringwall; log: Logger; clock: Clock },
) {
  const keyFile = join(folder, "erasure.key");
  await createAuditKeyFile(keyFile);
  const { database, keys, recorder } = ringwall;
  const worker = postgresDatabase({
    target: data.target("ringwall_worker"),
    signer: presentSigner(data.contextKey),
    clock,
    connectionsMax: 4,
  });
  const erasures = createErasures({
    worker,
    recorder,
    ledger: await fileErasureLedger(join(folder, "erasures", "erasures.jsonl")),
    signer: erasureSigner(await readAuditKeyFile(keyFile)),
    clock,
    log,
  });
  return runKeyCare({ database, worker, erasures, keys, recorder, clock, log, rowsPerSecondMax: 1_000_000 });
}

function cast({ ask, operator, clock }: { ask: Ask; operator: Ask; clock: () => number }) {
  const finish = async (path: string, body: object, tenant: string, email: string): Promise<Person> => {
    const joined = await ask("POST", path, { body });
    if (joined.status !== 200) throw new TypeError(`nobody could join: ${joined.text}`);
    let token = joined.field("next") === "done" ? joined.field("token") : "";
    let code = (): string => "";
    if (token === "") {
      const login = joined.field("login");
      const secret = (await ask("POST", "/v1/sign-in/enrolment", { body: { login } })).field("secret");
      code = authenticator(secret, clock);
      token = (await ask("POST", "/v1/sign-in/enrolment/confirm", { body: { login, code: code() } })).field("token");
    }
    const who = await ask("GET", "/v1/session", { token });
    return { tenant, email, token, id: who.field("user"), code };
  };
  const join_ = async (link: string, tenant: string, email: string): Promise<Person> => {
    const body = { token: tokenOf(link), name: "Somebody", password: PASSWORD };
    return await finish("/v1/invitations/accept", body, tenant, email);
  };
  return {
    /** A new tenant with its first owner. */
    async tenant(id: string): Promise<Person> {
      const email = `owner@${id}.example`;
      const made = await operator("POST", "/v1/tenants", { body: { id, name: `The ${id}` } });
      if (made.status !== 201) throw new TypeError(`no tenant: ${made.text}`);
      const invited = await operator("POST", `/v1/tenants/${id}/owner-invitations`, { body: { email } });
      return await join_(invited.field("link"), id, email);
    },
    /** Somebody new, invited by an administrator whose second factor is fresh. */
    async person(by: Person, role: Role, email = `${role}@${by.tenant}.example`): Promise<Person> {
      const invited = await ask("POST", "/v1/invitations", { token: by.token, body: { email, role } });
      return await join_(invited.field("link"), by.tenant, email);
    },
    /** The platform's first administrator. */
    async administrator(): Promise<Person> {
      const { field } = await operator("POST", "/v1/bootstrap/links");
      const email = "root@platform.example";
      const body = { token: tokenOf(field("link")), email, name: "Root", password: PASSWORD };
      return await finish("/v1/bootstrap", body, "platform", email);
    },
  };
}

/** The token of a link stands in its fragment. */
export function tokenOf(link: string): string {
  return new URL(link).hash.slice(1);
}

/** An authenticator app that holds this secret. */
export function authenticator(secret: string, clock: () => number): () => string {
  const totp = new TOTP({ secret });
  return () => totp.generate({ timestamp: clock() });
}
