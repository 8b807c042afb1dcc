import { z } from "zod";
import { type Bucket, type CounterStore, type Taken, type TenantId, tenantKey } from "../core/index.ts";

/** `limit` per `periodSeconds` on average, and up to `burst` at once. */
const Rate = z.strictObject({
  limit: z.int().min(1).max(10_000_000),
  periodSeconds: z.int().min(1).max(86_400),
  burst: z.int().min(1).max(1_000_000),
});
type Rate = z.output<typeof Rate>;

const RouteName = z.string().regex(/^[a-z0-9][a-z0-9._-]{0,63}$/, "must be a name like sign-in");

export const RatesConfig = z.strictObject({
  /** All requests of one address (an IPv6 /64) together. An office behind one address is many people. */
  address: Rate.prefault({ limit: 3_000, periodSeconds: 60, burst: 500 }),
  /** All requests of one account, wherever they come from. */
  account: Rate.prefault({ limit: 1_200, periodSeconds: 60, burst: 300 }),
  /** All requests of one tenant, so that none takes the others' share. */
  tenant: Rate.prefault({ limit: 60_000, periodSeconds: 60, burst: 5_000 }),
  /**
   * Tighter limits for single routes, by name: counted per address before somebody is known and per account after.
   * Signing in is the expensive one: an argon2id hash costs about 20 ms of a core.
   */
  routes: z.record(RouteName, Rate).prefault({ "sign-in": { limit: 30, periodSeconds: 60, burst: 20 } }),
  /** Tells clients on every answer where they stand; a refusal always does. */
  announce: z.boolean().default(true),
});
export type RatesConfig = z.output<typeof RatesConfig>;

/** The outcome of one reservation together with the limits' names, for the log and the rate fields of the answer. */
export interface RateOutcome {
  readonly taken: Taken;
  /** Same order as the buckets. */
  readonly names: readonly string[];
  /** The value of `RateLimit-Policy`. */
  readonly policy: string;
}

export interface Rates {
  /** Before anybody is known: the address, and the route at that address. */
  takeAddress(rateKey: string, route: string | undefined): RateOutcome | Promise<RateOutcome>;
  /** When somebody is known: the tenant, the account, and the route for that account. One operation, all or none. */
  takeAccount(tenant: TenantId, account: string, route: string | undefined): RateOutcome | Promise<RateOutcome>;
}

interface Limit {
  readonly limit: number;
  readonly periodMs: number;
  readonly burst: number;
}

interface Plan {
  readonly limits: readonly Limit[];
  readonly names: readonly string[];
  readonly policy: string;
}

/**
 * Compiles the rates. Limits that are not configured for a route simply do not apply to it; the general ones always do.
 * Which buckets a request meets depends on its route's name, which the application gives, never on what a visitor sent.
 */
export function rates(config: RatesConfig, counters: CounterStore): Rates {
  const plans = (general: readonly (readonly [string, Rate])[]): ((route: string | undefined) => Plan) => {
    const base = plan(general);
    const routed = new Map(
      Object.entries(config.routes).map(([name, rate]) => [name, plan([...general, [name, rate]])]),
    );
    return (route) => (route === undefined ? base : (routed.get(route) ?? base));
  };
  const addressPlan = plans([["address", config.address]]);
  const accountPlan = plans([
    ["tenant", config.tenant],
    ["account", config.account],
  ]);
  const take = (chosen: Plan, keys: readonly string[]): RateOutcome | Promise<RateOutcome> => {
    const taken = counters.take(chosen.limits.map((limit, index) => bucket(limit, keys[index] ?? "")));
    const outcome = (result: Taken): RateOutcome => ({ taken: result, names: chosen.names, policy: chosen.policy });
    return taken instanceof Promise ? taken.then(outcome) : outcome(taken);
  };
  return {
    takeAddress(rateKey, route) {
      // `-` stands where the tenant will be: no tenant is known yet, and none may be taken from the request.
      const keys = [`-:address:${rateKey}`];
      if (route !== undefined) keys.push(`-:route:${route}:${rateKey}`);
      return take(addressPlan(route), keys);
    },
    takeAccount(tenant, account, route) {
      const keys = [tenantKey(tenant, "tenant"), tenantKey(tenant, "account", account)];
      if (route !== undefined) keys.push(tenantKey(tenant, "route", route, account));
      return take(accountPlan(route), keys);
    },
  };
}

/**
 * The fields that tell a client where it stands, flat (draft-ietf-httpapi-ratelimit-headers): the policy, what is left
 * of the tightest limit, and after a refusal how many seconds to wait.
 */
export function rateHeaders(outcome: RateOutcome): readonly string[] {
  const { taken } = outcome;
  const name = outcome.names[taken.tightest] ?? "address";
  if (taken.allowed) return ["RateLimit-Policy", outcome.policy, "RateLimit", `"${name}";r=${taken.remaining}`];
  const seconds = retrySeconds(taken.retryAfterMs);
  return [
    "RateLimit-Policy",
    outcome.policy,
    "RateLimit",
    `"${name}";r=0;t=${seconds}`,
    "Retry-After",
    String(seconds),
  ];
}

/** Whole seconds, rounded up and never 0: a client that comes back at that time is let in. */
export function retrySeconds(retryAfterMs: number): number {
  return Math.max(1, Math.ceil(retryAfterMs / 1_000));
}

function plan(parts: readonly (readonly [string, Rate])[]): Plan {
  return {
    limits: parts.map(([, rate]) => ({ limit: rate.limit, periodMs: rate.periodSeconds * 1_000, burst: rate.burst })),
    names: parts.map(([name]) => name),
    policy: parts.map(([name, rate]) => `"${name}";q=${rate.limit};w=${rate.periodSeconds}`).join(", "),
  };
}

function bucket(limit: Limit, key: string): Bucket {
  return { key, limit: limit.limit, periodMs: limit.periodMs, burst: limit.burst };
}
