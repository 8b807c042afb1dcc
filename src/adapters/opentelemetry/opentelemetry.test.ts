import { AsyncLocalStorage } from "node:async_hooks";
import * as api from "@opentelemetry/api";
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
} from "@opentelemetry/sdk-trace-base";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  PLATFORM_TENANT,
  RingwallError,
  randomBytes,
  silentLogger,
  statement,
  systemClock,
  type Tracing,
} from "../../core/index.ts";
import { softwareMaster } from "../../data/keys/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";
import { createRingwall, type Ringwall, RingwallConfig } from "../../ringwall.ts";
import { type TestDatabase, testDatabase } from "../../testing/index.ts";
import { createServer, register, route } from "../fastify/index.ts";
import { openTelemetry, tracedGuard } from "./index.ts";

const WHO = { type: "service", tenant: PLATFORM_TENANT, name: "shop" } as const;
const READ = statement<{ one: number }>("test.one", "select 1 as one");
const FAIL = statement("test.fail", "select 1 / 0 as one");
const exporter = new InMemorySpanExporter();

/** The smallest context manager there is; hosts bring `@opentelemetry/context-async-hooks`. */
function contextManager(): api.ContextManager {
  const storage = new AsyncLocalStorage<api.Context>();
  const manager: api.ContextManager = {
    active: () => storage.getStore() ?? api.ROOT_CONTEXT,
    with: (context, work, thisArgument, ...words) =>
      storage.run(context, () => work.call(thisArgument as never, ...words)),
    bind: (_context, target) => target,
    enable: () => manager,
    disable: () => manager,
  };
  return manager;
}

let data: TestDatabase;
let ringwall: Ringwall;
let tracing: Tracing;
beforeAll(async () => {
  api.context.setGlobalContextManager(contextManager());
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  api.trace.setGlobalTracerProvider(provider);
  tracing = openTelemetry(api);
  data = await testDatabase();
  ringwall = await createRingwall(RingwallConfig.parse({ mode: "development" }), {
    target: data.target("ringwall_app"),
    signer: contextSigner(data.contextKey),
    openMaster: async () => softwareMaster(randomBytes(32)),
    log: silentLogger,
    clock: systemClock,
    tracing,
  });
});
afterAll(async () => {
  await ringwall.close();
  await data.close();
  api.trace.disable();
  api.context.disable();
});
afterEach(() => exporter.reset());

function spans(): readonly ReadableSpan[] {
  return exporter.getFinishedSpans();
}
const named = (name: string): ReadableSpan => {
  const found = spans().find((span) => span.name === name);
  if (found === undefined)
    throw new TypeError(
      `no span ${name} among ${spans()
        .map((span) => span.name)
        .join(", ")}`,
    );
  return found;
};
const parentOf = (span: ReadableSpan): string | undefined => span.parentSpanContext?.spanId;

/** A server with one route that reads, and whose span is the route's. */
function server() {
  const app = createServer(ringwall.guard);
  const open = { access: "public", summary: "Reads.", auditRefusals: false } as const;
  const routes = [
    route("GET", "/read", open, async () => {
      await ringwall.database.once(PLATFORM_TENANT, WHO, READ);
      return { read: true };
    }),
    route("GET", "/closed", { access: "principal", summary: "Needs somebody." }, () => ({})),
  ];
  register(app, routes, ringwall.guard);
  return app;
}

describe("spans", () => {
  test("of a request: each step, the handler, and inside it the database trip", async () => {
    const app = server();
    await app.inject({ url: "/read", headers: { host: "localhost" } });
    await app.close();
    const request = named("ringwall.request");
    expect(request.attributes).toMatchObject({
      "http.route": "/read",
      "http.request.method": "GET",
      "http.response.status_code": 200,
    });
    const steps = spans().filter(({ name }) => name.startsWith("ringwall.step "));
    expect(steps.map(({ name }) => name.slice("ringwall.step ".length))).toEqual(
      ringwall.guard.steps.map(({ name }) => name),
    );
    for (const step of [...steps, named("ringwall.handler")]) expect(parentOf(step)).toBe(request.spanContext().spanId);
    const trip = named("database.statement");
    expect(parentOf(trip)).toBe(named("ringwall.handler").spanContext().spanId);
    expect(trip.attributes).toEqual({ "db.system.name": "postgresql", "db.operation.name": "test.one" });
  });

  test("of a refusal carry its code, at the step and at the request, and nothing of what was sent", async () => {
    const app = server();
    const secret = "a-token-that-nobody-may-see-0123456789";
    await app.inject({ url: `/closed?x=${secret}`, headers: { host: "localhost", authorization: `Bearer ${secret}` } });
    await app.close();
    expect(named("ringwall.step credential").attributes["error.type"]).toBe("identity.sign_in_required");
    expect(named("ringwall.request").attributes["error.type"]).toBe("identity.sign_in_required");
    expect(named("ringwall.request").status.code).toBe(api.SpanStatusCode.ERROR);
    const written = JSON.stringify(spans().map(({ name, attributes, events }) => ({ name, attributes, events })));
    expect(written).not.toContain(secret);
  });

  test("of a transaction are around those of its statements, and a failed one says so without its values", async () => {
    const work = ringwall.database.forTenant(PLATFORM_TENANT, WHO, async (tx) => {
      await tx.run(READ);
      await tx.run(FAIL);
    });
    await expect(work).rejects.toThrow();
    const transaction = named("database.transaction");
    const statements = spans().filter(({ name }) => name === "database.statement");
    expect(statements.map((span) => span.attributes["db.operation.name"])).toEqual(["test.one", "test.fail"]);
    for (const span of statements) expect(parentOf(span)).toBe(transaction.spanContext().spanId);
    expect(transaction.status.code).toBe(api.SpanStatusCode.ERROR);
  });

  test("change neither a result nor an error, and a synchronous step stays synchronous", async () => {
    expect(tracing.trace("plain", {}, () => 7)).toBe(7);
    const refusal = new RingwallError("access.denied");
    expect(() =>
      tracing.trace("thrown", {}, () => {
        throw refusal;
      }),
    ).toThrow(refusal);
    await expect(tracing.trace("late", {}, () => Promise.reject(refusal))).rejects.toBe(refusal);
    for (const name of ["thrown", "late"]) expect(named(name).attributes["error.type"]).toBe("access.denied");
  });
});

test("without tracing nothing stands between a request and its steps", () => {
  const calls: string[] = [];
  const step = { name: "one", layer: 1, phase: "arrival", run: () => void calls.push("one") } as const;
  const guard = { ...ringwall.guard, steps: [step] };
  expect("handle" in guard).toBe(true);
  const traced = tracedGuard(guard, tracing);
  expect(traced.steps[0]?.run).not.toBe(step.run);
  // The guard itself is untouched: whoever composes without tracing has the very functions.
  expect(guard.steps[0]?.run).toBe(step.run);
});
