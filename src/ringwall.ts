/**
 * The one place that joins layers and adapters: configuration in, a guarded way to the data out.
 *
 * Guards nothing by itself; every part says in its own face what it guards. Fails closed: what cannot be had at the
 * start (database, master key) is an error here, and nothing listens yet.
 *
 * @module
 */
import { z } from "zod";
import { memoryCounters } from "./adapters/memory/index.ts";
import { tracedDatabase, tracedGuard } from "./adapters/opentelemetry/index.ts";
import {
  type PostgresBus,
  type PostgresDatabase,
  postgresBus,
  postgresDatabase,
  type Target,
} from "./adapters/postgres/index.ts";
import { RedisConfig } from "./adapters/redis/index.ts";
import { createHasher, createIdentity, type Identity, IdentityConfig } from "./application/identity/index.ts";
import {
  type Clock,
  type CounterStore,
  type Logger,
  type Meter,
  Mode,
  type Recorder,
  RingwallError,
  SecretReference,
  type Tracing,
} from "./core/index.ts";
import { createFields, type Fields } from "./data/fields/index.ts";
import {
  createKeys,
  DataConfig,
  databaseKeyStore,
  type Keys,
  type MasterKey,
  recordedMasterId,
} from "./data/keys/index.ts";
import { createSecrets, type Secrets, SecretsConfig } from "./data/secrets/index.ts";
import {
  type ContextSigner,
  type JobEnvelopes,
  jobEnvelopes,
  servedDatabase,
  servedEnvironments,
  type TenantDeletions,
  type TenantRegister,
  type TenantSettingsStore,
  TenantsConfig,
  tenantDeletions,
  tenantRegister,
  tenantSettings,
} from "./data/tenants/index.ts";
import {
  type AuditReader,
  createAuditReader,
  createRecorder,
  type DetailSealer,
  MonitoringConfig,
} from "./monitoring/audit/index.ts";
import { GatewayConfig, NetworkConfig } from "./network/index.ts";
import { createPerimeter, type Perimeter, PerimeterConfig } from "./perimeter/index.ts";
import { createGuard, type Guard } from "./pipeline.ts";

/** One for reading keys and one for making them; each tenant's keys are read once in `data.cacheSeconds`. */
const KEY_CONNECTIONS = 2;
/** As in the configuration of the data layer, for when that is left out. */
const CACHE_SECONDS = 300;
/** Connections of one process, beside the keys' two and the bus's one: the founding document's 2 to 10. A hundred is PostgreSQL's own default for everybody. */
const ConnectionsMax = z.int().min(2).max(100).default(10);

/** Everything that may be set, one part a layer. `mode` has no default; all else has one for development. */
export const RingwallConfig = z.strictObject({
  mode: Mode,
  database: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("embedded"), connectionsMax: ConnectionsMax }),
      z.strictObject({
        kind: z.literal("postgres"),
        host: z.string().min(1).max(255),
        port: z.int().min(1).max(65_535).default(5_432),
        database: z.string().min(1).max(63).default("ringwall"),
        connectionsMax: ConnectionsMax,
        /** The authority that signed the server's certificate, as a PEM file. */
        caFile: z.string().max(4_096).optional(),
        /** Passwords as `file:` references; those of a server are in its data directory when left out. */
        appPassword: SecretReference.optional(),
        workerPassword: SecretReference.optional(),
        /** Needed by the commands that migrate and examine; servers do without. */
        migratePassword: SecretReference.optional(),
      }),
    ])
    .prefault({ kind: "embedded" }),
  /** Where rates are counted: in each process for itself, or in one Redis or Valkey for all nodes. */
  counters: z
    .discriminatedUnion("kind", [
      z.strictObject({ kind: z.literal("memory") }),
      RedisConfig.extend({ kind: z.literal("redis") }),
    ])
    .default({ kind: "memory" }),
  perimeter: PerimeterConfig.prefault({}),
  network: NetworkConfig.prefault({}),
  /** The access proxy. It runs where there are routes, and in development with one to the example bank. */
  gateway: GatewayConfig.prefault({}),
  identity: IdentityConfig.prefault({}),
  /** Which environments are served here, and how long a planned deletion of a tenant can be undone. */
  tenants: TenantsConfig.prefault({}),
  /** Left out, the server keeps a software master key in its data directory; production names its own. */
  data: DataConfig.optional(),
  secrets: SecretsConfig.prefault({}),
  monitoring: MonitoringConfig.prefault({}),
});
export type RingwallConfig = z.output<typeof RingwallConfig>;

