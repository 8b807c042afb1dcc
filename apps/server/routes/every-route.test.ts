import type { RouteDefinition } from "ringwall/adapters/fastify";
import { roleHolds } from "ringwall/application/access";
import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { apiStage, type Person, type Role, type Stage } from "../stage.fixture.ts";
import { allRoutes } from "./index.ts";

// What no handler of these may reach; the definitions alone are read here.
const ROUTES = allRoutes(() => {
  throw new TypeError("no handler runs while tests are listed");
});
const named = (wanted: (route: RouteDefinition) => boolean) =>
  ROUTES.filter(wanted).map((route) => [`${route.method} ${route.url}`, route] as const);

const permissionOf = ({ policy: { access } }: RouteDefinition) =>
  typeof access === "object" ? access.permission : undefined;
const isForPeople = ({ policy: { access } }: RouteDefinition): boolean => access !== "public" && access !== "operator";

let stage: Stage;
let people: Record<Role, Person>;

beforeAll(async () => {
  stage = await apiStage();
  const owner = await stage.tenant("alpha-bank");
  people = {
    owner,
    admin: await stage.person(owner, "admin"),
    editor: await stage.person(owner, "editor"),
    viewer: await stage.person(owner, "viewer"),
  };
});
afterAll(() => stage.close());

/** A path of the route, with ids of the right form that are nobody's. */
function pathOf({ policy, url }: RouteDefinition): string {
  const isTenant = url.startsWith("/v1/tenants/");
  const path = url.replace(/:[a-z]+/, isTenant ? "no-such-bank" : uuidv7(stage.clock()));
  return policy.params === undefined ? url : path;
}

/** A body of the right form for the route, or none. */
function bodyOf({ policy: { body } }: RouteDefinition): Record<string, unknown> | undefined {
  if (body === undefined) return undefined;
  const fits: Record<string, unknown> = {
    tenant: "alpha-bank",
    email: "somebody@alpha-bank.example",
    password: "a password of some length",
    name: "some-name",
    value: "a value",
    code: "123456",
    login: `rwl_${"a".repeat(43)}`,
    token: `rwk_${"a".repeat(43)}`,
    role: "viewer",
    kind: "password",
    id: "delta-bank",
    confirm: "Delta Bank",
    reason: "a reason",
  };
  const shape = body instanceof z.ZodObject ? Object.keys(body.shape) : [];
  return Object.fromEntries(shape.flatMap((field) => (field in fits ? [[field, fits[field]]] : [])));
}

test("every route says what it takes, what it answers, and has one place in the description", () => {
  const places = ROUTES.map(({ method, url }) => `${method} ${url}`);
  expect(new Set(places).size).toBe(places.length);
  for (const { method, policy, url } of ROUTES) {
    expect(policy.params === undefined, `${url} and its params`).toBe(!url.includes(":"));
    expect(policy.summary).toMatch(/^[A-Z].*\.$/);
    if (method === "GET") expect(policy.output, `${url} has an output`).toBeDefined();
  }
});

describe("without a credential", () => {
  test.each(named(isForPeople))("%s answers 401", async (_, route) => {
    const refused = await stage.ask(route.method, pathOf(route), { body: bodyOf(route) });
    expect([refused.status, refused.code]).toEqual([401, "identity.sign_in_required"]);
  });

  test.each(named(isForPeople))("%s answers 401 to a token that nobody has", async (_, route) => {
    for (const token of [`rws_${"a".repeat(43)}`, "x", people.viewer.token.toUpperCase()]) {
      const refused = await stage.ask(route.method, pathOf(route), { token, body: bodyOf(route) });
      expect([refused.status, refused.code]).toEqual([401, "identity.sign_in_required"]);
    }
  });
});

