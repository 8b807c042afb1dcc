import { describe, expect, test } from "vitest";
import { z } from "zod";
import type { Principal, Role } from "./application/access/index.ts";
import { type CounterStore, RingwallError, type SessionId, type TenantId, type UserId } from "./core/index.ts";
import { createGuard, type Exchange, type Guard, type RoutePolicy, runSteps, type Step } from "./pipeline.ts";
import { perimeterFor, perimeterRequest, TEST_HOST } from "./testing/perimeter-request.ts";
import { type ListeningRecorder, listeningRecorder } from "./testing/recorder.ts";

const NOW_MS = 1_764_000_000_000;
const ID = "0198c1a0-0000-7000-8000-000000000001";
const COOKIE = "__Host-rw_session";

function person(role: Role, over: Partial<Principal> = {}): Principal {
  const ids = { tenant: "bank" as TenantId, user: "u1" as UserId, session: "s1" as SessionId };
  return { type: "user", ...ids, role, aal: 1, secondFactorMs: undefined, ...over };
}

interface Built {
  readonly guard: Guard;
  readonly recorder: ListeningRecorder;
  readonly lines: object[];
  /** Tokens that were asked about. */
  readonly asked: string[];
}

function build(principal: Principal | undefined = person("editor"), later = false, counters?: CounterStore): Built {
  const recorder = listeningRecorder();
  const lines: object[] = [];
  const asked: string[] = [];
  const log = (facts: object, message: string): void => void lines.push({ ...facts, message });
  const guard = createGuard({
    perimeter: perimeterFor({}, counters),
    authenticate(token) {
      asked.push(token);
      if (principal === undefined || token !== "good") throw new RingwallError("identity.sign_in_required");
      return later ? Promise.resolve(principal) : principal;
    },
    recorder,
    log: { info: log, warn: log, error: log },
    clock: () => NOW_MS,
  });
  return { guard, recorder, lines, asked };
}

interface Sent {
  readonly headers?: Record<string, string>;
  readonly method?: string;
  readonly operator?: boolean;
  readonly input?: Pick<Partial<Exchange>, "params" | "query" | "body">;
}

function exchangeOf(guard: Guard, policy: Partial<RoutePolicy>, sent: Sent = {}): Exchange {
  const { headers = {}, method = "GET", operator = false, input = {} } = sent;
  const visit = guard.open(perimeterRequest({ method }, headers));
  return {
    id: visit.requestId,
    visit,
    authorization: headers["authorization"],
    policy: { access: "public", summary: "A test's.", ...policy },
    route: "/things/:id",
    principal: undefined,
    operator,
    sessionCookie: guard.sessionCookie,
    tier: 0,
    nonce: undefined,
    params: undefined,
    query: undefined,
    body: undefined,
    answered: false,
    refusal: undefined,
    ...input,
  };
}

/** Runs every step; gives the refusal's code, or undefined. */
async function outcome(guard: Guard, exchange: Exchange): Promise<string | undefined> {
  try {
    await runSteps(guard.steps, exchange);
    return undefined;
  } catch (error) {
    if (error instanceof RingwallError) return error.code;
    throw error;
  }
}

const bearer = { authorization: "Bearer good" };

