import { LRUCache } from "lru-cache";
import { z } from "zod";
import {
  type Actor,
  assert,
  type Bus,
  type Clock,
  type Database,
  isoTime,
  type Recorder,
  RingwallError,
  type SystemActor,
  type TenantId,
  type TenantKey,
  type Transaction,
  tenantKey,
} from "../../core/index.ts";
import { FIRST_SETTINGS, LOCK_SETTINGS, NEXT_SETTINGS, READ_SETTINGS } from "./statements.ts";

/** A host application's own settings are for what a page shows, not for what a table holds. */
export const APPLICATION_BYTES_MAX = 8_192;
const APPLICATION_DEPTH_MAX = 16;
const APPLICATION_KEYS_MAX = 256;
const ApplicationKey = z.string().regex(/^[A-Za-z][A-Za-z0-9_.-]{0,63}$/);

/** What one tenant may set for itself. Each only narrows what the installation allows; absent, the installation's holds. */
export const TenantSettings = z.strictObject({
  /** The longest life of a session, when the installation's is longer. */
  session_absolute_seconds: z.int().min(300).max(2_592_000).optional(),
  /** How long a session may rest, when the installation lets it rest longer. */
  session_idle_seconds: z.int().min(60).max(604_800).optional(),
  /** Who needs a second factor: administrators and owners always do. */
  second_factor: z.enum(["administrators", "everybody"]).default("administrators"),
  /** The host application's own, as JSON of at most 8,192 bytes. No secrets: every administrator reads it. */
  application: z
    .record(ApplicationKey, z.unknown())
    .refine((value) => Object.keys(value).length <= APPLICATION_KEYS_MAX, "has too many keys")
    .refine((value) => isStorableJson(value, APPLICATION_DEPTH_MAX), "must be JSON that can be stored as it is")
    .refine((value) => Buffer.byteLength(JSON.stringify(value)) <= APPLICATION_BYTES_MAX, "is too long")
    .default({}),
});
export type TenantSettings = z.output<typeof TenantSettings>;

/** Settings, and which version of them: 0 while nothing was ever set. */
export interface VersionedSettings {
  readonly version: number;
  readonly settings: TenantSettings;
}

/** Each tenant's settings. Who may change them is the caller's to check; the wall holds them in their tenant. */
export interface TenantSettingsStore {
  /**
   * The settings, or the defaults. From memory when read lately; a change is known on every node within a second.
   * @param tx - The tenant's transaction, for who is inside of one: another connection is not waited for then.
   */
  of(tenant: TenantId, tx?: Transaction): Promise<VersionedSettings>;
  /**
   * Replaces all of them, when `version` is still the one that was read. The audit has the names of what changed, and no
   * value.
   * @throws RingwallError `resource.conflict` when somebody else was first; `request.invalid`
   */
  change(actor: Actor, tenant: TenantId, change: VersionedSettings): Promise<VersionedSettings>;
}

const DEFAULTS: VersionedSettings = Object.freeze({ version: 0, settings: Object.freeze(TenantSettings.parse({})) });
const READER: SystemActor = { type: "system", capability: "tenants.settings" };
const CACHE_MS = 5_000;
/** Some have 8 kB; most have none. */
const CACHE_TENANTS_MAX = 10_000;
const CACHE_BYTES_MAX = 16 * 1_048_576;
/** Of what is kept beside the application's own. */
const ENTRY_BYTES = 200;

