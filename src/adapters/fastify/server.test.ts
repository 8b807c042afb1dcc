import { connect } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { z } from "zod";
import type { Principal } from "../../application/access/index.ts";
import { type CounterStore, RingwallError, type SessionId, type TenantId, type UserId } from "../../core/index.ts";
import { createGuard, type Guard, type Step } from "../../pipeline.ts";
import { perimeterFor } from "../../testing/perimeter-request.ts";
import { listeningRecorder } from "../../testing/recorder.ts";
import { Answer, createServer, type RouteDefinition, register, route, type ServerOptions } from "./index.ts";

const NOW_MS = 1_764_000_000_000;
const BODY_MAX = 2_048;
const OWNER: Principal = {
  type: "user",
  tenant: "bank" as TenantId,
  user: "u1" as UserId,
  session: "s1" as SessionId,
  role: "owner",
  aal: 1,
  secondFactorMs: undefined,
};

interface Served {
  readonly url: string;
  readonly port: number;
  readonly lines: string[];
  readonly events: object[];
}

const open: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const app of open.splice(0)) await app.close();
});

function guardOf(
  extra: readonly Step[] = [],
  counters?: CounterStore,
): { guard: Guard; lines: string[]; events: object[] } {
  const lines: string[] = [];
  const recorder = listeningRecorder();
  const write = (facts: object, message: string): void => void lines.push(JSON.stringify({ ...facts, message }));
  const guard = createGuard({
    perimeter: perimeterFor({ hosts: [], bodyBytes: BODY_MAX }, counters, "development"),
    authenticate(token) {
      if (token === "good") return OWNER;
      if (token === "later") return Promise.resolve(OWNER);
      throw new RingwallError("identity.sign_in_required", { detail: { reason: "unknown" } });
    },
    recorder,
    log: { info: write, warn: write, error: write },
    clock: () => NOW_MS,
  });
  return { guard: { ...guard, steps: [...extra, ...guard.steps] }, lines, events: recorder.events };
}

/** Everything that comes over the network is counted, whatever the router thinks of it. */
test("an address that the router refuses is counted like any other", async () => {
  let asked = 0;
  const taken = { allowed: true, remaining: 1, tightest: 0, retryAfterMs: 0, refused: -1 };
  const counters = {
    take: () => (asked++ < 1 ? taken : { ...taken, allowed: false, retryAfterMs: 5_000, refused: 0 }),
  };
  const { guard } = guardOf([], counters);
  const app = createServer(guard);
  open.push(app);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const statuses: number[] = [];
  for (const path of ["/%zz", "/%zz", "/%zz"]) statuses.push((await fetch(`${url}${path}`)).status);
  expect(statuses).toEqual([400, 429, 429]);
});

async function serve(
  routes: readonly RouteDefinition[],
  options: ServerOptions = {},
  steps: readonly Step[] = [],
): Promise<Served> {
  const { events, guard, lines } = guardOf(steps);
  const app = createServer(guard, options);
  open.push(app);
  register(app, routes);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return { url, port: Number(new URL(url).port), lines, events };
}

/** Sends bytes; resolves with all that came back once the server has closed, or `until` matches. */
async function raw(port: number, sent: string | Buffer, until?: RegExp): Promise<string> {
  return await new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1");
    let text = "";
    socket.on("connect", () => socket.write(sent));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      if (until?.test(text) === true) socket.destroy();
    });
    socket.on("close", () => resolve(text));
    socket.on("error", reject);
  });
}

const hello = route("GET", "/hello", { access: "public", summary: "Says hello." }, () => ({ hello: "world" }));
const secret = route(
  "POST",
  "/secret",
  { access: "principal", body: z.strictObject({ a: z.int() }), summary: "Takes a number." },
  ({ body }) => ({ got: body.a }),
);
const json = { "content-type": "application/json" };
const signedIn = { authorization: "Bearer good" };