describe("the order", () => {
  test("perimeter first, then who it is, then what they may, and the body last", () => {
    const { guard } = build();
    expect(guard.steps.map(({ name, layer, phase }) => `${phase} ${layer} ${name}`)).toEqual([
      "arrival 1 address",
      "arrival 1 rate",
      "arrival 1 protocol",
      "arrival 1 host",
      "arrival 1 origin",
      "arrival 1 csrf",
      "arrival 1 preflight",
      "arrival 3 credential",
      "arrival 2 tier",
      "arrival 1 account-rate",
      "arrival 3 permission",
      "arrival 3 step-up",
      "input 3 input",
    ]);
    expect(Object.isFrozen(guard.steps)).toBe(true);
  });

  test("steps run in turn, and the first refusal is the last thing that happens", async () => {
    const { guard } = build();
    const done: string[] = [];
    const step = (name: string, run: () => void | Promise<void>): Step => ({
      name,
      layer: 1,
      phase: "arrival",
      run() {
        done.push(name);
        return run();
      },
    });
    const refuse = (): never => {
      throw new RingwallError("access.denied");
    };
    const exchange = exchangeOf(guard, {});
    expect(runSteps([step("a", () => {}), step("b", () => {})], exchange)).toBeUndefined();
    const slow = step("slow", async () => await Promise.resolve());
    await runSteps([step("c", () => {}), slow, step("d", () => {})], exchange);
    await expect(
      Promise.resolve(runSteps([slow, step("no", refuse), step("never", () => {})], exchange)),
    ).rejects.toMatchObject({ code: "access.denied" });
    expect(done).toEqual(["a", "b", "c", "slow", "d", "slow", "no"]);
    const answer = step("answers", () => {
      exchange.answered = true;
    });
    await runSteps([answer, step("never", () => {})], exchange);
    expect(done.at(-1)).toBe("answers");
  });

  test("what the perimeter refuses is refused before anybody is asked who it is", async () => {
    const { asked, guard } = build();
    const denied: readonly Sent[] = [
      { headers: { ...bearer, host: "evil.example" } },
      { headers: { ...bearer, origin: "https://evil.example" }, method: "POST" },
      { headers: bearer, method: "TRACE" },
    ];
    for (const sent of denied) {
      expect(await outcome(guard, exchangeOf(guard, { access: "principal" }, sent))).toMatch(/^request\./);
    }
    expect(asked).toEqual([]);
    expect(await outcome(guard, exchangeOf(guard, { access: "principal" }, { headers: bearer }))).toBeUndefined();
    expect(asked).toEqual(["good"]);
  });

  test("whoever is known already makes no promise; whoever has to be looked up makes one", () => {
    const policy = { access: "principal" } as const;
    const now = build();
    expect(runSteps(now.guard.steps, exchangeOf(now.guard, policy, { headers: bearer }))).toBeUndefined();
    const later = build(person("editor"), true);
    const pending = runSteps(later.guard.steps, exchangeOf(later.guard, policy, { headers: bearer }));
    expect(pending).toBeInstanceOf(Promise);
  });
});

describe("the credential", () => {
  const policy = { access: "principal" } as const;

  test("is one bearer token, in the header or in the cookie of that name", async () => {
    const { asked, guard } = build();
    for (const headers of [
      bearer,
      { authorization: "bearer good" },
      { cookie: `${COOKIE}=good` },
      { cookie: `a=b; ${COOKIE}=good; c=d` },
    ]) {
      expect(await outcome(guard, exchangeOf(guard, policy, { headers }))).toBeUndefined();
    }
    expect(new Set(asked)).toEqual(new Set(["good"]));
  });

  test("several are refused, because two readers might each believe another one", async () => {
    const { asked, guard } = build();
    for (const headers of [
      { ...bearer, cookie: `${COOKIE}=good` },
      { cookie: `${COOKIE}=good; ${COOKIE}=good` },
      { cookie: `${COOKIE}=other; x=1; ${COOKIE}=good` },
      { authorization: "Basic Zm9vOmJhcg==", cookie: `${COOKIE}=good` },
    ]) {
      expect(await outcome(guard, exchangeOf(guard, policy, { headers }))).toBe("request.malformed");
    }
    expect(asked).toEqual([]);
  });

  test("of another form is nobody", async () => {
    const { guard } = build();
    for (const authorization of ["Basic Zm9vOmJhcg==", "Bearer", "Bearer ", "Bearer good good", "Bearergood", "good"]) {
      const code = await outcome(guard, exchangeOf(guard, policy, { headers: { authorization } }));
      expect([authorization, code]).toEqual([authorization, "identity.sign_in_required"]);
    }
    expect(await outcome(guard, exchangeOf(guard, policy))).toBe("identity.sign_in_required");
    for (const cookie of ["rw_session=good", `x${COOKIE}=good`, `${COOKIE}2=good`, COOKIE]) {
      const code = await outcome(guard, exchangeOf(guard, policy, { headers: { cookie } }));
      expect([cookie, code]).toEqual([cookie, "identity.sign_in_required"]);
    }
  });

  test("is not looked at where none is needed", async () => {
    const { asked, guard } = build();
    const headers = { authorization: "Bearer bad", cookie: `${COOKIE}=bad` };
    expect(await outcome(guard, exchangeOf(guard, { access: "public" }, { headers }))).toBeUndefined();
    expect(asked).toEqual([]);
  });

  test("comes in a cookie that browsers hold to this host: another name is a bug of the composition", () => {
    const parts = { perimeter: perimeterFor(), authenticate: () => person("viewer"), clock: () => NOW_MS };
    const log = { info() {}, warn() {}, error() {} };
    for (const sessionCookie of ["session", "__Secure-a", "__Host-", "__Host-a b", "__Host-a=b", "__host-a", ""]) {
      const wrong = { ...parts, log, recorder: listeningRecorder(), sessionCookie };
      expect(() => createGuard(wrong)).toThrow("assertion failed");
    }
    const own = createGuard({ ...parts, log, recorder: listeningRecorder(), sessionCookie: "__Host-bank_session" });
    expect(own.sessionCookie).toBe("__Host-bank_session");
  });
});

