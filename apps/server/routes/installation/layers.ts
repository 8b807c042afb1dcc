/**
 * The five layers as the overview shows them: which control is on, with its figures, and which was not set up. A pure
 * function of the configuration and of what was seen a moment ago.
 *
 * @module
 */
import type { RingwallConfig } from "ringwall";
import type { SequencerStatus } from "ringwall/monitoring/audit";

/** One control of a layer. */
export interface Control {
  readonly name: string;
  readonly state: "on" | "not_configured";
  readonly detail: string;
}

/** One layer as it is now. */
export interface LayerState {
  readonly number: number;
  readonly name: string;
  readonly state: "working" | "attention" | "down";
  readonly controls: readonly Control[];
}

/** What only a look at the database can say. */
export interface Live {
  /** False when it does not answer. */
  readonly database: boolean;
  /** Tables of Ringwall's whose rows the wall guards even from their owner. */
  readonly walledTables: number;
  /** True when the server's own role could walk around the wall. */
  readonly roleTooStrong: boolean;
}

const on = (name: string, detail: string): Control => ({ name, state: "on", detail });
const missing = (name: string, detail: string): Control => ({ name, state: "not_configured", detail });
const count = (number: number, one: string, many = `${one}s`): string => `${number} ${number === 1 ? one : many}`;
const figure = ({ limit, periodSeconds }: { limit: number; periodSeconds: number }): string =>
  `${limit.toLocaleString("en")} in ${minutes(periodSeconds)}`;
const minutes = (seconds: number): string =>
  seconds % 3_600 === 0 ? count(seconds / 3_600, "hour") : count(Math.round(seconds / 60), "minute");

/** All five, in order. */
export function layers(
  config: RingwallConfig,
  live: Live & { readonly sequencer: SequencerStatus },
): readonly LayerState[] {
  const sequencer = live.sequencer.state;
  return [
    // Whoever reads this has passed the first three.
    { number: 1, name: "Perimeter", state: "working", controls: perimeter(config) },
    { number: 2, name: "Network", state: "working", controls: network(config) },
    { number: 3, name: "Application", state: "working", controls: application(config) },
    { number: 4, name: "Data", state: dataState(live), controls: data(config, live) },
    {
      number: 5,
      name: "Monitoring",
      state: sequencer === "stopped" ? "down" : "working",
      controls: monitoring(config, live.sequencer),
    },
  ];
}

function dataState({ database, roleTooStrong, walledTables }: Live): LayerState["state"] {
  if (!database) return "down";
  return roleTooStrong || walledTables === 0 ? "attention" : "working";
}

function perimeter({ counters, mode, perimeter: { adminAddresses, blockedAddresses, ...rest } }: RingwallConfig) {
  const { cors, headers, hosts, rates, trustedProxies } = rest;
  return [
    on("Rate limits", `${figure(rates.address)} for an address, ${figure(rates.account)} for an account`),
    counters.kind === "redis"
      ? on("Shared counters", "one count for all nodes")
      : missing("Shared counters", "each process counts for itself"),
    mode === "development" && hosts.length === 0
      ? on("Host names", "this machine's own names only")
      : on("Host names", count(hosts.length, "name")),
    on(
      "Client address",
      trustedProxies.length === 0 ? "the connection's own" : count(trustedProxies.length, "proxy", "proxies"),
    ),
    on("Security headers", headers.pages.trustedTypes ? "nonces and Trusted Types" : "nonces"),
    on("Cross-site requests", cors.origins.length === 0 ? "no other origin" : count(cors.origins.length, "origin")),
    on("Strict JSON and size limits", `bodies up to ${Math.round(rest.bodyBytes / 1_024).toLocaleString("en")} KiB`),
    blockedAddresses.length === 0
      ? missing("Blocked addresses", "none listed")
      : on("Blocked addresses", count(blockedAddresses.length, "range")),
    adminAddresses === undefined
      ? missing("Administrative addresses", "administrators may come from anywhere")
      : on("Administrative addresses", count(adminAddresses.length, "range")),
  ];
}

function network({ database, mode, network: { declaredProxy } }: RingwallConfig): readonly Control[] {
  return [
    mode === "development"
      ? on("Listener", "this machine only")
      : on("Listener", declaredProxy ? "behind a declared proxy" : "this machine only"),
    declaredProxy
      ? on("TLS towards outside", "ended by the declared proxy")
      : missing("TLS towards outside", "needed before anybody outside this machine comes"),
    on(
      "Database connection",
      database.kind === "embedded" ? "a socket only this user enters" : "certificate and host verified",
    ),
    on("Access tiers", "a function of facts, with reasons"),
  ];
}

function application({ identity }: RingwallConfig): readonly Control[] {
  const { lockout, password, session } = identity;
  const { lanes, memoryKib, passes } = password.argon2;
  const { charactersMinWithSecondFactor: least } = password;
  return [
    on(
      "Passwords",
      `argon2id ${Math.round(memoryKib / 1_024)} MiB / ${passes} / ${lanes}, ${least} characters or more`,
    ),
    on("Second factor", "required for administrators and owners"),
    on("Lockout", `${lockout.passwordFailures} failures in ${minutes(lockout.windowSeconds)}`),
    on(
      "Sessions",
      `administrators ${minutes(session.administratorAbsoluteSeconds)}, idle ${minutes(session.administratorIdleSeconds)}`,
    ),
    on("Roles and decisions", "the tenant wall before any policy"),
    on("Input schemas", "unknown fields are refused"),
  ];
}

function data({ data: settings, secrets }: RingwallConfig, live: Live): readonly Control[] {
  const rotations = Object.keys(secrets.rotations).length;
  return [
    on("Row-level security", `${count(live.walledTables, "table")} walled, also from their owner`),
    on("Signed tenant context", "verified inside PostgreSQL"),
    settings === undefined
      ? missing("Master key", "a file in the data directory; production names its own")
      : on("Master key", settings.masterKey.kind),
    on("Key tree", "one key a tenant and purpose, one a row"),
    on("Secrets", "sealed, versioned, never shown"),
    rotations === 0
      ? missing("Secret rotation", "no rotation is set up in the configuration")
      : on("Secret rotation", count(rotations, "secret")),
  ];
}

function monitoring({ monitoring: { audit } }: RingwallConfig, { state, unsigned }: SequencerStatus) {
  return [
    on("Audit in the act's transaction", "both commit or neither"),
    on(
      "Signed chain",
      unsigned === 0 ? `sequencer ${state}` : `sequencer ${state}, ${count(unsigned, "tenant")} to sign`,
    ),
    audit.signingKey === undefined
      ? missing("Signing key", "in the data directory; production keeps it elsewhere")
      : on("Signing key", "a file outside the data directory"),
    audit.headsFolder === undefined
      ? missing("Copies of heads", "beside the data; name a folder the database's owner cannot write to")
      : on("Copies of heads", "in a folder of their own"),
  ];
}
