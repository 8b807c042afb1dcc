import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { AssertionFailed, PLATFORM_TENANT, type SessionId, tenantId, type UserId } from "../../core/index.ts";
import {
  decide,
  type ListFilter,
  listFilter,
  PERMISSIONS,
  type Permission,
  type Principal,
  permission,
  type Resource,
  ROLES,
  type Role,
  requirePermission,
  requireSecondFactor,
  roleCovers,
} from "./index.ts";

const ME = "00000000-0000-7000-8000-000000000001" as UserId;
const OTHER = "00000000-0000-7000-8000-000000000002" as UserId;
const HERE = tenantId("bank-a");
const THERE = tenantId("bank-b");
const roleNames = Object.keys(ROLES) as Role[];

function principal(role: Role, tenant = HERE): Principal {
  const session = "00000000-0000-7000-8000-00000000000a" as SessionId;
  return { type: "user", tenant, user: ME, session, role, aal: 2, secondFactorMs: 0 };
}

const anyPrincipal = fc
  .record({ role: fc.constantFrom(...roleNames), tenant: fc.constantFrom(HERE, THERE, PLATFORM_TENANT) })
  .map(({ role, tenant }) => principal(role, tenant));
const anyPermission = fc.constantFrom(...PERMISSIONS);
const anyResource: fc.Arbitrary<Resource> = fc.record({
  tenant: fc.constantFrom(HERE, THERE, PLATFORM_TENANT, undefined),
  owner: fc.constantFrom(ME, OTHER, undefined),
});

describe("roles", () => {
  test("hold exactly the founding document's permissions", () => {
    const held = (role: Role): string[] => PERMISSIONS.filter((wanted) => decide(principal(role), wanted).allowed);
    expect(held("viewer")).toEqual(["user:read", "resource:read"]);
    expect(held("editor")).toEqual(["user:read", "resource:read", "resource:write"]);
    expect(held("admin").sort()).toEqual(
      [
        "admin:access",
        "admin:settings",
        "admin:users",
        "resource:delete",
        "resource:read",
        "resource:write",
        "user:read",
        "user:write",
      ].sort(),
    );
    expect(held("owner")).toHaveLength(11);
  });

  test("a name nobody knows is an error, not an empty list", () => {
    expect(() => permission("resource:fly")).toThrow(AssertionFailed);
    expect(() => decide(principal("root" as Role), "user:read")).toThrow(AssertionFailed);
    expect(() => decide(principal("constructor" as Role), "user:read")).toThrow(AssertionFailed);
    expect(() => decide(principal("viewer"), "resource:fly" as Permission)).toThrow(AssertionFailed);
  });

  test("an administrator covers everyone but an owner", () => {
    expect(roleNames.filter((role) => roleCovers("admin", role))).toEqual(["viewer", "editor", "admin"]);
    expect(roleNames.filter((role) => roleCovers("viewer", role))).toEqual(["viewer"]);
  });
});

describe("the tenant wall", () => {
  test("no role, permission or ownership reaches another tenant, and a missing tenant is another one", () => {
    fc.assert(
      fc.property(anyPrincipal, anyPermission, anyResource, (who, wanted, resource) => {
        if (resource.tenant === who.tenant) return;
        expect(decide(who, wanted, resource)).toEqual({
          allowed: false,
          rule: "tenant.wall",
          code: "resource.not_found",
        });
      }),
    );
  });

  test("a platform owner is refused another tenant's thing", () => {
    const refused = decide(principal("owner", PLATFORM_TENANT), "resource:read", { tenant: HERE, owner: ME });
    expect(refused.code).toBe("resource.not_found");
  });
});

describe("policies narrow", () => {
  test("an editor changes what is theirs, and nothing else", () => {
    const editor = principal("editor");
    expect(decide(editor, "resource:write", { tenant: HERE, owner: ME }).rule).toBe("policy.own");
    expect(decide(editor, "resource:write", { tenant: HERE, owner: OTHER }).code).toBe("access.denied");
    expect(decide(editor, "resource:write", { tenant: HERE, owner: undefined }).allowed).toBe(false);
  });

  test("owning a thing does not give the permission", () => {
    expect(decide(principal("viewer"), "resource:write", { tenant: HERE, owner: ME }).rule).toBe("permission.missing");
    expect(decide(principal("editor"), "resource:delete", { tenant: HERE, owner: ME }).allowed).toBe(false);
  });

  test("with a resource nobody may do more than without", () => {
    fc.assert(
      fc.property(anyPrincipal, anyPermission, anyResource, (who, wanted, resource) => {
        if (decide(who, wanted, resource).allowed) expect(decide(who, wanted).allowed).toBe(true);
      }),
    );
  });
});

test("check and list agree on every thing of the tenant", () => {
  const shows = (filter: ListFilter, resource: Resource): boolean =>
    filter.kind === "all" || (filter.kind === "own" && filter.owner === resource.owner);
  fc.assert(
    fc.property(anyPrincipal, anyPermission, anyResource, (who, wanted, resource) => {
      // Row-level security shows a list only the tenant's own rows.
      const own = { ...resource, tenant: who.tenant };
      expect(decide(who, wanted, own).allowed).toBe(shows(listFilter(who, wanted), own));
    }),
  );
});

test("requirePermission throws the decision's code with the rule for the log", () => {
  expect(() => requirePermission(principal("admin"), "user:read")).not.toThrow();
  expect(() => requirePermission(principal("viewer"), "user:write")).toThrow(
    expect.objectContaining({
      code: "access.denied",
      detail: { permission: "user:write", rule: "permission.missing" },
    }),
  );
});

test("a second factor counts while it is fresh, and only at level 2", () => {
  const who = { ...principal("owner"), secondFactorMs: 1_000 };
  expect(() => requireSecondFactor(who, 1_999, 1_000)).not.toThrow();
  expect(() => requireSecondFactor(who, 2_000, 1_000)).toThrow(
    expect.objectContaining({ code: "access.step_up_required" }),
  );
  expect(() => requireSecondFactor({ ...who, aal: 1 }, 1_000, 1_000)).toThrow();
  expect(() => requireSecondFactor({ ...who, secondFactorMs: undefined }, 1_000, 1_000)).toThrow();
});