describe("what somebody may", () => {
  test("a permission is needed where the route names one, and the operator's socket is nobody's person", async () => {
    const admin = { access: { permission: "admin:users" } } as const;
    const shared = { access: { permission: "admin:users", orOperator: true } } as const;
    const operator = { access: "operator" } as const;
    const socket = { operator: true };
    const table: readonly (readonly [Partial<RoutePolicy>, Role, Sent, string | undefined])[] = [
      [admin, "viewer", { headers: bearer }, "access.denied"],
      [admin, "editor", { headers: bearer }, "access.denied"],
      [admin, "admin", { headers: bearer }, undefined],
      [admin, "admin", {}, "identity.sign_in_required"],
      [admin, "admin", socket, "access.denied"],
      [shared, "admin", socket, undefined],
      [shared, "editor", { headers: bearer }, "access.denied"],
      [operator, "owner", { headers: bearer }, "resource.not_found"],
      [operator, "owner", {}, "resource.not_found"],
      [operator, "owner", socket, undefined],
      [{ access: "principal" }, "owner", socket, "access.denied"],
      [{ access: "public" }, "viewer", socket, undefined],
    ];
    for (const [policy, role, sent, code] of table) {
      const { guard } = build(person(role));
      expect([policy, role, sent, await outcome(guard, exchangeOf(guard, policy, sent))]).toEqual([
        policy,
        role,
        sent,
        code,
      ]);
    }
  });

  test("a second factor is fresh for as long as the route says, and not a moment longer", async () => {
    const policy = { access: "principal", stepUpSeconds: 300 } as const;
    const ages = [undefined, 0, 299_999, 300_000, 300_001];
    const codes: (string | undefined)[] = [];
    for (const age of ages) {
      const factor = age === undefined ? {} : ({ aal: 2, secondFactorMs: NOW_MS - age } as const);
      const { guard } = build(person("owner", factor));
      codes.push(await outcome(guard, exchangeOf(guard, policy, { headers: bearer })));
    }
    const old = "access.step_up_required";
    expect(codes).toEqual([old, undefined, undefined, old, old]);
  });
});

describe("input", () => {
  test("that a route did not declare is refused, and what it declared fits or names its fields", async () => {
    const { guard } = build();
    const body = z.strictObject({ amount: z.int(), note: z.string().optional() });
    const codeFor = async (policy: Partial<RoutePolicy>, input: Sent["input"] = {}): Promise<string> => {
      try {
        await runSteps(guard.steps, exchangeOf(guard, policy, { input }));
        return "taken";
      } catch (error) {
        return error instanceof RingwallError ? `${error.code} ${error.detail["fields"]}` : "another error";
      }
    };
    expect(await codeFor({}, { query: { debug: "1" } })).toBe("request.invalid query");
    expect(await codeFor({}, { body: [] })).toBe("taken");
    expect(await codeFor({}, { body: { a: 1 } })).toBe("request.invalid body");
    expect(await codeFor({}, { body: "text" })).toBe("request.invalid body");
    expect(await codeFor({}, { params: {}, query: {}, body: null })).toBe("taken");
    expect(await codeFor({ body }, { body: { amount: 1 } })).toBe("taken");
    expect(await codeFor({ body }, { body: { amount: "1" } })).toBe("request.invalid body.amount");
    expect(await codeFor({ body }, { body: { amount: 1, role: "owner" } })).toBe("request.invalid body");
    expect(await codeFor({ body })).toBe("request.invalid body");
    const wide = z.strictObject(
      Object.fromEntries(Array.from({ length: 50 }, (_, index) => [`f${index}`, z.string()])),
    );
    expect((await codeFor({ body: wide }, { body: {} })).split(",")).toHaveLength(20);
  });
});

