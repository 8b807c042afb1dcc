/**
 * The ordered, named steps that every request passes: the one place where the layers meet.
 *
 * A step either lets the exchange go on or throws a `RingwallError`; nothing else stops a request. Steps run in two
 * phases, because the body must not be read for somebody who may not send one: `arrival` when the head is there,
 * `input` when the body is. Layer 4 works inside the handler (one transaction bound to one tenant), layer 5 records
 * with the act and at completion.
 *
 * What it does not do: it knows no framework. An adapter builds the `Exchange`, runs both phases and answers.
 *
 * @module
 */
import type { ZodType } from "zod";
import {
  isAdministrator,
  type Permission,
  type Principal,
  requirePermission,
  requireSecondFactor,
} from "./application/access/index.ts";
import { sessionToken } from "./application/identity/index.ts";
import {
  type AuditContext,
  type AuditEvent,
  assert,
  type Clock,
  type ErrorCode,
  isUuid,
  type Logger,
  type Meter,
  methodLabel,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
} from "./core/index.ts";
import { type Tier, tier } from "./network/index.ts";
import { type Perimeter, type PerimeterRequest, parseJsonStrict, type Visit } from "./perimeter/index.ts";

/** The layer a step belongs to, as in the founding document. */
export type Layer = 1 | 2 | 3 | 4 | 5;

/** What a route says about itself. A route that says nothing cannot be registered. */
export interface RoutePolicy {
  /**
   * `public` needs no principal, and `publicOrPrincipal` takes one when there is one; `principal` needs a session; `permission` needs that permission too. `operator` is for
   * the local administration socket alone; `principalOrOperator` and `orOperator` let it in beside the others.
   */
  readonly access:
    | "public"
    | "publicOrPrincipal"
    | "principal"
    | "principalOrOperator"
    | "operator"
    | { readonly permission: Permission; readonly orOperator?: boolean };
  /** The lowest access tier that may come here. Default 0. */
  readonly tierMin?: Tier;
  /** A second factor not older than this; otherwise `access.step_up_required`. */
  readonly stepUpSeconds?: number;
  readonly params?: ZodType;
  readonly query?: ZodType;
  readonly body?: ZodType;
  /** The answer's shape, for the API description and for fast serialisation. */
  readonly output?: ZodType;
  /** The status of success, for the API description. Default 200 with an output, 204 without. */
  readonly status?: 200 | 201 | 204;
  /** What the route's own work may refuse with, for the API description; what the steps refuse with follows by itself. */
  readonly problems?: readonly ErrorCode[];
  readonly bodyBytesMax?: number;
  /** The named limit that is taken per address and, once known, per account. Default `api`. */
  readonly limit?: string;
  /** Which set of response headers fits: JSON or a page. */
  readonly profile?: "api" | "html";
  /** For public things whose address changes with their content: kept for a year, but a refusal. Default: not kept. */
  readonly cache?: "immutable";
  /** One sentence for the API description. */
  readonly summary: string;
  readonly tag?: string;
  /** False where it is only asked whether a session is still good: that keeps no idle session alive. Default true. */
  readonly isUse?: false;
  /** Whether guessing ids here is worth an audit record when it fails. Default true. */
  readonly auditRefusals?: boolean;
  /**
   * True for the route that says whether this process lives. It is counted like all others, but counters that cannot be
   * asked do not refuse it: whoever restarts what does not live would restart every node when they are gone.
   */
  readonly liveness?: boolean;
}

/** One request on its way through the layers. Steps fill it in; handlers read it. */
export interface Exchange {
  readonly id: string;
  /** The request as the perimeter read it, before anybody trusted any of it. */
  readonly visit: Visit;
  /** The field of that name as it came; a bearer token is the only form that means anything. */
  readonly authorization: string | undefined;
  readonly policy: RoutePolicy;
  /** The route's pattern, never the path: fit for limits, metrics and audit. */
  readonly route: string;
  principal: Principal | undefined;
  /** Set by the local administration socket alone, never from anything in a request. */
  operator: boolean;
  /** The name of the cookie that carries a session at this server. */
  readonly sessionCookie: string;
  tier: Tier;
  nonce: string | undefined;
  params: unknown;
  query: unknown;
  body: unknown;
  /** A CORS preflight is answered by the perimeter; no later step and no handler runs. */
  answered: boolean;
  refusal: string | undefined;
}

