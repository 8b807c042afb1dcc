/** What is known about a request's origin. What is not known counts as not fulfilled. */
export interface TierFacts {
  /** Somebody is signed in. */
  readonly authenticated: boolean;
  /** The device is enrolled and ours. */
  readonly managedDevice?: boolean | undefined;
  /** The place is one that the organisation expects. */
  readonly location?: boolean | undefined;
  /** The device fulfils every requirement: encrypted, up to date, locked. */
  readonly posture?: boolean | undefined;
}

/** 0 is nobody. 1 any signed-in person, 2 on a managed device, 3 at an expected place, 4 with full posture. */
export type Tier = 0 | 1 | 2 | 3 | 4;

/** What is missing for a higher tier. */
export type TierReason = "not_authenticated" | "device_not_managed" | "location_not_accepted" | "posture_not_fulfilled";

/** The tier, and what keeps it from being higher. */
export interface TierDecision {
  readonly tier: Tier;
  /** What keeps the request from the next tiers, in their order; empty at tier 4. */
  readonly missing: readonly TierReason[];
}

/**
 * The access tier of a request, from facts alone. Each tier needs all below it: a perfect posture on a device that is
 * not managed is somebody's claim, and stays at tier 1. Being inside a network raises nothing by itself.
 *
 * @example tier({ authenticated: true, managedDevice: true }) // { tier: 2, missing: ["location_not_accepted", ...] }
 */
export function tier(facts: TierFacts): TierDecision {
  const missing: TierReason[] = [];
  if (!facts.authenticated) missing.push("not_authenticated");
  if (facts.managedDevice !== true) missing.push("device_not_managed");
  if (facts.location !== true) missing.push("location_not_accepted");
  if (facts.posture !== true) missing.push("posture_not_fulfilled");
  return { tier: reached(facts), missing };
}

function reached(facts: TierFacts): Tier {
  if (!facts.authenticated) return 0;
  if (facts.managedDevice !== true) return 1;
  if (facts.location !== true) return 2;
  return facts.posture === true ? 4 : 3;
}
