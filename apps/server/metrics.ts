import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { PoolState } from "ringwall/adapters/postgres";
import type { Clock, Meter } from "ringwall/core";
import type { SecretSummary } from "ringwall/data/secrets";
import type { SequencerStatus } from "ringwall/monitoring/audit";
import type { KeyNumbers } from "./key-care.ts";

/** What is asked when somebody collects. */
export interface MetricSources {
  readonly connections: () => PoolState;
  readonly sequencer: () => SequencerStatus;
  /** Asked at most once a minute. */
  readonly secrets: () => Promise<readonly SecretSummary[]>;
  /** Asked at most every 15 seconds. */
  readonly keys: () => Promise<KeyNumbers>;
  /** When the listener's own certificate ends; undefined without one. */
  readonly certificateExpiresMs: () => number | undefined;
  readonly draining: () => boolean;
}

/** The numbers of this process. */
export interface Metrics {
  readonly meter: Meter;
  /** From when these can be asked. */
  watch(sources: MetricSources): void;
  /** In the text format that Prometheus reads. */
  text(): Promise<string>;
  readonly contentType: string;
}

/** From what a warm read takes to what a person gives up on. */
const DURATION_BUCKETS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
/** Ages change slowly, and each look is a statement. */
const SECRETS_MS = 60_000;
/** Rewrapping goes on while somebody watches it. */
const KEYS_MS = 15_000;
const STATES: readonly SequencerStatus["state"][] = ["active", "standby", "stopped"];

/**
 * Counts for Prometheus. Labels hold route patterns, methods, statuses, codes and names of limits: lists of ours, each of
 * bounded length. No tenant, no address and no id is a label, so that a collector learns nothing about people.
 */
export function createMetrics(clock: Clock): Metrics {
  const register = new Registry();
  collectDefaultMetrics({ register });
  const meter = requestMeter(register);
  let watched: ((nowMs: number) => Promise<void>) | undefined;
  return {
    meter,
    watch(sources) {
      watched = gauges(register, sources);
    },
    async text() {
      await watched?.(clock());
      return await register.metrics();
    },
    contentType: register.contentType,
  };
}

function requestMeter(register: Registry): Meter {
  const registers = [register];
  const requests = new Counter({
    name: "ringwall_requests_total",
    help: "Requests answered, by route, method, status and the code of a refusal (none when there was none).",
    labelNames: ["route", "method", "status", "refusal"] as const,
    registers,
  });
  const durations = new Histogram({
    name: "ringwall_request_duration_seconds",
    help: "From the head of a request to the end of its answer.",
    labelNames: ["route", "method"] as const,
    buckets: DURATION_BUCKETS,
    registers,
  });
  const limited = new Counter({
    name: "ringwall_rate_refusals_total",
    help: "Requests refused by a rate limit, by the limit's name.",
    labelNames: ["limit"] as const,
    registers,
  });
  const sessions = new Counter({
    name: "ringwall_session_lookups_total",
    help: "Sessions looked up, by whether memory answered.",
    labelNames: ["result"] as const,
    registers,
  });
  const master = new Counter({
    name: "ringwall_master_key_operations_total",
    help: "Times the holder of the master key was asked: what the cache of keys did not answer.",
    labelNames: ["operation"] as const,
    registers,
  });
  return {
    requestDone({ durationMs, limit, method, refusal = "none", route, status }) {
      requests.inc({ route, method, status, refusal });
      durations.observe({ route, method }, durationMs / 1_000);
      if (limit !== undefined) limited.inc({ limit });
    },
    sessionAsked: (hit) => sessions.inc({ result: hit ? "hit" : "miss" }),
    masterAsked: (operation) => master.inc({ operation }),
  };
}

