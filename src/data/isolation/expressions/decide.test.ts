import { beforeAll, describe, expect, test } from "vitest";
import { caseProver, type Decision, loadParser, policyScope, readPolicy, type Surroundings } from "./index.ts";
import { plainSurroundings } from "./plain.fixture.ts";

beforeAll(loadParser);

const RINGWALL: Partial<Surroundings> = { context: { kind: "ringwall" } };

function decide(text: string, more: Partial<Surroundings> = RINGWALL, tenantNullable = true): Decision {
  const condition = readPolicy(text, policyScope(plainSurroundings(more), "app.doc"));
  return caseProver.decide({ condition, tenantNullable });
}

describe("an expression that holds only for the context's own rows implies the wall", () => {
  test.each([
    "tenant_id = ringwall.tenant()",
    "(tenant_id = ( SELECT ringwall.tenant() AS tenant))",
    "(( SELECT ringwall.tenant() AS tenant) = tenant_id)",
    "((tenant_id)::text = (ringwall.tenant())::text)",
    "doc.tenant_id = ringwall.tenant() AND published",
    "published AND (level > 3) AND tenant_id = (SELECT ringwall.tenant())",
    "NOT (tenant_id <> ringwall.tenant())",
    "ROW(tenant_id, owner) = ROW(ringwall.tenant(), 'x'::text)",
    "tenant_id IN (ringwall.tenant())",
    "tenant_id = ANY (ARRAY[( SELECT ringwall.tenant() AS tenant)])",
    "NOT (tenant_id <> ALL (ARRAY[ringwall.tenant()]))",
    "CASE WHEN tenant_id = ringwall.tenant() THEN true ELSE false END",
    "CASE WHEN published THEN tenant_id = ringwall.tenant() END",
    "COALESCE((tenant_id = ringwall.tenant()), false)",
    "(tenant_id = ringwall.tenant()) IS TRUE",
    "tenant_id BETWEEN ringwall.tenant() AND ringwall.tenant()",
    "(tenant_id >= ringwall.tenant()) AND (tenant_id <= ringwall.tenant())",
    "(published AND tenant_id = ringwall.tenant()) OR (NOT published AND ringwall.tenant() = tenant_id)",
    "(published OR tenant_id = ringwall.tenant()) AND (NOT published OR tenant_id = ringwall.tenant())",
    "false",
    "tenant_id = 'acme'::text AND ringwall.tenant() = 'acme'::text",
    "(owner = ringwall.tenant()) AND (owner = tenant_id)",
    "EXISTS (SELECT 1 FROM app.member m WHERE m.tenant_id = doc.tenant_id AND m.tenant_id = ringwall.tenant())",
    "tenant_id IN (SELECT m.tenant_id FROM app.member m WHERE m.tenant_id = ringwall.tenant())",
    "tenant_id = (SELECT m.tenant_id FROM app.member m WHERE m.tenant_id = ringwall.tenant() LIMIT 1)",
    "tenant_id = NULLIF(ringwall.tenant(), ''::text)",
    "app.unknown(level) AND tenant_id = ringwall.tenant()",
    `tenant_id IN (${Array.from({ length: 500 }, (_, i) => `'t${i}'::text`).join(", ")}) AND tenant_id = ringwall.tenant()`,
  ])("%s", (text) => {
    expect(decide(text)).toMatchObject({ answer: "implies" });
  });
});

describe("an expression that holds for another row does not imply the wall, and the case is said", () => {
  test.each([
    ["true", "a row of another tenant"],
    ["1 = 1", "another tenant"],
    ["NOT false", "another tenant"],
    ["tenant_id = tenant_id", "another tenant"],
    ["tenant_id IS NOT NULL", "another tenant"],
    ["owner IS NULL OR owner IS NOT NULL", "another tenant"],
    ["tenant_id = ringwall.tenant() OR true", "another tenant"],
    ["tenant_id = ringwall.tenant() OR published", "published is true"],
    ["app.unknown(level) OR published", "published is true"],
    ["tenant_id = ringwall.tenant() OR tenant_id IS NULL", "tenant is NULL"],
    ["NOT (tenant_id IS DISTINCT FROM ringwall.tenant())", "tenant is NULL when there is no context"],
    ["tenant_id = COALESCE(ringwall.tenant(), tenant_id)", "no context"],
    ["tenant_id = ringwall.tenant() OR ringwall.tenant() IS NULL", "no context"],
    ["tenant_id = 'acme'::text", "equals 'acme'"],
    ["tenant_id <> ringwall.tenant()", "another tenant"],
    ["tenant_id <= ringwall.tenant()", "another tenant"],
    ["owner = ringwall.tenant()", "owner equals the context's tenant"],
    ["tenant_id = current_setting('app.tenant'::text, true)", "the setting app.tenant, which the client may set"],
    ["EXISTS (SELECT 1 FROM app.member m WHERE m.tenant_id = ringwall.tenant())", "finds a row"],
    ["tenant_id IN (SELECT m.tenant_id FROM app.member m WHERE m.user_id = CURRENT_USER)", "finds a row"],
    ["(tenant_id = ringwall.tenant()) IS NOT FALSE", "no context"],
    ["COALESCE((tenant_id = ringwall.tenant()), true)", "no context"],
    ["ringwall.tenant() IN (tenant_id, 'platform'::text)", "equals"],
    ["ringwall.tenant() = ANY (tags)", "tags"],
  ])("%s", (text, witness) => {
    expect(decide(text)).toEqual({ answer: "does not imply", witness: expect.stringContaining(witness) as string });
  });
});

