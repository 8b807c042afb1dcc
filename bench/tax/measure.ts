import { canMeasureCpu, familyCpuSeconds, processCpuSeconds } from "./cpu.ts";
import { drive, type LoadRequest } from "./load.ts";
import { type RunningVariant, SESSIONS, type Variant } from "./variant.ts";

export const ROUTES = ["read", "transfer"] as const;
export type Route = (typeof ROUTES)[number];

/** What one round of load on one route of one variant showed. CPU figures are NaN where they cannot be read. */
export interface Round {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly nodeMicroseconds: number;
  readonly postgresMicroseconds: number;
}

const WARM_UP_SECONDS = 5;
const MICROSECONDS = 1_000_000;

function requestsOf(route: Route, variant: RunningVariant): readonly LoadRequest[] {
  return Array.from({ length: SESSIONS }, (_, session) => {
    const headers = variant.headersFor(session);
    if (route === "read") {
      return { method: "GET", path: `/api/accounts/${variant.accountIds[session]}`, headers, isKeyed: false };
    }
    const body = variant.transferBody(session);
    return {
      method: "POST",
      path: "/api/transfers",
      headers: { ...headers, "content-type": "application/json" },
      body,
      isKeyed: true,
    };
  });
}

async function send(variant: RunningVariant, request: LoadRequest): Promise<Response> {
  const keyed: Record<string, string> = request.isKeyed ? { "idempotency-key": crypto.randomUUID() } : {};
  return fetch(new URL(request.path, variant.url), {
    method: request.method,
    headers: { ...request.headers, ...keyed },
    ...(request.body === undefined ? {} : { body: request.body }),
  });
}

async function expectStatus(
  variant: Variant,
  what: string,
  answer: Response,
  right: (status: number) => boolean,
): Promise<void> {
  const text = await answer.text();
  if (!right(answer.status))
    throw new Error(`${variant.name}: ${what} was answered ${answer.status}: ${text.slice(0, 300)}`);
}

const isSuccess = (status: number): boolean => status >= 200 && status < 300;
const isRefusal = (status: number): boolean => status >= 401 && status <= 404;

/**
 * Every session's requests must succeed; a guarded variant must refuse a request without credentials, another bank's
 * account, and a transfer from it.
 */
export async function verify(variant: Variant, running: RunningVariant): Promise<void> {
  for (const route of ROUTES) {
    const requests = requestsOf(route, running);
    for (const request of requests)
      await expectStatus(variant, `a right ${route}`, await send(running, request), isSuccess);
    if (!variant.isGuarded) continue;
    const [own, foreign] = requests;
    if (own === undefined || foreign === undefined) throw new Error("a variant needs two sessions");
    const { cookie: _, authorization: __, ...anonymous } = own.headers;
    await expectStatus(
      variant,
      `a ${route} without credentials`,
      await send(running, { ...own, headers: anonymous }),
      isRefusal,
    );
    await expectStatus(
      variant,
      `a ${route} across banks`,
      await send(running, { ...foreign, headers: own.headers }),
      isRefusal,
    );
  }
}

/** Lets the compiler of both routes settle before the first round. */
export async function warmUp(running: RunningVariant): Promise<void> {
  for (const route of ROUTES) await drive(running.url, requestsOf(route, running), WARM_UP_SECONDS);
}

/** One round. @throws Error when any request failed: a refusal is cheap, and would look like speed. */
export async function measure(
  route: Route,
  running: RunningVariant,
  postgresPid: number,
  seconds: number,
): Promise<Round> {
  const cpu = (): [number, number] =>
    canMeasureCpu ? [processCpuSeconds(running.pid), familyCpuSeconds(postgresPid)] : [Number.NaN, Number.NaN];
  const [nodeBefore, postgresBefore] = cpu();
  const load = await drive(running.url, requestsOf(route, running), seconds);
  const [nodeAfter, postgresAfter] = cpu();
  if (load.failures > 0) throw new Error(`${load.failures} of ${load.requests} requests failed on ${running.url}`);
  return {
    requestsPerSecond: load.requests / load.seconds,
    p50Ms: load.p50Ms,
    p99Ms: load.p99Ms,
    nodeMicroseconds: ((nodeAfter - nodeBefore) / load.requests) * MICROSECONDS,
    postgresMicroseconds: ((postgresAfter - postgresBefore) / load.requests) * MICROSECONDS,
  };
}
