import type { Clock } from "../../../core/index.ts";
import { RingwallError, tenantId } from "../../../core/index.ts";
import { CONTEXT_LIFE_MS, type ContextSigner } from "../../tenants/index.ts";
import type { SqlAccess, SqlSession } from "../session.ts";
import type { IsolationSettings } from "../settings.ts";

/** Tells the transaction that is open on a session whose it is, in the way the application does. */
export interface ContextEntry {
  /** The setting that holds the context. */
  readonly setting: string;
  /** What the setting has to hold for the tenant, on this session's backend. */
  context(session: SqlSession, tenant: string): Promise<string>;
  enter(session: SqlSession, tenant: string): Promise<void>;
  /** Contexts that have to be refused, by what is wrong with them; absent where the context is a name alone. */
  readonly refused?: {
    expired(session: SqlSession, tenant: string): Promise<void>;
    otherBackend(session: SqlSession, tenant: string): Promise<void>;
  };
}

/** Any time in the past will do. */
const AGO_MS = 60_000;

type Value = (session: SqlSession, tenant: string) => Promise<string>;

/** Always as a bind parameter: a literal would stand in pg_stat_activity. */
const entering =
  (setting: string, value: Value): ContextEntry["enter"] =>
  async (session, tenant) => {
    await session.query("select set_config($1, $2, true) as context", [setting, await value(session, tenant)]);
  };

/** `set_config(name, tenant, true)`, as most applications do it. */
export function settingEntry(setting: string): ContextEntry {
  const context: Value = async (_session, tenant) => tenant;
  return { setting, context, enter: entering(setting, context) };
}

/** Ringwall's signed context, bound to the backend that the session has at that moment. */
export function signedEntry(signer: ContextSigner, clock: Clock): ContextEntry {
  const setting = "ringwall.context";
  const signed =
    (lifeMs: number, pidOffset = 0): Value =>
    async (session, tenant) => {
      const [row] = await session.query<{ pid: number }>("select pg_backend_pid() as pid");
      return signer.sign(tenantId(tenant), (row?.pid ?? 1) + pidOffset, clock() + lifeMs);
    };
  const context = signed(CONTEXT_LIFE_MS);
  return {
    setting,
    context,
    enter: entering(setting, context),
    refused: {
      expired: entering(setting, signed(-AGO_MS)),
      otherBackend: entering(setting, signed(CONTEXT_LIFE_MS, 1)),
    },
  };
}

/**
 * The entry that the settings speak of.
 *
 * @throws RingwallError `config.invalid` when they speak of Ringwall's context and no signer is there
 */
export function contextEntry(settings: IsolationSettings, clock: Clock, signer?: ContextSigner): ContextEntry {
  if (settings.context.kind === "setting") return settingEntry(settings.context.name);
  if (signer === undefined) {
    throw new RingwallError("config.invalid", {
      message: "live probes of the signed context need the context key: give it, or set context.kind to setting",
    });
  }
  return signedEntry(signer, clock);
}

/** How the probes reach the database. */
export interface ProbeAccess {
  /** May write every tenant table and become the app role: the tables' owner or a superuser. Absent: only sessions are probed. */
  readonly admin?: SqlAccess;
  /** As the application signs in, through its pooler. Absent: sessions are not probed. */
  readonly app?: SqlAccess;
  readonly entry: ContextEntry;
}