/** Who is asking, for handlers. The pipeline has made sure there is somebody; a route that is open to all has nobody. */
export function caller({ principal }: Exchange): Principal {
  if (principal === undefined) throw new RingwallError("identity.sign_in_required");
  return principal;
}

/** Where a request came from, for sessions and audit. */
export function originOf({ id, visit }: Exchange): AuditContext {
  const { userAgent } = visit.header;
  return { address: visit.client.address, requestId: id, ...(userAgent === undefined ? {} : { userAgent }) };
}

/** A step runs synchronously whenever it can: a promise costs a turn of the event loop. */
export interface Step {
  readonly name: string;
  readonly layer: Layer;
  readonly phase: "arrival" | "input";
  readonly run: (exchange: Exchange) => void | Promise<void>;
}

/** Runs one phase in order. The first refusal stops it. Synchronous when every step was. */
export function runSteps(steps: readonly Step[], exchange: Exchange, from = 0): void | Promise<void> {
  for (let index = from; index < steps.length; index += 1) {
    if (exchange.answered) return undefined;
    const pending = steps[index]?.run(exchange);
    if (pending !== undefined) return pending.then(() => runSteps(steps, exchange, index + 1));
  }
  return undefined;
}

/** What an adapter for a host framework needs; `createRingwall` makes it. */
export interface Guard {
  readonly steps: readonly Step[];
  readonly clock: Clock;
  /** The cookie that carries a session here; adapters put it into each exchange. */
  readonly sessionCookie: string;
  /** The largest body any route may declare, so that the server can refuse before a route is known. */
  readonly bodyBytesMax: number;
  /** Reads the head of a request. Never throws: a request that will be refused has an id and an address as well. */
  open(request: PerimeterRequest): Visit;
  /** Parses a JSON body strictly. @throws RingwallError `request.malformed` */
  parseBody(bytes: Buffer): unknown;
  /** Response headers that belong to the exchange whatever became of it: names and values in turn. */
  headersFor(exchange: Exchange): readonly string[];
  /** Runs a route's own work, inside the request's span when there is tracing. */
  handle?<T>(exchange: Exchange, work: () => T): T;
  /** Called once, when the answer has gone: request log and the audit of refusals. Never throws. */
  completed(exchange: Exchange, outcome: Completion): void;
}

/** How an exchange ended. */
export interface Completion {
  readonly status: number;
  readonly bytes: number;
  readonly error: RingwallError | undefined;
}

/** What the pipeline is made from: one face of each layer that a request passes before its handler. */
export interface GuardParts {
  readonly perimeter: Perimeter;
  /** Who holds a bearer token, which may be worth something at the exchange's own host alone. @throws RingwallError `identity.sign_in_required` */
  readonly authenticate: (token: string, exchange: Exchange) => Principal | Promise<Principal>;
  readonly recorder: Pick<Recorder, "note">;
  readonly log: Logger;
  readonly clock: Clock;
  /** Default `SESSION_COOKIE`. Servers that share a host name need different ones: cookies know no ports. */
  readonly sessionCookie?: string;
  /** Counts requests and cache hits; nothing is counted when left out. */
  readonly meter?: Meter | undefined;
}

/** The cookie that carries a session. The prefix makes browsers hold it to this host, to TLS and to the root path. */
export const SESSION_COOKIE = "__Host-rw_session";
const COOKIE_NAME = /^__Host-[A-Za-z0-9_-]{1,64}$/;

/** What makes sense on the local socket: its peer has no address, no site and no host name of ours. */
const LOCAL_STEPS: ReadonlySet<string> = new Set(["protocol"]);
/** Refusals that say something about the caller's rights or manners, and so belong into the audit. */
const AUDITED_STATUS: ReadonlySet<number> = new Set([401, 403, 421, 429]);
const SERVER_ERROR = 500;
/** A year, which is as long as caches are asked to keep anything (RFC 9111, section 5.2.2, and RFC 8246). */
const KEPT = ["Cache-Control", "public, max-age=31536000, immutable"];
const FIELDS_SHOWN_MAX = 20;

