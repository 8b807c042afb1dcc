/**
 * What the installation can say about itself: its configuration, what its database shows now, the key that signs audit
 * heads, and the findings of a settings check. Reads only.
 *
 * @module
 */
import { createHash, type KeyObject } from "node:crypto";
import type { RingwallConfig } from "ringwall";
import type { PostgresDatabase } from "ringwall/adapters/postgres";
import type { Principal } from "ringwall/application/access";
import { type Clock, RingwallError, statement } from "ringwall/core";
import type { SequencerStatus } from "ringwall/monitoring/audit";
import type { GatewayConfig } from "ringwall/network";
import type { Live } from "./layers.ts";
import { type Finding, settingsCheck } from "./settings-check.ts";

/** The gateway as it was started beside this server. */
export interface GatewayFacts {
  readonly settings: GatewayConfig;
  /** Undefined when no gateway runs here. */
  readonly port: number | undefined;
}

/** The installation, for the routes that show it. */
export interface Installation {
  readonly version: string;
  readonly config: RingwallConfig;
  /** The public half of the key that signs audit heads. */
  readonly auditKey: KeyObject;
  readonly keyId: string;
  readonly sequencer: () => SequencerStatus;
  readonly gateway: GatewayFacts;
  /** Looks at the database. A database that does not answer is an answer, not an error. */
  live(person: Principal): Promise<Live>;
  /** Holds the configuration against the machine. */
  examine(person: Principal): Promise<readonly Finding[]>;
}

/** What an installation is described from. */
export interface InstallationParts {
  readonly config: RingwallConfig;
  readonly database: PostgresDatabase;
  readonly clock: Clock;
  readonly auditKey: KeyObject;
  readonly sequencer: () => SequencerStatus;
  readonly gateway: GatewayFacts;
  readonly nodeVersion: string;
  readonly dataDir: string;
  /** This process's user, where there is such a thing. */
  readonly uid: number | undefined;
}

const VERSION = "0.1.0";
const KEY_ID_DIGITS = 16;

interface Seen {
  readonly walled: number;
  readonly strong: boolean;
  readonly version: string;
  readonly now_ms: number;
}

const LOOK = statement<Seen>(
  "installation.look",
  `select (select count(*)::integer from pg_catalog.pg_class c
            where c.relnamespace = 'ringwall'::regnamespace and c.relkind = 'r' and c.relforcerowsecurity) as walled,
          (select rolsuper or rolbypassrls or rolcreaterole or rolcreatedb from pg_catalog.pg_roles
            where rolname = current_user) as strong,
          current_setting('server_version') as version,
          round(extract(epoch from clock_timestamp()) * 1000)::float8 as now_ms`,
);

export function describeInstallation(parts: InstallationParts): Installation {
  const { auditKey, config, database, gateway, sequencer } = parts;
  const look = async (person: Principal): Promise<Seen | undefined> => {
    try {
      const [seen] = await database.once(person.tenant, person, LOOK, []);
      return seen;
    } catch (error) {
      if (error instanceof RingwallError && error.code === "database.unavailable") return undefined;
      throw error;
    }
  };
  return {
    version: VERSION,
    config,
    auditKey,
    keyId: createHash("sha256")
      .update(auditKey.export({ type: "spki", format: "der" }))
      .digest("hex")
      .slice(0, KEY_ID_DIGITS),
    sequencer,
    gateway,
    async live(person) {
      const seen = await look(person);
      return {
        database: seen !== undefined,
        walledTables: seen?.walled ?? 0,
        roleTooStrong: seen?.strong ?? false,
      };
    },
    async examine(person) {
      const seen = await look(person);
      return settingsCheck({
        ...parts,
        sequencer: sequencer(),
        seen:
          seen === undefined
            ? undefined
            : { nowMs: seen.now_ms, version: seen.version, roleTooStrong: seen.strong, walledTables: seen.walled },
      });
    },
  };
}
