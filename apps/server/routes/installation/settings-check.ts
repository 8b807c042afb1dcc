/**
 * The server's side of `ringwall doctor`: what can be held against the machine while it serves. Reads only, and names
 * the way out of whatever is wrong. Shows paths of this machine, so it is for the platform's people alone.
 *
 * @module
 */
import { readdirSync, statfsSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RingwallConfig } from "ringwall";
import { type Clock, isoTime } from "ringwall/core";
import type { SequencerStatus } from "ringwall/monitoring/audit";

/** One row of the check. A way out is said for everything that is not ok. */
export interface Finding {
  readonly check: string;
  readonly state: "ok" | "warn" | "fail";
  readonly found: string;
  readonly wayOut?: string;
}

/** What the check looks at. */
export interface Facts {
  readonly config: RingwallConfig;
  readonly clock: Clock;
  readonly sequencer: SequencerStatus;
  readonly nodeVersion: string;
  readonly dataDir: string;
  readonly uid: number | undefined;
  /** What the database said; undefined when it did not answer. */
  readonly seen:
    | {
        readonly nowMs: number;
        readonly version: string;
        readonly roleTooStrong: boolean;
        readonly walledTables: number;
      }
    | undefined;
}

const MIB = 1_048_576;
// As `ringwall doctor` has them: PostgreSQL stops when its disk is full.
const DISK_FAIL_MIB = 512;
const DISK_WARN_MIB = 4_096;
/** A signed tenant context lives 30 seconds; a third of it is what two clocks may differ by. */
const SKEW_MS_MAX = 10_000;
const OTHERS = 0o077;
const FILES_MAX = 10_000;
const NODE_TESTED = /^v?24\./;

const ok = (check: string, found: string): Finding => ({ check, state: "ok", found });
const warn = (check: string, found: string, wayOut: string): Finding => ({ check, state: "warn", found, wayOut });
const fail = (check: string, found: string, wayOut: string): Finding => ({ check, state: "fail", found, wayOut });

/** All findings, in the order in which one leans on another. */
export function settingsCheck(facts: Facts): readonly Finding[] {
  const { config, nodeVersion } = facts;
  return [
    config.mode === "production"
      ? ok("Mode", "production")
      : warn("Mode", "development", "For real data set mode to production, and what it then asks for."),
    NODE_TESTED.test(nodeVersion)
      ? ok("Node", nodeVersion)
      : warn("Node", nodeVersion, "Ringwall is tested on Node 24."),
    disk(facts.dataDir),
    secretFiles(facts),
    ...database(facts),
    counters(config),
    hosts(config),
    administrators(config),
    masterKey(config),
    ...audit(facts),
  ];
}

function disk(dataDir: string): Finding {
  const { bavail, bsize } = statfsSync(dataDir);
  const freeMib = Math.floor((bavail * bsize) / MIB);
  const found = `${freeMib} MiB free at ${dataDir}`;
  if (freeMib < DISK_FAIL_MIB) return fail("Disk", found, `Free some: below ${DISK_FAIL_MIB} MiB PostgreSQL may stop.`);
  if (freeMib < DISK_WARN_MIB) return warn("Disk", found, "Free some, or move the data directory: --data DIR");
  return ok("Disk", found);
}

function secretFiles({ dataDir, uid }: Facts): Finding {
  const folder = join(dataDir, "secrets");
  const names = readdirSync(folder, { withFileTypes: true }).slice(0, FILES_MAX);
  const open = names.filter(({ name }) => {
    const { mode, uid: owner } = statSync(join(folder, name));
    return (mode & OTHERS) !== 0 || (uid !== undefined && owner !== uid && owner !== 0);
  });
  const [first] = open;
  if (first === undefined) return ok("Key and password files", `${names.length}, closed to others`);
  return fail("Key and password files", `${first.name} is open to others`, `chmod 600 ${join(folder, first.name)}`);
}

function database({ clock, config, seen }: Facts): readonly Finding[] {
  if (seen === undefined) {
    return [fail("Database", "does not answer", "Check the section database of the configuration, and its log.")];
  }
  const skewMs = Math.abs(seen.nowMs - clock());
  const kind = config.database.kind === "embedded" ? "embedded" : "of your own";
  return [
    ok("Database", `PostgreSQL ${seen.version}, ${kind}`),
    skewMs > SKEW_MS_MAX
      ? fail("Clock", `${Math.round(skewMs / 1_000)} s apart from the database's`, "timedatectl set-ntp true, on both")
      : ok("Clock", isoTime(clock())),
    seen.roleTooStrong
      ? fail("Database role", "ringwall_app may walk around the wall", "ringwall migrate sets its rights again.")
      : ok("Database role", "owns nothing and bypasses nothing"),
    seen.walledTables === 0
      ? fail("Tenant wall", "no table is walled", "ringwall migrate")
      : ok("Tenant wall", `${seen.walledTables} tables, forced`),
  ];
}

function counters({ counters: { kind } }: RingwallConfig): Finding {
  if (kind === "redis") return ok("Counters", "shared by all nodes");
  return warn("Counters", "in each process", "With more than one node name a Redis or Valkey in counters.");
}

function hosts({ mode, perimeter }: RingwallConfig): Finding {
  const names = perimeter.hosts.length;
  if (names > 0) return ok("Host names", perimeter.hosts.slice(0, 5).join(", "));
  if (mode === "development") return ok("Host names", "this machine's own");
  return fail("Host names", "none", "Name them in perimeter.hosts.");
}

function administrators({ perimeter: { adminAddresses } }: RingwallConfig): Finding {
  if (adminAddresses !== undefined) return ok("Administrative addresses", `${adminAddresses.length} ranges`);
  return warn("Administrative addresses", "any", "Name your offices' ranges in perimeter.adminAddresses.");
}

function masterKey({ data }: RingwallConfig): Finding {
  if (data === undefined) {
    return warn("Master key", "in the data directory", "Name a file apart from the backups in data.masterKey.");
  }
  return ok("Master key", data.masterKey.kind);
}

function audit({ config, sequencer }: Facts): readonly Finding[] {
  const { headsFolder, signingKey } = config.monitoring.audit;
  return [
    sequencer.state === "stopped"
      ? fail("Audit sequencer", sequencer.reason ?? "stopped", "ringwall audit verify says what does not hold.")
      : ok("Audit sequencer", sequencer.state),
    signingKey === undefined
      ? warn("Audit signing key", "in the data directory", "Keep it elsewhere: monitoring.audit.signingKey")
      : ok("Audit signing key", "a file of its own"),
    headsFolder === undefined
      ? warn("Copies of heads", "in the data directory", "Name a folder elsewhere: monitoring.audit.headsFolder")
      : ok("Copies of heads", "in a folder of their own"),
  ];
}