/** Joins the layers into the steps that every request passes, in this order. */
export function createGuard(parts: GuardParts): Guard {
  const { perimeter, clock, sessionCookie = SESSION_COOKIE } = parts;
  assert(COOKIE_NAME.test(sessionCookie), "a session's cookie has the __Host- prefix");
  return {
    steps: Object.freeze([
      ...perimeter.steps.map(({ name, run }): Step => {
        const local = LOCAL_STEPS.has(name);
        return {
          name,
          layer: 1,
          phase: "arrival",
          run: (exchange) => {
            if (exchange.operator && !local) return undefined;
            return exchange.policy.liveness === true ? uncounted(run, exchange.visit) : run(exchange.visit);
          },
        };
      }),
      { name: "preflight", layer: 1, phase: "arrival", run: (exchange) => answerPreflight(perimeter, exchange) },
      { name: "credential", layer: 3, phase: "arrival", run: (exchange) => identify(parts, exchange) },
      // After the credential, because the first thing a tier asks is whether somebody is signed in.
      { name: "tier", layer: 2, phase: "arrival", run: requireTier },
      { name: "account-rate", layer: 1, phase: "arrival", run: (exchange) => chargeAccount(perimeter, exchange) },
      { name: "permission", layer: 3, phase: "arrival", run: (exchange) => decideAccess(perimeter, exchange) },
      { name: "step-up", layer: 3, phase: "arrival", run: (exchange) => requireFresh(exchange, clock()) },
      { name: "input", layer: 3, phase: "input", run: checkInput },
    ] satisfies Step[]),
    clock,
    sessionCookie,
    bodyBytesMax: perimeter.bodyBytes,
    open: (request) => perimeter.open(request),
    parseBody: (bytes) => parseJsonStrict(bytes),
    headersFor({ answered, nonce, policy, refusal, visit }) {
      const preflight = answered ? perimeter.preflight(visit) : undefined;
      if (preflight !== undefined) return preflight;
      const page = policy.profile === "html" && nonce !== undefined;
      const kept = policy.cache === "immutable" && policy.access === "public" && refusal === undefined;
      if (kept) return [...perimeter.answerHeaders(visit, { profile: "api" }, false), ...KEPT];
      return perimeter.answerHeaders(visit, page ? { profile: "html", nonce } : { profile: "api" }, true);
    },
    completed(exchange, completion) {
      report(parts, exchange, completion);
      if (parts.meter !== undefined) measure(parts.meter, exchange, completion, clock());
    },
  };
}

function measure(meter: Meter, { route, visit }: Exchange, { error, status }: Completion, nowMs: number): void {
  const limit = error?.code === "request.rate_limited" ? String(error.detail["limit"] ?? "unknown") : undefined;
  meter.requestDone({
    route,
    method: methodLabel(visit.method),
    status,
    refusal: error?.code,
    limit,
    durationMs: Math.max(0, nowMs - visit.startedMs),
  });
}

/** Runs a step for the route of liveness. @throws RingwallError whatever the step refuses for, except missing counters */
async function uncounted(run: (visit: Visit) => void | Promise<void>, visit: Visit): Promise<void> {
  try {
    await run(visit);
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "counters.unavailable") throw error;
  }
}

function answerPreflight(perimeter: Perimeter, exchange: Exchange): void {
  if (!exchange.operator && perimeter.preflight(exchange.visit) !== undefined) exchange.answered = true;
}

function identify(parts: GuardParts, exchange: Exchange): void | Promise<void> {
  const { access } = exchange.policy;
  if (access === "public" || access === "operator") return undefined;
  // The socket's file mode is its credential; what it may do is up to the route.
  if (exchange.operator) return undefined;
  return access === "publicOrPrincipal" ? identifyIfKnown(parts, exchange) : authenticate(parts, exchange);
}

/** Somebody whose session is over is nobody here, and not refused: the route is for everybody. */
function identifyIfKnown(parts: GuardParts, exchange: Exchange): void | Promise<void> {
  const unknown = (error: unknown): void => {
    if (!(error instanceof RingwallError) || error.code !== "identity.sign_in_required") throw error;
  };
  try {
    return authenticate(parts, exchange)?.catch(unknown);
  } catch (error) {
    return unknown(error);
  }
}

function authenticate(parts: GuardParts, exchange: Exchange): undefined | Promise<void> {
  const { authorization, sessionCookie: cookieName, visit } = exchange;
  const found = parts.authenticate(sessionToken({ authorization, cookie: visit.site.cookie, cookieName }), exchange);
  parts.meter?.sessionAsked(!(found instanceof Promise));
  if (found instanceof Promise) return settle(exchange, found);
  exchange.principal = found;
  return undefined;
}

async function settle(exchange: Exchange, found: Promise<Principal>): Promise<void> {
  exchange.principal = await found;
}

