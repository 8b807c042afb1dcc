/** The grantee that is everybody. No role can have that name. */
export const PUBLIC = "public";

/** One right given to one grantee. */
export interface Grant {
  /** A role's name, or `public`. */
  readonly grantee: string;
  /** As `aclexplode` names it: SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER, MAINTAIN, USAGE, CREATE, ... */
  readonly privilege: string;
  readonly grantable: boolean;
}

/** A membership as PostgreSQL 16 has it; before, `inherit` is the member's attribute and `set` is true. */
export interface Membership {
  readonly role: string;
  readonly admin: boolean;
  /** The member has the role's rights at once. */
  readonly inherit: boolean;
  /** The member may SET ROLE to it. */
  readonly set: boolean;
}

export interface Role {
  readonly oid: number;
  readonly name: string;
  readonly login: boolean;
  readonly superuser: boolean;
  readonly bypassRls: boolean;
  readonly createRole: boolean;
  readonly createDb: boolean;
  readonly replication: boolean;
  readonly connectionLimit: number;
  /** ISO 8601, or `infinity`. */
  readonly validUntil: string | undefined;
  /** What it is a member of, directly. */
  readonly memberOf: readonly Membership[];
}

/** How somebody comes to act as a role: it is it, has its rights at once, switches to it, or first gives itself the way. */
export type Way = "self" | "inherit" | "set role" | "grant itself";

export interface Reach {
  readonly role: string;
  /** The easiest one. */
  readonly way: Way;
  /** From the one who starts to `role`, both named. */
  readonly path: readonly string[];
  /** May become it by SET ROLE, now or after granting itself so. Attributes (superuser, BYPASSRLS) come in no other way. */
  readonly canBecome: boolean;
}

/** Answers who can act as whom. Each answer is worked out once and kept. */
export interface Access {
  /** Every role whose rights `role` can have in the end, itself first. A superuser is not expanded: it needs nobody. */
  reach(role: string): ReadonlyMap<string, Reach>;
  /**
   * The rights out of `grants` that `role` can use in the end, with the grantee it has each from. An owner has every
   * right and is not asked for here: see `isOwner`.
   */
  privileges(role: string, grants: readonly Grant[]): ReadonlyMap<string, string>;
  /** Whether `role` is, or can act as, `owner`. */
  isOwner(role: string, owner: string): boolean;
}

const WAYS: readonly Way[] = ["inherit", "set role", "grant itself"];
/** Up to PostgreSQL 15 whoever has CREATEROLE may grant every role that is no superuser, to itself too. */
const CREATEROLE_TAMED = 160_000;

/** @param version - `server_version_num`: CREATEROLE means more before 16. */
export function accessOf(roles: readonly Role[], version: number): Access {
  const byName = new Map(roles.map((role) => [role.name, role]));
  const known = new Map<string, ReadonlyMap<string, Reach>>();
  const reach = (name: string): ReadonlyMap<string, Reach> => {
    let found = known.get(name);
    if (found === undefined) {
      found = walk(byName, name, version);
      known.set(name, found);
    }
    return found;
  };
  return {
    reach,
    privileges(name, grants) {
      const reached = reach(name);
      const found = new Map<string, string>();
      for (const { grantee, privilege } of grants) {
        if (grantee === PUBLIC || reached.has(grantee)) found.set(privilege, grantee);
      }
      return found;
    },
    isOwner: (name, owner) => reach(name).has(owner),
  };
}

/**
 * Breadth first by the effort of the way, so that the first time a role is met is its easiest one. SET ROLE needs
 * memberships that allow it all along the way, whereas rights that are inherited stop at that: a role may be met first
 * as inherited, and again as one to switch to, from where more is in reach.
 */
function walk(byName: ReadonlyMap<string, Role>, start: string, version: number): ReadonlyMap<string, Reach> {
  const found = new Map<string, Omit<Reach, "canBecome">>([[start, { role: start, way: "self", path: [start] }]]);
  const switchable = new Set([start]);
  for (const way of WAYS) {
    const queue = [...found.values()];
    for (let from = queue.shift(); from !== undefined; from = queue.shift()) {
      for (const step of steps(byName.get(from.role), { way, canSwitch: switchable.has(from.role), byName, version })) {
        const isNew = !found.has(step.role);
        const opens = step.canSwitch && !switchable.has(step.role);
        if (!isNew && !opens) continue;
        const reach = found.get(step.role) ?? { role: step.role, way, path: [...from.path, step.role] };
        found.set(step.role, reach);
        if (step.canSwitch) switchable.add(step.role);
        queue.push(reach);
      }
    }
  }
  return new Map([...found].map(([role, reach]) => [role, { ...reach, canBecome: switchable.has(role) }]));
}

interface StepsFrom {
  readonly way: Way;
  readonly canSwitch: boolean;
  readonly byName: ReadonlyMap<string, Role>;
  readonly version: number;
}

/** Where one step leads that takes at most the effort of `way`. */
function steps(
  role: Role | undefined,
  { way, canSwitch, byName, version }: StepsFrom,
): readonly { readonly role: string; readonly canSwitch: boolean }[] {
  if (role === undefined) return [];
  const grantsItself = way === "grant itself";
  const next = role.memberOf.flatMap(({ role: name, inherit, set, admin }) => {
    const switches = (way !== "inherit" && canSwitch && set) || (grantsItself && admin);
    return inherit || switches ? [{ role: name, canSwitch: switches }] : [];
  });
  if (!grantsItself || !role.createRole || version >= CREATEROLE_TAMED) return next;
  const grantable = [...byName.values()].filter(({ superuser }) => !superuser);
  return [...next, ...grantable.map(({ name }) => ({ role: name, canSwitch: true }))];
}