/** `bus` empties the memory when something changed or messages may be missing; while it is down nothing is kept. */
export function tenantSettings(parts: {
  readonly database: Database;
  readonly recorder: Recorder;
  readonly bus: Bus;
  readonly clock: Clock;
}): TenantSettingsStore {
  const { bus, clock, database, recorder } = parts;
  const known = new LRUCache<TenantKey, { readonly found: VersionedSettings; readonly untilMs: number }>({
    max: CACHE_TENANTS_MAX,
    maxSize: CACHE_BYTES_MAX,
    sizeCalculation: ({ found }) => ENTRY_BYTES + JSON.stringify(found.settings.application).length,
  });
  // What was read before a change must not be kept after it.
  let generation = 0;
  const forget = (tenant: TenantId): void => {
    generation += 1;
    known.delete(keyOf(tenant));
  };
  bus.subscribe((message) => {
    if (message.kind === "tenant") forget(message.tenant);
  });
  bus.onGap(() => {
    generation += 1;
    known.clear();
  });

  return {
    async of(tenant, tx) {
      const kept = known.get(keyOf(tenant));
      if (kept !== undefined && bus.up && clock() < kept.untilMs) return kept.found;
      const before = generation;
      assert(tx === undefined || tx.tenant === tenant, "settings are read in their own tenant");
      const rows = await (tx === undefined ? database.once(tenant, READER, READ_SETTINGS) : tx.run(READ_SETTINGS));
      const found = readRow(rows[0]);
      if (bus.up && before === generation) known.set(keyOf(tenant), { found, untilMs: clock() + CACHE_MS });
      return found;
    },
    async change(actor, tenant, change) {
      const parsed = TenantSettings.safeParse(change.settings);
      if (!parsed.success) throw new RingwallError("request.invalid", { detail: { fields: "body.settings" } });
      const settings = parsed.data;
      const version = await database.forTenant(tenant, actor, async (tx) => {
        const before = readRow((await tx.run(LOCK_SETTINGS))[0]);
        if (before.version !== change.version) throw overtaken(tenant);
        const values = [JSON.stringify(settings), isoTime(clock())];
        const [written] =
          before.version === 0
            ? await tx.run(FIRST_SETTINGS, values)
            : await tx.run(NEXT_SETTINGS, [...values, before.version]);
        if (written === undefined) throw overtaken(tenant);
        tx.invalidate({ kind: "tenant", tenant, id: tenant });
        await recorder.record(tx, {
          action: "tenant.settings_changed",
          outcome: "success",
          tenant,
          actor,
          targets: [{ type: "tenant", id: tenant }],
          facts: { version: written.version, changed: changedNames(before.settings, settings) },
        });
        return written.version;
      });
      forget(tenant);
      return { version, settings };
    },
  };
}

function keyOf(tenant: TenantId): TenantKey {
  return tenantKey(tenant, "settings");
}

function overtaken(tenant: TenantId): RingwallError {
  return new RingwallError("resource.conflict", { detail: { tenant, reason: "settings changed meanwhile" } });
}

/** Fails closed: settings that this version cannot read are an error, never the defaults, which may allow more. */
function readRow(row: { readonly version: number; readonly settings: unknown } | undefined): VersionedSettings {
  if (row === undefined) return DEFAULTS;
  const stored: unknown = typeof row.settings === "string" ? JSON.parse(row.settings) : row.settings;
  const parsed = TenantSettings.safeParse(stored);
  if (!parsed.success) throw new RingwallError("internal", { detail: { what: "stored settings of another version" } });
  return { version: row.version, settings: parsed.data };
}

/** Only names: values are the tenant's. Of the application's own, that they changed. */
function changedNames(before: TenantSettings, after: TenantSettings): string {
  const names = Object.keys(TenantSettings.shape) as (keyof TenantSettings)[];
  return names.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name])).join(",");
}

/** PostgreSQL's jsonb has no NUL, no half of a surrogate pair, and numbers that come back as they were. */
function isStorableJson(value: unknown, depth: number): boolean {
  if (depth < 0) return false;
  if (value === null || typeof value === "boolean") return true;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string") return isStorableText(value);
  if (Array.isArray(value)) return value.every((one) => isStorableJson(one, depth - 1));
  if (typeof value !== "object") return false;
  return Object.entries(value).every(
    ([name, one]) => name !== "__proto__" && isStorableText(name) && isStorableJson(one, depth - 1),
  );
}

function isStorableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}