describe("completion", () => {
  const failed = (code: ConstructorParameters<typeof RingwallError>[0], detail = {}) =>
    new RingwallError(code, { detail });

  function complete(
    error: RingwallError | undefined,
    { policy = {}, principal, params }: { policy?: Partial<RoutePolicy>; principal?: Principal; params?: unknown } = {},
  ): Built {
    const built = build();
    const exchange = exchangeOf(built.guard, policy, { input: { params } });
    exchange.principal = principal;
    built.guard.completed(exchange, { status: error?.status ?? 200, bytes: 7, error });
    return built;
  }

  test("a refusal of somebody is recorded in their tenant, with the id that was asked for", () => {
    const principal = person("editor");
    const { recorder } = complete(failed("resource.not_found"), { principal, params: { id: ID } });
    expect(recorder.events).toEqual([
      {
        action: "access.denied",
        outcome: "denied",
        tenant: "bank",
        actor: principal,
        targets: [{ type: "id", id: ID }],
        facts: { code: "resource.not_found", method: "GET", route: "/things/:id" },
      },
    ]);
    for (const params of [undefined, null, {}, { id: "<script>" }, { id: ID.toUpperCase() }, { id: 7 }]) {
      const [event] = complete(failed("access.denied"), { principal, params }).recorder.events;
      expect([params, event?.targets]).toEqual([params, undefined]);
    }
  });

  test("a refusal of nobody stands in the platform's log, and only what says something about manners", () => {
    for (const [code, noted] of [
      ["identity.sign_in_required", true],
      ["request.cross_site", true],
      ["request.host_unknown", true],
      ["request.rate_limited", true],
      ["resource.not_found", false],
      ["request.malformed", false],
      ["request.too_large", false],
      ["database.unavailable", false],
      ["internal", false],
    ] as const) {
      const { recorder } = complete(failed(code));
      expect([code, recorder.events.map(({ action, tenant }) => `${action} ${tenant}`)]).toEqual([
        code,
        noted ? ["requests.refused platform"] : [],
      ]);
    }
  });

  test("our own faults are logged and not audited, and neither are routes that say so, nor successes", () => {
    const principal = person("editor");
    const fault = complete(failed("internal", { what: "x" }), { principal });
    expect(fault.recorder.events).toEqual([]);
    expect(fault.lines.at(-1)).toMatchObject({ message: "a request failed" });
    const quiet = complete(failed("access.denied"), { principal, policy: { auditRefusals: false } });
    expect(quiet.recorder.events).toEqual([]);
    const fine = complete(undefined, { principal });
    expect(fine.recorder.events).toEqual([]);
    expect(fine.lines).toHaveLength(1);
  });

  test("never throws: when the audit takes nothing any more, the log says so", () => {
    const built = build();
    built.recorder.down = true;
    const exchange = exchangeOf(built.guard, {});
    exchange.principal = person("editor");
    const error = failed("access.denied");
    expect(() => built.guard.completed(exchange, { status: 403, bytes: 0, error })).not.toThrow();
    expect(built.lines.at(-1)).toMatchObject({ message: "a refusal could not be noted", requestId: exchange.id });
  });
});

test("headers are a page's only with a nonce; without one the answer is data, whatever the route says", () => {
  const { guard } = build();
  const policyOf = (exchange: Exchange): string | undefined => {
    const fields = guard.headersFor(exchange);
    return fields[fields.indexOf("Content-Security-Policy") + 1];
  };
  const exchange = exchangeOf(guard, { profile: "html" }, { headers: { host: TEST_HOST } });
  expect(policyOf(exchange)).toBe("default-src 'none'; frame-ancestors 'none'");
  exchange.nonce = "AAAAAAAAAAAAAAAAAAAAAA";
  expect(policyOf(exchange)).toContain("script-src 'nonce-AAAAAAAAAAAAAAAAAAAAAA'");
});

test("without counters nothing is let through but the answer that the process lives", async () => {
  const gone = { take: () => Promise.reject(new RingwallError("counters.unavailable")) };
  const { guard } = build(undefined, false, gone);
  expect(await outcome(guard, exchangeOf(guard, {}))).toBe("counters.unavailable");
  expect(await outcome(guard, exchangeOf(guard, { liveness: true }))).toBeUndefined();
  const full = { take: () => ({ allowed: false, remaining: 0, tightest: 0, retryAfterMs: 1, refused: 0 }) };
  const busy = build(undefined, false, full).guard;
  expect(await outcome(busy, exchangeOf(busy, { liveness: true }))).toBe("request.rate_limited");
});
