import { LRUCache } from "lru-cache";
import { z } from "zod";
import {
  type Database,
  isTenantId,
  type Mode,
  PLATFORM_TENANT,
  RingwallError,
  type TenantId,
} from "../../core/index.ts";

/** What a tenant's data is for. Test data and live data are apart by the wall between tenants: each is a tenant. */
export const ENVIRONMENTS = ["development", "staging", "production"] as const;
/** One of `ENVIRONMENTS`. A tenant keeps it for good. */
export type Environment = (typeof ENVIRONMENTS)[number];

/** For environments that come from outside: a row, a request. */
export function isEnvironment(text: unknown): text is Environment {
  return ENVIRONMENTS.some((one) => one === text);
}

/** What an installation says about its tenants. */
export const TenantsConfig = z.strictObject({
  /** The environments whose tenants are served here. All in development mode, `production` alone in production mode. */
  environments: z.array(z.enum(ENVIRONMENTS)).min(1).max(ENVIRONMENTS.length).optional(),
  /** How long a planned deletion can be undone. */
  deletionGraceDays: z.int().min(1).max(365).default(7),
});
export type TenantsConfig = z.output<typeof TenantsConfig>;

/** The environments that are served, by mode unless the configuration names them. */
export function servedEnvironments(mode: Mode, { environments }: TenantsConfig): ReadonlySet<Environment> {
  return new Set(environments ?? (mode === "development" ? ENVIRONMENTS : (["production"] as const)));
}

/** About 100 bytes each. */
const CACHE_TENANTS_MAX = 100_000;

/**
 * The same database, for an installation that serves some environments: a tenant of another one is looked up as an unknown
 * one is, and no transaction is begun in it. The platform's own tenant is always served.
 *
 * What is found is kept for good: a tenant never changes its environment, and no id is given twice. A tenant that is not
 * in the register is none of another environment, and is left to whoever asks.
 *
 * @throws RingwallError `tenant.unavailable` from `forTenant` and `once`.
 */
export function servedDatabase(database: Database, served: ReadonlySet<Environment>): Database {
  if (ENVIRONMENTS.every((one) => served.has(one))) return database;
  const known = new LRUCache<TenantId, { readonly isServed: boolean }>({ max: CACHE_TENANTS_MAX });

  async function isServed(tenant: TenantId): Promise<boolean> {
    if (tenant === PLATFORM_TENANT) return true;
    const kept = known.get(tenant);
    if (kept !== undefined) return kept.isServed;
    const row = await database.lookup<{ environment: string }>("tenant_by_id", [tenant]);
    if (row === undefined) return true;
    const found = { isServed: isEnvironment(row.environment) && served.has(row.environment) };
    known.set(tenant, found);
    return found.isServed;
  }

  async function requireServed(tenant: TenantId): Promise<void> {
    if (!(await isServed(tenant))) throw new RingwallError("tenant.unavailable", { detail: { tenant } });
  }

  return {
    async forTenant(tenant, actor, work) {
      await requireServed(tenant);
      return await database.forTenant(tenant, actor, work);
    },
    async once(tenant, actor, what, values) {
      await requireServed(tenant);
      return await database.once(tenant, actor, what, values);
    },
    async lookup<Row extends object>(...asked: Parameters<Database["lookup"]>): Promise<Row | undefined> {
      const row = await database.lookup<Row & { readonly tenant_id?: unknown }>(...asked);
      // Signing in is looked up by the tenant itself; everything else says whose it is.
      const tenant = row?.tenant_id ?? asked[1][0];
      return row !== undefined && isTenantId(tenant) && (await isServed(tenant)) ? row : undefined;
    },
    close: async () => await database.close(),
  };
}