describe("what is not understood is unknown, never walled", () => {
  test.each([
    "app.unknown(tenant_id)",
    "tenant_id OPERATOR(app.=) ringwall.tenant()",
    "lower(tenant_id) = lower(ringwall.tenant())",
    "(tenant_id)::uuid = (ringwall.tenant())::uuid",
    "(tenant_id)::character varying(3) = ringwall.tenant()",
    "tenant_id = (ringwall.tenant())::character varying(3)",
    "tenant_id = (ringwall.tenant())::name",
    "tenant_id = ANY (app.unknown())",
    "tenant_id = evil.tenant()",
    "tenant_id IN (SELECT max(m.tenant_id) FROM app.member m)",
    "tenant_id = ringwall.tenant() UNION select 1",
    "this is ( no expression",
    `${"(".repeat(50_000)}true${")".repeat(50_000)}`,
    `true${" or (a = 1 and b = 2)".repeat(20_000)}`,
    `tenant_id = ${"NULLIF(".repeat(400)}owner${", ''::text)".repeat(400)}`,
  ])("%.80s", (text) => {
    expect(decide(text).answer).toBe("unknown");
  });

  test("an operator that shadows PostgreSQL's own is not taken for it where its name is not printed", () => {
    const shadowed: Partial<Surroundings> = { ...RINGWALL, isShadowed: (name) => name === "=" };
    expect(decide("tenant_id = ringwall.tenant()", shadowed).answer).toBe("implies");
    expect(decide("NOT (tenant_id IS DISTINCT FROM ringwall.tenant())", shadowed, false).answer).not.toBe("implies");
    expect(decide("CASE tenant_id WHEN ringwall.tenant() THEN true END", shadowed).answer).toBe("unknown");
    expect(decide("ROW(tenant_id, 1) = ROW(ringwall.tenant(), level)", shadowed).answer).toBe("unknown");
  });

  test("a column whose collation ignores case is not compared by identity", () => {
    const loose: Partial<Surroundings> = {
      ...RINGWALL,
      column: () => ({ type: "text", nullable: true, deterministic: false }),
    };
    expect(decide("tenant_id = ringwall.tenant()", loose).answer).toBe("unknown");
  });
});

describe("a tenant column that cannot be NULL leaves the cases of NULL out", () => {
  test.each([
    "tenant_id = ringwall.tenant() OR tenant_id IS NULL",
    "NOT (tenant_id IS DISTINCT FROM ringwall.tenant())",
  ])("%s", (text) => {
    expect(decide(text, RINGWALL, false).answer).toBe("implies");
  });
});

describe("functions are followed into their bodies", () => {
  test.each([
    ["tenant_id = app.tenant()", "implies"],
    ["tenant_id = ( SELECT app.tenant_pl() AS tenant_pl)", "implies"],
    ["app.is_mine(tenant_id)", "implies"],
    ["app.is_mine(owner)", "does not imply"],
    ["tenant_id = app.busy()", "unknown"],
    ["tenant_id = app.endless()", "unknown"],
    ["tenant_id = (NULLIF(current_setting('app.tenant'::text, true), ''::text))::text", "implies"],
    ["tenant_id = current_setting('App.Tenant'::text)", "implies"],
    ["tenant_id = current_setting('app.other'::text)", "does not imply"],
  ])("%s: %s", (text, answer) => {
    expect(decide(text, {}).answer).toBe(answer);
  });
});

test("a read of a walled table gives the context's rows", () => {
  const walled: Partial<Surroundings> = { ...RINGWALL, isWalled: (table) => table === "app.member" };
  const text = "EXISTS (SELECT 1 FROM app.member m WHERE m.tenant_id = doc.tenant_id)";
  expect(decide(text, walled).answer).toBe("implies");
  expect(decide(text).answer).toBe("does not imply");
  expect(decide("tenant_id IN (SELECT m.tenant_id FROM app.member m)", walled).answer).toBe("implies");
});

test("an expression with far too many cases ends in time", () => {
  const parts = Array.from({ length: 60 }, (_, i) => `(level = ${i} OR owner = 'o${i}'::text)`).join(" AND ");
  const text = `${parts} AND (owner = ringwall.tenant() OR lower(tenant_id) = ringwall.tenant())`;
  expect(decide(text).answer).toBe("unknown");
});
