import { isTenantId, PLATFORM_TENANT, RingwallError, type TenantId } from "../../core/index.ts";
import { SERVICE_PURPOSES, TENANT_PURPOSES } from "../keys/index.ts";

const DAY_MS = 86_400_000;

/** How long a key of each class is used before the next one: the founding document's year and quarter. */
export const PERIOD_MS = { master: 365 * DAY_MS, tenant: 90 * DAY_MS, service: 90 * DAY_MS } as const;
/** Later than this a key is overdue: long enough for a server that was off over a holiday. */
export const GRACE_MS = 7 * DAY_MS;

/**
 * Purposes whose next version nobody notices: what older versions sealed still opens. The others are replaced by hand:
 * a pepper ends sessions and links, an index key needs the index built anew.
 */
const AUTOMATIC: ReadonlySet<string> = new Set(["data", "vault", "secrets", "objects", "audit", "identity"]);
const TENANT: ReadonlySet<string> = new Set(TENANT_PURPOSES);
const SERVICE: ReadonlySet<string> = new Set(SERVICE_PURPOSES);

/** One version of a key as the listings tell it: its name and its age, and nothing of the key. */
export interface KeyRow {
  readonly tenant_id: string;
  readonly purpose: string;
  readonly version: number;
  readonly state: KeyState;
  readonly master_id: string;
  readonly made_ms: string;
  readonly wrapped_ms: string;
  readonly reserved: string;
}

/** Active versions open, and the newest of them seals; a retired one is not used; a destroyed one is gone. */
export type KeyState = "active" | "retired" | "destroyed";

/** How old a key is, and what its versions are. */
export interface KeyAge {
  readonly tenant: TenantId;
  readonly purpose: string;
  readonly class: "tenant" | "service";
  readonly version: number;
  /** The oldest version that opens; undefined for a key that was erased. */
  readonly minVersion: number | undefined;
  readonly madeMs: number;
  readonly ageSeconds: number;
  readonly periodSeconds: number;
  readonly dueMs: number;
  /** Older than its period and the grace after it. */
  readonly overdue: boolean;
  /** Whether the scheduler makes the next version by itself. */
  readonly automatic: boolean;
  readonly versions: readonly {
    readonly version: number;
    readonly state: KeyState;
    readonly masterId: string;
    readonly madeMs: number;
    readonly wrappedMs: number;
    /** Uses reserved so far. */
    readonly wraps: number;
  }[];
}

/** Groups versions (by tenant and purpose, newest first) to keys with their ages. */
export function keyAges(rows: readonly KeyRow[], nowMs: number): readonly KeyAge[] {
  const groups = Map.groupBy(rows, ({ purpose, tenant_id }) => `${tenant_id}/${purpose}`);
  return [...groups.values()].map((versions) => keyAge(versions, nowMs));
}

function keyAge(rows: readonly KeyRow[], nowMs: number): KeyAge {
  const [newest] = rows;
  if (newest === undefined || !isTenantId(newest.tenant_id)) throw new RingwallError("internal");
  const keyClass = TENANT.has(newest.purpose) ? "tenant" : "service";
  const madeMs = Number(newest.made_ms);
  const active = rows.filter(({ state }) => state === "active").map(({ version }) => version);
  const isLive = active.length > 0;
  // The anchor ties a database to its master key; it seals nothing, and is wrapped anew with the master.
  const ages = isLive && newest.purpose !== "anchor";
  return {
    tenant: newest.tenant_id,
    purpose: newest.purpose,
    class: keyClass,
    version: newest.version,
    minVersion: isLive ? Math.min(...active) : undefined,
    madeMs,
    ageSeconds: Math.max(0, Math.floor((nowMs - madeMs) / 1_000)),
    periodSeconds: PERIOD_MS[keyClass] / 1_000,
    dueMs: madeMs + PERIOD_MS[keyClass],
    overdue: ages && nowMs >= madeMs + PERIOD_MS[keyClass] + GRACE_MS,
    automatic: ages && AUTOMATIC.has(newest.purpose),
    versions: rows.map((row) => ({
      version: row.version,
      state: row.state,
      masterId: row.master_id,
      madeMs: Number(row.made_ms),
      wrappedMs: Number(row.wrapped_ms),
      wraps: Number(row.reserved),
    })),
  };
}

/** True when the scheduler should make the next version now. */
export function isDue(age: KeyAge, nowMs: number): boolean {
  return age.automatic && nowMs >= age.dueMs;
}

/** Which keys may be asked to be replaced: the platform's own under the platform, a tenant's purposes under any. */
export function isRotatable(tenant: TenantId, purpose: string): boolean {
  return TENANT.has(purpose) || (tenant === PLATFORM_TENANT && SERVICE.has(purpose) && purpose !== "anchor");
}

/** What a metrics endpoint shows: the oldest key of each purpose, and how many are overdue. No tenant is named. */
export interface KeyAgeMetric {
  readonly class: "master" | "tenant" | "service";
  readonly purpose: string;
  readonly oldestSeconds: number;
  readonly overdue: number;
}

/** Ages of all keys as few numbers: one line for each purpose, however many tenants there are. */
export function keyAgeMetrics(ages: readonly KeyAge[], nowMs: number): readonly KeyAgeMetric[] {
  const live = ages.filter(({ minVersion, purpose }) => minVersion !== undefined && purpose !== "anchor");
  const groups = Map.groupBy(live, ({ purpose }) => purpose);
  const metrics: KeyAgeMetric[] = [...groups].map(([purpose, keys]) => ({
    class: TENANT.has(purpose) ? "tenant" : "service",
    purpose,
    oldestSeconds: keys.reduce((oldest, { ageSeconds }) => Math.max(oldest, ageSeconds), 0),
    overdue: keys.filter(({ overdue }) => overdue).length,
  }));
  const anchor = ages.find(({ purpose }) => purpose === "anchor");
  if (anchor === undefined) return metrics;
  const sinceMs = masterSinceMs(anchor);
  const oldestSeconds = Math.max(0, Math.floor((nowMs - sinceMs) / 1_000));
  const overdue = isMasterOverdue(anchor, nowMs) ? 1 : 0;
  return [...metrics, { class: "master", purpose: "master", oldestSeconds, overdue }];
}

/** The anchor is wrapped anew with all others, so since then the master is in use. */
export function masterSinceMs({ versions }: KeyAge): number {
  return Math.min(...versions.map(({ wrappedMs }) => wrappedMs));
}

export function isMasterOverdue(anchor: KeyAge, nowMs: number): boolean {
  return nowMs >= masterSinceMs(anchor) + PERIOD_MS.master + GRACE_MS;
}