describe("a role without the permission", () => {
  test.each(named((route) => permissionOf(route) !== undefined))("%s answers 403", async (_, route) => {
    for (const [role, { token }] of Object.entries(people)) {
      const permission = permissionOf(route);
      if (permission === undefined || roleHolds(role as Role, permission)) continue;
      const refused = await stage.ask(route.method, pathOf(route), { token, body: bodyOf(route) });
      expect([role, refused.status, refused.code]).toEqual([role, 403, "access.denied"]);
    }
  });

  test.each(named(({ url }) => url.startsWith("/v1/tenants")))(
    "%s answers 403 to a tenant's owner: the register is the platform's",
    async (_, route) => {
      const { token } = people.owner;
      const refused = await stage.ask(route.method, pathOf(route), { token, body: bodyOf(route) });
      expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
    },
  );
});

test.each(named(({ policy }) => policy.access === "operator"))("%s is not there over the network", async (_, route) => {
  const refused = await stage.ask(route.method, pathOf(route), { token: people.owner.token });
  expect([refused.status, refused.code]).toEqual([404, "resource.not_found"]);
});

test.each(
  named(
    ({ policy: { access } }) => access === "principal" || (typeof access === "object" && access.orOperator !== true),
  ),
)("%s is for people, not for the local socket", async (_, route) => {
  const refused = await stage.operator(route.method, pathOf(route), { body: bodyOf(route) });
  expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
});

describe("input that nobody described", () => {
  test.each(named(({ policy }) => policy.body !== undefined))("%s refuses an unknown field", async (_, route) => {
    const body = { ...bodyOf(route), is_admin: true };
    const refused = await stage.ask(route.method, pathOf(route), { token: people.owner.token, body });
    expect(refused.json).toMatchObject({ status: 400, code: "request.invalid", fields: expect.any(Array) });
  });

  test.each(named(({ policy }) => policy.body !== undefined))("%s refuses what is no object", async (_, route) => {
    for (const raw of ["[]", '"text"', "null", "1", "{}"]) {
      const refused = await stage.ask(route.method, pathOf(route), { token: people.owner.token, raw });
      expect([raw, refused.status, refused.code]).toEqual([raw, 400, "request.invalid"]);
    }
  });

  test.each(named(({ policy }) => policy.access !== "operator"))(
    "%s refuses an unknown parameter",
    async (_, route) => {
      const { token } = people.owner;
      const refused = await stage.ask(route.method, `${pathOf(route)}?debug=1`, { token, body: bodyOf(route) });
      expect([refused.status, refused.code]).toEqual([400, "request.invalid"]);
    },
  );

  test.each(named(({ policy, method }) => policy.body === undefined && method !== "GET"))(
    "%s refuses a body",
    async (_, route) => {
      const asking = route.policy.access === "operator" ? stage.operator : stage.ask;
      const refused = await asking(route.method, pathOf(route), { token: people.owner.token, body: { all: true } });
      expect([refused.status, refused.code]).toEqual([400, "request.invalid"]);
    },
  );

  test.each(named(({ policy }) => policy.params !== undefined && policy.access !== "operator"))(
    "%s refuses an id of another form",
    async (_, route) => {
      for (const id of ["1", "%00", "A".repeat(36), "..%2f..", "' or 1=1 --"]) {
        const path = route.url.replace(/:[a-z]+/, id.includes(" ") ? encodeURIComponent(id) : id);
        const refused = await stage.ask(route.method, path, { token: people.owner.token, body: bodyOf(route) });
        expect([id, refused.status]).toEqual([id, expect.toBeOneOf([400, 404])]);
      }
    },
  );
});

describe("an old second factor", () => {
  test.each(named(({ policy }) => policy.stepUpSeconds !== undefined))("%s asks for a fresh one", async (_, route) => {
    await stage.advance(16 * 60_000);
    const { token } = people.owner;
    const refused = await stage.ask(route.method, pathOf(route), { token, body: bodyOf(route) });
    expect([refused.status, refused.code]).toEqual([403, "access.step_up_required"]);
    // Back to a life in which the administrator's idle session goes on.
    await stage.freshen(people.owner);
  });
});