/** What the configuration names and composition has opened. */
export interface RingwallParts {
  /** The database as `ringwall_app`. */
  readonly target: Target;
  readonly signer: ContextSigner;
  /** Opens the master key. A new one may be made only for a database that has no keys yet. */
  readonly openMaster: (mayCreate: boolean) => Promise<MasterKey>;
  /** Opens the master keys that were in use before; left out, there are none. */
  readonly openPreviousMasters?: () => Promise<readonly MasterKey[]>;
  readonly log: Logger;
  readonly clock: Clock;
  /** The counters that the configuration names, opened; left out, rates are counted in this process. */
  readonly counters?: CounterStore | undefined;
  /** The cookie that carries a session here; servers that share a host name need different ones. */
  readonly sessionCookie?: string;
  /** Counts requests and what the caches answer. */
  readonly meter?: Meter | undefined;
  /** Makes spans of requests, steps and database trips. */
  readonly tracing?: Tracing | undefined;
}

/** What there is of tenants: which, what they have set for themselves, and their end. */
export interface Tenants {
  readonly register: TenantRegister;
  readonly settings: TenantSettingsStore;
  readonly deletions: TenantDeletions;
}

/** The five layers, joined; close it before the process ends. */
export interface Ringwall {
  readonly database: PostgresDatabase;
  readonly keys: Keys;
  readonly fields: Fields;
  readonly secrets: Secrets;
  readonly recorder: Recorder;
  readonly audit: AuditReader;
  readonly identity: Identity;
  readonly tenants: Tenants;
  /** What carries a tenant's work over a queue. */
  readonly jobs: JobEnvelopes;
  readonly perimeter: Perimeter;
  readonly guard: Guard;
  /** Makes what was noted durable, forgets every key and session, and closes the connections. */
  close(): Promise<void>;
}

/**
 * Connects, opens the keys and joins the layers.
 * @throws RingwallError `database.unavailable`, `keys.master_refused`, `config.invalid`
 */
export async function createRingwall(config: RingwallConfig, parts: RingwallParts): Promise<Ringwall> {
  const { clock, log } = parts;
  const perimeter = createPerimeter(config.perimeter, {
    mode: config.mode,
    counters: parts.counters ?? ownCounters(config, clock),
    clock,
  });
  const connections = await connect(config, parts);
  const { bus } = connections;
  const database = guarded(connections.database, config, parts.tracing);
  const cacheSeconds = config.data?.cacheSeconds ?? CACHE_SECONDS;
  // Audit seals with the keys, and the keys report to audit: whoever comes first asks for the other when needed.
  const late: Late = { masters: [] };
  const keys = await openKeys(config, parts, connections, late).catch(async (error: unknown) => {
    await closeBehind(late.masters, connections);
    throw error;
  });
  const seal = detailSealer(keys);
  const recorder = createRecorder({ database, seal, clock, log, config: config.monitoring.audit });
  late.recorder = recorder;
  const tenants = tenantsOf(config, { database, recorder, bus, clock });
  const identity = createIdentity({
    ...tenants,
    database,
    recorder,
    sealer: seedSealer(keys),
    pepper: async (purpose) => (await keys.service(`${purpose}-pepper`)).subkey("identity"),
    clock,
    bus,
    hasher: createHasher(config.identity.password),
    config: config.identity,
  });
  const secrets = createSecrets({ database, keys, recorder, bus, clock, cacheSeconds });
  const guard = guardOf(perimeter, identity, recorder, parts);

  return {
    database,
    keys,
    fields: createFields({ keys, recorder }),
    secrets,
    recorder,
    audit: createAuditReader({ database, seal, recorder }),
    identity,
    tenants,
    jobs: jobEnvelopes({ keys, tenants: tenants.register, clock }),
    perimeter,
    guard,
    async close() {
      secrets.close();
      identity.close();
      try {
        // What is still noted is sealed with the keys and written over the connections, so those go last.
        await recorder.close();
      } finally {
        keys.close();
        await closeBehind(late.masters, connections);
      }
    },
  };
}

/** What is there a moment after it is first referred to. */
interface Late {
  recorder?: Recorder;
  readonly masters: MasterKey[];
}

async function openKeys(
  config: RingwallConfig,
  parts: RingwallParts,
  { bus, database, ofKeys }: Connections,
  late: Late,
): Promise<Keys> {
  const { clock, meter } = parts;
  const store = databaseKeyStore({ own: ofKeys, database, recorder: () => late.recorder });
  const master = await parts.openMaster((await recordedMasterId(store)) === undefined);
  late.masters.push(master);
  const previousMasters = (await parts.openPreviousMasters?.()) ?? [];
  late.masters.push(...previousMasters);
  return await createKeys({
    master: metered(master, meter),
    previousMasters: previousMasters.map((previous) => metered(previous, meter)),
    store,
    bus,
    clock,
    cacheSeconds: config.data?.cacheSeconds ?? CACHE_SECONDS,
  });
}