function requireTier(exchange: Exchange): void {
  const decision = tier({ authenticated: exchange.principal !== undefined });
  exchange.tier = decision.tier;
  const { tierMin = 0 } = exchange.policy;
  if (exchange.operator || decision.tier >= tierMin) return;
  throw new RingwallError("access.denied", { detail: { rule: "tier", missing: decision.missing.join(",") } });
}

function chargeAccount(perimeter: Perimeter, { principal, visit }: Exchange): void | Promise<void> {
  return principal === undefined ? undefined : perimeter.admitAccount(visit, principal.tenant, principal.user);
}

function decideAccess(perimeter: Perimeter, exchange: Exchange): void {
  const { operator, policy, principal, visit } = exchange;
  const { access } = policy;
  if (access === "public" || access === "publicOrPrincipal") return;
  if (operator) {
    if (access === "operator" || access === "principalOrOperator") return;
    if (typeof access === "object" && access.orOperator === true) return;
    throw new RingwallError("access.denied", { detail: { rule: "operator.not_a_person" } });
  }
  // Whoever comes over the network learns nothing of routes that are for the socket alone.
  if (access === "operator") throw new RingwallError("resource.not_found", { detail: { rule: "operator.only" } });
  if (principal === undefined) throw new RingwallError("identity.sign_in_required");
  if (access === "principal" || access === "principalOrOperator") return;
  if (isAdministrator(principal.role) && access.permission.startsWith("admin:")) perimeter.admitAdministration(visit);
  requirePermission(principal, access.permission);
}

function requireFresh({ policy, principal }: Exchange, nowMs: number): void {
  if (policy.stepUpSeconds === undefined || principal === undefined) return;
  requireSecondFactor(principal, nowMs, policy.stepUpSeconds * 1_000);
}

/** What a route did not declare is refused, so that no handler ever sees input that nobody described. */
function checkInput(exchange: Exchange): void {
  const { policy } = exchange;
  exchange.params = fitted("params", policy.params, exchange.params);
  exchange.query = fitted("query", policy.query, exchange.query);
  exchange.body = fitted("body", policy.body, exchange.body);
}

function fitted(part: string, schema: ZodType | undefined, value: unknown): unknown {
  if (schema === undefined) {
    const empty =
      value === undefined || value === null || (typeof value === "object" && Object.keys(value).length === 0);
    if (empty) return undefined;
    throw new RingwallError("request.invalid", { detail: { fields: part } });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const fields = new Set(parsed.error.issues.map((issue) => [part, ...issue.path.map(String)].join(".")));
  throw new RingwallError("request.invalid", { detail: { fields: [...fields].slice(0, FIELDS_SHOWN_MAX).join(",") } });
}

function report(parts: GuardParts, exchange: Exchange, { bytes, error, status }: Completion): void {
  const { principal, visit } = exchange;
  const outcome = {
    status,
    bytes,
    tenant: principal?.tenant,
    user: principal?.user,
    session: principal?.session,
    refusal: error?.code,
    detail: error?.detail,
  };
  parts.log.info(parts.perimeter.record(visit, outcome), "request");
  if (error === undefined) return;
  if (error.status >= SERVER_ERROR) parts.log.error({ requestId: exchange.id, err: error }, "a request failed");
  const audited = AUDITED_STATUS.has(error.status) || principal !== undefined;
  if (!audited || error.status >= SERVER_ERROR || exchange.policy.auditRefusals === false) return;
  try {
    parts.recorder.note(refusalEvent(exchange, error));
  } catch (cause) {
    // Nothing was made durable for five seconds: acts are refused by then, and this answer has gone already.
    parts.log.error({ requestId: exchange.id, err: cause }, "a refusal could not be noted");
  }
}

/** Names the thing that was asked for, so that the audit shows who tried which ids, and how many. */
function refusalEvent({ params, principal, route, visit }: Exchange, error: RingwallError): AuditEvent {
  const facts = { code: error.code, method: visit.method, route };
  if (principal === undefined) {
    const actor = { type: "anonymous", tenant: PLATFORM_TENANT } as const;
    return { action: "requests.refused", outcome: "denied", tenant: PLATFORM_TENANT, actor, facts };
  }
  const event = {
    action: "access.denied",
    outcome: "denied",
    tenant: principal.tenant,
    actor: principal,
    facts,
  } as const;
  const id = typeof params === "object" && params !== null && "id" in params ? params.id : undefined;
  return isUuid(id) ? { ...event, targets: [{ type: "id", id }] } : event;
}