describe("registering", () => {
  test("a route without a policy cannot be registered, by whichever way", () => {
    const app = createServer(guardOf().guard);
    open.push(app);
    expect(() => app.get("/open", () => "open")).toThrow("route /open has no ringwall policy");
    expect(() => app.route({ method: ["POST", "DELETE"], url: "/x", handler: () => "" })).toThrow("no ringwall policy");
    expect(() => app.all("/all", () => "")).toThrow("no ringwall policy");
    expect(() => app.register(async (inner) => void inner.get("/inner", () => ""))).not.toThrow();
    return expect(app.ready()).rejects.toThrow("route /inner has no ringwall policy");
  });
});

describe("a refusal", () => {
  test("comes before the body is read: a body that never arrives is no reason to wait", async () => {
    const { port } = await serve([secret]);
    const head =
      "POST /secret HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n";
    const whole = /\r\n\r\n\{.*\}/s;
    expect(await raw(port, `${head}\r\n{"a":`, whole)).toMatch(/^HTTP\/1\.1 401 [\s\S]*identity\.sign_in_required/);
    expect(await raw(port, `${head}Authorization: Bearer bad\r\n\r\n`, whole)).toMatch(/^HTTP\/1\.1 401 /);
    expect(await raw(port, `${head.replace("/secret", "/nowhere")}\r\n`, whole)).toMatch(/^HTTP\/1\.1 404 /);
    const chunked = head.replace("Content-Length: 1000", "Transfer-Encoding: chunked");
    expect(await raw(port, `${chunked}\r\n5\r\n{"a":`, whole)).toMatch(/^HTTP\/1\.1 401 /);
  });

  test("shows code and title, and neither message, detail nor cause; what to wait is in Retry-After", async () => {
    const { lines, url } = await serve([
      route("GET", "/busy", { access: "public", summary: "Is busy." }, () => {
        throw new RingwallError("identity.attempts_exhausted", {
          message: "the message of this one",
          detail: { reason: "the detail" },
          cause: new TypeError("the cause"),
          retryAfterSeconds: 7,
        });
      }),
    ]);
    const answer = await fetch(`${url}/busy`);
    const text = await answer.text();
    expect([answer.status, answer.headers.get("retry-after")]).toEqual([429, "7"]);
    expect(JSON.parse(text)).toEqual({
      type: "urn:ringwall:error:identity.attempts_exhausted",
      title: "Too many attempts. Try again later.",
      status: 429,
      code: "identity.attempts_exhausted",
      request_id: answer.headers.get("x-request-id"),
    });
    expect(lines.join("")).toContain("the detail");
  });

  test("names the fields of the caller's own input when it does not fit, and none of its values", async () => {
    const { url } = await serve([secret]);
    const headers = { ...json, ...signedIn };
    const answer = await fetch(`${url}/secret`, { method: "POST", headers, body: '{"a":"s3cret-value"}' });
    const text = await answer.text();
    expect(JSON.parse(text)).toMatchObject({ status: 400, code: "request.invalid", fields: ["body.a"] });
    expect(text).not.toContain("s3cret-value");
  });
});

describe("a foreign error", () => {
  const NAMELESS = "password is hunter2 at db.internal";

  test("in a handler, thrown or rejected, of whatever kind, is internal and shows nothing of itself", async () => {
    const kinds: readonly (() => unknown)[] = [
      () => {
        throw new TypeError(NAMELESS);
      },
      async () => await Promise.reject(new Error(NAMELESS)),
      // A status that an error carries along is not believed.
      async () => await Promise.reject(Object.assign(new Error(NAMELESS), { statusCode: 200, status: 200, code: "X" })),
      () => {
        // oxlint-disable-next-line typescript/only-throw-error -- what a careless library does
        throw NAMELESS;
      },
    ];
    const { lines, url } = await serve(
      kinds.map((handler, index) => route("GET", `/fault/${index}`, { access: "public", summary: "Fails." }, handler)),
    );
    for (const index of kinds.keys()) {
      const answer = await fetch(`${url}/fault/${index}`);
      const text = await answer.text();
      expect([index, answer.status]).toEqual([index, 500]);
      expect(JSON.parse(text)).toMatchObject({ code: "internal", request_id: answer.headers.get("x-request-id") });
      expect(text).not.toMatch(/hunter2|db\.internal|TypeError|\.ts/);
      expect(answer.headers.get("x-frame-options")).toBe("DENY");
    }
    expect(lines.filter((line) => line.includes("a request failed"))).toHaveLength(kinds.length);
  });

  test("in a step, at once or later, is internal too, and no handler runs", async () => {
    for (const run of [
      (): never => {
        throw new TypeError(NAMELESS);
      },
      async (): Promise<never> => await Promise.reject(new TypeError(NAMELESS)),
    ]) {
      let handled = 0;
      const counting = route("GET", "/hello", { access: "public", summary: "Counts." }, () => {
        handled += 1;
        return {};
      });
      const { url } = await serve([counting], {}, [{ name: "broken", layer: 1, phase: "arrival", run }]);
      const answer = await fetch(`${url}/hello`);
      const text = await answer.text();
      expect([answer.status, handled]).toEqual([500, 0]);
      expect(text).not.toContain("hunter2");
      expect(answer.headers.get("x-request-id")).not.toBeNull();
    }
  });
});