function guardOf(perimeter: Perimeter, identity: Identity, recorder: Recorder, parts: RingwallParts): Guard {
  const { clock, log, meter, sessionCookie, tracing } = parts;
  const guard = createGuard({
    perimeter,
    authenticate: (token, { policy }) => (policy.isUse === false ? identity.look(token) : identity.authenticate(token)),
    recorder,
    log,
    clock,
    meter,
    ...(sessionCookie === undefined ? {} : { sessionCookie }),
  });
  return tracing === undefined ? guard : tracedGuard(guard, tracing);
}

/** Traced, and closed to tenants of environments that are not served here. */
function guarded(
  database: PostgresDatabase,
  { mode, tenants }: RingwallConfig,
  tracing: Tracing | undefined,
): PostgresDatabase {
  const served = servedDatabase(
    tracing === undefined ? database : tracedDatabase(database, tracing),
    servedEnvironments(mode, tenants),
  );
  if (served === database) return database;
  return {
    ...served,
    renew: () => database.renew(),
    ping:
      tracing === undefined ? () => database.ping() : () => tracing.trace("database.ping", {}, () => database.ping()),
    connections: () => database.connections(),
  };
}

function tenantsOf(
  { mode, tenants }: RingwallConfig,
  parts: { database: PostgresDatabase; recorder: Recorder; bus: PostgresBus; clock: Clock },
): Tenants {
  return {
    register: tenantRegister({ ...parts, environments: servedEnvironments(mode, tenants) }),
    settings: tenantSettings(parts),
    deletions: tenantDeletions({ ...parts, graceDays: tenants.deletionGraceDays }),
  };
}

/** Counts what the warm keys did not save. */
function metered(master: MasterKey, meter: Meter | undefined): MasterKey {
  if (meter === undefined) return master;
  const asked = <Args extends unknown[], T>(operation: "wrap" | "unwrap" | "generate", work: (...args: Args) => T) => {
    return (...args: Args): T => {
      meter.masterAsked(operation);
      return work(...args);
    };
  };
  return {
    id: master.id,
    wrap: asked("wrap", (plaintext: Buffer, context: readonly string[]) => master.wrap(plaintext, context)),
    unwrap: asked("unwrap", (wrapped: Buffer, context: readonly string[]) => master.unwrap(wrapped, context)),
    generate: asked("generate", (context: readonly string[]) => master.generate(context)),
  };
}

/** What every key and every row hangs on goes last. */
async function closeBehind(masters: readonly MasterKey[], connections: Connections): Promise<void> {
  for (const master of masters) await master.close?.();
  await connections.close();
}

/** Fails closed: what was to be counted for all nodes is never counted for one. */
function ownCounters(config: RingwallConfig, clock: Clock): CounterStore {
  if (config.counters.kind === "memory") return memoryCounters({ clock });
  throw new RingwallError("config.invalid", { message: "counters are configured elsewhere, and were not opened" });
}

interface Connections {
  readonly database: PostgresDatabase;
  /** Keys have connections of their own: who asks for one may hold one of the others already. */
  readonly ofKeys: PostgresDatabase;
  readonly bus: PostgresBus;
  close(): Promise<void>;
}

async function connect(config: RingwallConfig, { target, signer, clock, log }: RingwallParts): Promise<Connections> {
  const { connectionsMax } = config.database;
  const database = postgresDatabase({ target, signer, clock, connectionsMax });
  const ofKeys = postgresDatabase({ target, signer, clock, connectionsMax: KEY_CONNECTIONS });
  const bus = await postgresBus({ target, signer, log });
  return {
    database,
    ofKeys,
    bus,
    async close() {
      await bus.close();
      await ofKeys.close();
      await database.close();
    },
  };
}

function seedSealer(keys: Keys): Parameters<typeof createIdentity>[0]["sealer"] {
  return {
    seal: async (tenant, context, bytes) => await keys.sealValue(tenant, "identity", context, bytes),
    open: async (tenant, context, sealed) => await keys.openValue(tenant, "identity", context, sealed),
  };
}

function detailSealer(keys: Keys): DetailSealer {
  return {
    seal: (tenant, eventId, detail) => keys.sealValue(tenant, "audit", ["detail", eventId], detail),
    open: (tenant, eventId, sealed) => keys.openValue(tenant, "audit", ["detail", eventId], sealed),
  };
}