/** Returns what brings the gauges up to date. */
function gauges(register: Registry, sources: MetricSources): (nowMs: number) => Promise<void> {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Gauge({ name: `ringwall_${name}`, help, labelNames: [...labelNames], registers: [register] });
  const connections = gauge("database_connections", "Connections to PostgreSQL, by state.", ["state"]);
  const waiting = gauge("database_waiting", "Callers that wait for a connection.");
  const state = gauge("audit_sequencer", "1 for the state that this process's audit sequencer is in.", ["state"]);
  const lag = gauge("audit_outbox_lag_seconds", "Age of the oldest record in the last batch; 0 when none waited.");
  const round = gauge("audit_outbox_seen_age_seconds", "Since the outbox was last looked at here; -1 on a standby.");
  const unsigned = gauge("audit_unsigned_tenants", "Tenants whose newest records no signature covers yet.");
  const appended = gauge("audit_appended", "Records chained since this process started.");
  const refused = gauge("audit_set_aside", "Outbox rows that were no audit records, since this process started.");
  const ending = gauge("certificate_expires_seconds", "Until the listener's certificate ends; absent without one.");
  const draining = gauge("draining", "1 while the process ends.");
  const refreshSecrets = secretGauges(register, sources);
  const refreshKeys = keyGauges(register, sources);
  return async (nowMs) => {
    const pool = sources.connections();
    connections.set({ state: "open" }, pool.open);
    connections.set({ state: "idle" }, pool.idle);
    connections.set({ state: "max" }, pool.max);
    waiting.set(pool.waiting);
    const status = sources.sequencer();
    for (const name of STATES) state.set({ state: name }, status.state === name ? 1 : 0);
    lag.set(status.lagMs / 1_000);
    round.set(status.roundMs === undefined || status.state === "standby" ? -1 : (nowMs - status.roundMs) / 1_000);
    unsigned.set(status.unsigned);
    appended.set(status.appended);
    refused.set(status.refused);
    const expiresMs = sources.certificateExpiresMs();
    // A gauge that nobody set stands at 0, which would read as a certificate that has ended.
    if (expiresMs === undefined) ending.remove();
    else ending.set((expiresMs - nowMs) / 1_000);
    draining.set(sources.draining() ? 1 : 0);
    await refreshSecrets(nowMs);
    await refreshKeys(nowMs);
  };
}

/** Without names: how many there are, how old the oldest value in use is, and when the next one ends. */
function secretGauges(register: Registry, { secrets }: MetricSources): (nowMs: number) => Promise<void> {
  const registers = [register];
  const count = new Gauge({ name: "ringwall_secrets", help: "Secrets of the global scope.", registers });
  const oldest = new Gauge({
    name: "ringwall_secret_oldest_age_seconds",
    help: "Age of the oldest value in use.",
    registers,
  });
  const pending = new Gauge({
    name: "ringwall_secret_rotations_pending",
    help: "Rotations begun and not finished.",
    registers,
  });
  const known = new Gauge({
    name: "ringwall_secrets_known",
    help: "1 when the secrets could be asked for last time.",
    registers,
  });
  let askedMs = Number.NEGATIVE_INFINITY;
  let found: readonly SecretSummary[] = [];
  return async (nowMs) => {
    if (nowMs - askedMs >= SECRETS_MS || nowMs < askedMs) {
      try {
        found = await secrets();
        askedMs = nowMs;
        known.set(1);
      } catch {
        // The database may be what is wrong; the other numbers are wanted most then.
        known.set(0);
      }
    }
    count.set(found.length);
    pending.set(found.filter(({ rotationPending }) => rotationPending).length);
    const sinceMs = found.reduce((least, { changedMs }) => Math.min(least, changedMs ?? nowMs), nowMs);
    oldest.set((nowMs - sinceMs) / 1_000);
  };
}

/** By class, purpose and kind of work: lists of ours. Ages are there on the one node that looks after the keys. */
function keyGauges(register: Registry, { keys }: MetricSources): (nowMs: number) => Promise<void> {
  const gauge = <Label extends string = never>(name: string, help: string, labelNames: readonly Label[] = []) =>
    new Gauge({ name: `ringwall_${name}`, help, labelNames: [...labelNames], registers: [register] });
  const ofKey = ["class", "purpose"] as const;
  const oldest = gauge(
    "key_oldest_age_seconds",
    "Age of the oldest key in use; on the node that looks after them.",
    ofKey,
  );
  const overdue = gauge("keys_overdue", "Keys older than their period and the grace after it.", ofKey);
  const jobs = gauge("key_rewrap_jobs", "Rewrapping jobs that are open.", ["work"]);
  const done = gauge("key_rewrap_done", "Keys or rows that open jobs have wrapped anew.", ["work"]);
  const total = gauge("key_rewrap_total", "Keys or rows that open jobs have to wrap anew, those done included.", [
    "work",
  ]);
  const known = gauge("keys_known", "1 when rewrapping could be asked about last time.");
  let askedMs = Number.NEGATIVE_INFINITY;
  return async (nowMs) => {
    if (nowMs - askedMs < KEYS_MS && nowMs >= askedMs) return;
    let found: KeyNumbers;
    try {
      found = await keys();
      askedMs = nowMs;
      known.set(1);
    } catch {
      known.set(0);
      return;
    }
    // Another node may look after the keys by now: what this one knew is not shown for ever.
    oldest.reset();
    overdue.reset();
    for (const { class: keyClass, oldestSeconds, overdue: late, purpose } of found.ages) {
      oldest.set({ class: keyClass, purpose }, oldestSeconds);
      overdue.set({ class: keyClass, purpose }, late);
    }
    for (const { done: finished, jobs: open, total: all, work } of found.progress) {
      jobs.set({ work }, open);
      done.set({ work }, finished);
      total.set({ work }, all);
    }
  };
}