describe("methods", () => {
  const counted = { handled: 0 };
  const counting = route("GET", "/counted", { access: "public", summary: "Counts." }, () => {
    counted.handled += 1;
    return {};
  });

  test("HEAD, OPTIONS, TRACE and unknown ones reach no handler", async () => {
    const { port, url } = await serve([counting]);
    for (const method of ["HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"]) {
      const answer = await fetch(`${url}/counted`, { method });
      expect([method, answer.status]).toEqual([method, method === "PATCH" ? 405 : 404]);
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    }
    for (const method of ["TRACE", "PROPFIND", "PURGE", "get", "GARBAGE", "CONNECT"]) {
      const answer = await raw(port, `${method} /counted HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      // CONNECT has no answer at all: the connection is closed.
      const expected = method === "CONNECT" ? "" : expect.stringMatching(/^HTTP\/1\.1 4(00|04|05) /);
      expect([method, answer]).toEqual([method, expected]);
    }
    expect(counted.handled).toBe(0);
    expect((await fetch(`${url}/counted`)).status).toBe(200);
    expect(counted.handled).toBe(1);
  });

  test("a preflight from a listed origin ends with 204 and reaches no handler; from another it is refused", async () => {
    const { url } = await serve([hello]);
    const ask = async (origin: string): Promise<Response> =>
      await fetch(`${url}/hello`, { method: "OPTIONS", headers: { origin, "access-control-request-method": "GET" } });
    const allowed = await ask("https://app.example.com");
    expect([allowed.status, await allowed.text()]).toEqual([204, ""]);
    expect(allowed.headers.get("access-control-allow-origin")).toBe("https://app.example.com");
    const refused = await ask("https://evil.example");
    expect(refused.status).toBe(403);
    expect(refused.headers.get("access-control-allow-origin")).toBeNull();
  });
});

describe("the operator", () => {
  const routes = [
    route("GET", "/local", { access: "operator", summary: "For the socket." }, ({ exchange }) => ({
      operator: exchange.operator,
    })),
    route("GET", "/mine", { access: "principal", summary: "For people." }, () => ({})),
  ];

  test("is whoever comes over the server made for it, and nobody by a header, a cookie or a query", async () => {
    const network = await serve(routes);
    for (const headers of [
      {},
      signedIn,
      { "x-ringwall-operator": "true", "operator": "1" },
      { cookie: "operator=true" },
    ] as Record<string, string>[]) {
      const answer = await fetch(`${network.url}/local?operator=true`, { headers });
      expect(await answer.json()).toMatchObject({ status: 404, code: "resource.not_found" });
    }
    const socket = await serve(routes, { operator: true });
    expect(await (await fetch(`${socket.url}/local`)).json()).toEqual({ operator: true });
    expect(await (await fetch(`${socket.url}/mine`)).json()).toMatchObject({ code: "access.denied" });
  });
});

describe("bytes", () => {
  test("that are no HTTP get a plain 400 with the headers that matter, and the connection is closed", async () => {
    const { port } = await serve([hello]);
    for (const sent of ["GARBAGE\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\0\0\0\0", "\x16\x03\x01\x02\x00\r\n\r\n"]) {
      const answer = await raw(port, sent);
      expect(answer).toMatch(/^HTTP\/1\.1 400 Refused\r\n/);
      expect(answer).toContain("content-type: application/problem+json\r\n");
      expect(answer).toContain("connection: close\r\n");
      expect(answer).toMatch(/"code":"request\.malformed","request_id":"[0-9a-f-]{36}"\}$/);
    }
    const long = await raw(port, `GET / HTTP/1.1\r\nHost: localhost\r\nX: ${"x".repeat(20_000)}\r\n\r\n`);
    expect(long).toMatch(/^HTTP\/1\.1 431 Refused\r\n[\s\S]*request\.headers_too_large/);
  });

  test("of a body are JSON, said to be JSON, and no more than the server or the route takes", async () => {
    const small = route(
      "POST",
      "/small",
      { access: "public", bodyBytesMax: 16, body: z.looseObject({}), summary: "Takes little." },
      () => ({}),
    );
    const { url } = await serve([secret, small]);
    const post = async (path: string, body: string, headers: Record<string, string> = json): Promise<unknown> => {
      const answer = await fetch(`${url}${path}`, { method: "POST", headers: { ...signedIn, ...headers }, body });
      return [answer.status, ((await answer.json()) as { code?: string }).code];
    };
    expect(await post("/secret", '{"a":1}')).toEqual([200, undefined]);
    expect(await post("/secret", '{"a":1}', { "content-type": "application/json; charset=utf-8" })).toEqual([
      200,
      undefined,
    ]);
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "multipart/form-data",
    ]) {
      expect([type, await post("/secret", '{"a":1}', { "content-type": type })]).toEqual([
        type,
        [415, "request.media_type"],
      ]);
    }
    expect(await post("/secret", `{"a":1${" ".repeat(BODY_MAX)}}`)).toEqual([413, "request.too_large"]);
    expect(await post("/small", '{"a":1}')).toEqual([200, undefined]);
    expect(await post("/small", '{"a":"0123456789"}')).toEqual([413, "request.too_large"]);
    expect(await post("/secret", '{"a":1,"a":2}')).toEqual([400, "request.malformed"]);
  });
});

describe("an answer", () => {
  test("has the status, headers and body that the handler gave, and of a declared output no other field", async () => {
    const output = z.strictObject({ id: z.string() });
    const { url } = await serve([
      route("GET", "/plain", { access: "public", output, summary: "Drops." }, () => ({ id: "1", hash: "secret" })),
      route("GET", "/made", { access: "public", summary: "Makes." }, () => new Answer(201, { a: 1 }, { "x-a": "b" })),
      route("GET", "/none", { access: "public", summary: "Is empty." }, () => new Answer(204, undefined)),
    ]);
    expect(await (await fetch(`${url}/plain`)).text()).toBe('{"id":"1"}');
    const made = await fetch(`${url}/made`);
    expect([made.status, made.headers.get("x-a"), await made.text()]).toEqual([201, "b", '{"a":1}']);
    const none = await fetch(`${url}/none`);
    expect([none.status, await none.text()]).toEqual([204, ""]);
  });

  test("is logged once when it has gone, with who and what, and refusals of somebody are recorded", async () => {
    const { events, lines, url } = await serve([hello, secret]);
    await (await fetch(`${url}/hello`)).text();
    await (
      await fetch(`${url}/secret`, { method: "POST", headers: { ...json, authorization: "Bearer later" }, body: "[]" })
    ).text();
    await expect.poll(() => lines.length).toBe(2);
    expect(JSON.parse(lines[0] ?? "")).toMatchObject({ status: 200, method: "GET", path: "/hello" });
    expect(JSON.parse(lines[1] ?? "")).toMatchObject({ status: 400, tenant: "bank", refusal: "request.invalid" });
    expect(events).toEqual([expect.objectContaining({ action: "access.denied", tenant: "bank" })]);
  });
});
