import {
  type Clock,
  type CounterStore,
  type Mode,
  RingwallError,
  randomToken,
  type TenantId,
  uuidv7,
} from "../core/index.ts";
import { addressRule } from "./address.ts";
import { type ClientAddress, clientAddresses } from "./client-address.ts";
import type { PerimeterConfig } from "./config.ts";
import { type Cors, cors } from "./cors.ts";
import { csrfRefusal, isOwnOrigin, isSafeMethod, type SiteFacts } from "./csrf.ts";
import { hostCheck } from "./host.ts";
import { type RequestOutcome, RequestRecord } from "./log/index.ts";
import { type RateOutcome, rateHeaders, rates, retrySeconds } from "./rates.ts";
import { type RequestHeader, readHeader } from "./request-header.ts";
import { targetFlaw } from "./request-target.ts";
import { securityHeaders } from "./response-headers.ts";

/** A request as any framework has it: nothing parsed, nothing decoded. */
export interface PerimeterRequest {
  readonly method: string;
  /** The request target as it stood in the request line. */
  readonly target: string;
  /** Names and values in turn, as Node's `rawHeaders`. */
  readonly rawHeaders: readonly string[];
  /** `undefined` for a unix socket. */
  readonly socketAddress: string | undefined;
  /** Whether this very connection is encrypted. */
  readonly tls: boolean;
  /** The route's name when a router has found one; chooses the route's rate and nothing else. */
  readonly route?: string | undefined;
}

/** One request on its way through the perimeter. Made by `open`, changed only by the steps. */
export interface Visit {
  readonly method: string;
  readonly target: string;
  readonly route: string | undefined;
  readonly header: RequestHeader;
  readonly client: ClientAddress;
  /** What says which site the request came from; `https` on TLS, and when a configured proxy says that the client used it. */
  readonly site: SiteFacts;
  /** Ours always; what the visitor sent is at most a `correlation`. */
  readonly requestId: string;
  /** The visitor's own request id, for the log alone, when it has the form of one. */
  readonly correlation: string | undefined;
  readonly startedMs: number;
  /** The last rate reservation, for the answer's rate fields. */
  rate: RateOutcome | undefined;
}

/** The perimeter's checks, in their order. */
export type PerimeterStepName = "address" | "rate" | "protocol" | "host" | "origin" | "csrf";

/** One named check. Refuses by throwing a RingwallError. */
export interface PerimeterStep {
  readonly name: PerimeterStepName;
  readonly run: (visit: Visit) => void | Promise<void>;
}

/** What an answer is: data, or a page with the nonce that its script tags carry. */
export type AnswerKind = { readonly profile: "api" } | { readonly profile: "html"; readonly nonce: string };

/** Layer 1 in one object. `open` and the answers' fields never refuse; the steps do. */
export interface Perimeter {
  /** In their order. A composition may leave one out; `admit` runs all. */
  readonly steps: readonly PerimeterStep[];
  readonly bodyBytes: number;
  /** Reads a request. Never throws, so that a request which is refused has an id and an address as well. */
  open(request: PerimeterRequest): Visit;
  /** Runs every step; returns a promise only when the counter store does. @throws RingwallError when one refuses. */
  admit(visit: Visit): void | Promise<void>;
  /** Takes the rates of tenant, account and route, once somebody is known. @throws RingwallError `request.rate_limited` */
  admitAccount(visit: Visit, tenant: TenantId, account: string): void | Promise<void>;
  /** Lets only the configured addresses to administrative routes. @throws RingwallError `access.denied` */
  admitAdministration(visit: Visit): void;
  /** All fields of the answer when the request is a CORS preflight, which ends there with 204; otherwise `undefined`. */
  preflight(visit: Visit): readonly string[] | undefined;
  /** Every field layer 1 gives an answer, flat. `noStore` for answers to somebody who is signed in, and for errors. */
  answerHeaders(visit: Visit, kind: AnswerKind, noStore: boolean): readonly string[];
  /** A fresh nonce for one page. */
  nonce(): string;
  /** The line for the request log: `logger.info(perimeter.record(visit, outcome), "request")`. */
  record(visit: Visit, outcome: Omit<RequestOutcome, "durationMs">): RequestRecord;
}

// TRACE and CONNECT, and every method a parser may learn, are no part of a JSON API.
const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"]);
/** A visitor's own request id: letters, digits and three marks, so that it can forge neither a line nor a field. */
const CORRELATION_PATTERN = /^[A-Za-z0-9._-]{8,64}$/;

/**
 * Makes layer 1 from its configuration.
 * @throws RingwallError `config.invalid` in production without `hosts`: a server must know which names are its own.
 */
export function createPerimeter(
  config: PerimeterConfig,
  options: { mode: Mode; counters: CounterStore; clock: Clock },
): Perimeter {
  if (options.mode === "production" && config.hosts.length === 0) {
    throw new RingwallError("config.invalid", {
      message: "invalid configuration: perimeter.hosts: is required in production",
    });
  }
  const crossOrigin = cors(config.cors);
  const limits = rates(config.rates, options.counters);
  const security = securityHeaders(config.headers);
  const isAdministrator = config.adminAddresses === undefined ? undefined : addressRule(config.adminAddresses);
  const steps: readonly PerimeterStep[] = Object.freeze([
    { name: "address", run: refuseBlocked },
    { name: "rate", run: (visit) => charge(visit, limits.takeAddress(visit.client.rateKey, visit.route)) },
    { name: "protocol", run: protocolStep(config) },
    { name: "host", run: hostStep(hostCheck(options.mode, config.hosts)) },
    { name: "origin", run: originStep(crossOrigin) },
    { name: "csrf", run: csrfStep(crossOrigin) },
  ] satisfies PerimeterStep[]);
  return {
    steps,
    bodyBytes: config.bodyBytes,
    open: opener(config, options.clock),
    admit: (visit) => runFrom(steps, 0, visit),
    admitAccount: (visit, tenant, account) => charge(visit, limits.takeAccount(tenant, account, visit.route)),
    admitAdministration(visit) {
      if (isAdministrator !== undefined && !isAdministrator(visit.client.address)) {
        throw new RingwallError("access.denied", { detail: { reason: "address_not_administrative" } });
      }
    },
    preflight(visit) {
      const { origin, preflightMethod, preflightHeaders } = visit.header;
      if (visit.method !== "OPTIONS" || origin === undefined || preflightMethod === undefined) return undefined;
      const allowed = crossOrigin.preflight(origin, preflightMethod, preflightHeaders);
      if (allowed === undefined) return undefined;
      const fields = security({ profile: "api", https: visit.site.https, noStore: false });
      return [...fields, "X-Request-ID", visit.requestId, ...allowed];
    },
    answerHeaders(visit, kind, noStore) {
      const { rate } = visit;
      const { https } = visit.site;
      const fields = security(
        kind.profile === "api"
          ? { profile: "api", https, noStore }
          : { profile: "html", https, noStore, nonce: kind.nonce },
      );
      const own = [...fields, "X-Request-ID", visit.requestId, ...crossOrigin.answer(visit.header.origin)];
      const shown = rate !== undefined && (config.rates.announce || !rate.taken.allowed);
      return shown ? [...own, ...rateHeaders(rate)] : own;
    },
    nonce: () => randomToken(16),
    record: (visit, outcome) => recordOf(visit, outcome, options.clock),
  };
}

function opener(config: PerimeterConfig, clock: Clock): (request: PerimeterRequest) => Visit {
  const locate = clientAddresses({ trustedProxies: config.trustedProxies, blocked: config.blockedAddresses });
  return (request) => {
    const startedMs = clock();
    const header = readHeader(request.rawHeaders);
    const client = locate(request.socketAddress, header.forwardedFor);
    const { requestId, host, origin, fetchSite, cookie } = header;
    // An unknown method is a visitor's text; the log and the refusal need only know that it was one.
    const method = METHODS.has(request.method) || request.method === "PATCH" ? request.method : "OTHER";
    const https = request.tls || (client.viaProxy && header.forwardedProto === "https");
    return {
      method,
      target: request.target,
      route: request.route,
      header,
      client,
      site: { method, https, host, origin, fetchSite, cookie },
      requestId: uuidv7(startedMs),
      correlation: requestId !== undefined && CORRELATION_PATTERN.test(requestId) ? requestId : undefined,
      startedMs,
      rate: undefined,
    };
  };
}

/** Runs the steps in order, without a promise as long as none of them needs one. */
function runFrom(steps: readonly PerimeterStep[], first: number, visit: Visit): void | Promise<void> {
  for (let index = first; index < steps.length; index += 1) {
    const pending = steps[index]?.run(visit);
    if (pending !== undefined) return pending.then(() => runFrom(steps, index + 1, visit));
  }
}

function refuseBlocked(visit: Visit): void {
  if (visit.client.blocked) throw new RingwallError("access.denied", { detail: { reason: "address_blocked" } });
}

function charge(visit: Visit, outcome: RateOutcome | Promise<RateOutcome>): void | Promise<void> {
  return outcome instanceof Promise ? outcome.then((known) => settle(visit, known)) : settle(visit, outcome);
}

function settle(visit: Visit, outcome: RateOutcome): void {
  visit.rate = outcome;
  const { taken } = outcome;
  if (taken.allowed) return;
  throw new RingwallError("request.rate_limited", {
    retryAfterSeconds: retrySeconds(taken.retryAfterMs),
    detail: { limit: outcome.names[taken.refused] ?? "unknown" },
  });
}

function protocolStep(config: PerimeterConfig): (visit: Visit) => void {
  return (visit) => {
    const { method, header } = visit;
    const flaw = header.flaw ?? targetFlaw(visit.target);
    if (flaw !== undefined) throw new RingwallError(flaw.code, { detail: { reason: flaw.reason } });
    if (!METHODS.has(method) && !(method === "PATCH" && config.cors.patch)) {
      throw new RingwallError("request.method_not_allowed", { detail: { reason: "method" } });
    }
    const length = header.contentLength === undefined ? 0 : Number(header.contentLength);
    if (length > config.bodyBytes)
      throw new RingwallError("request.too_large", { detail: { reason: "declared_length" } });
    // Content of a GET means nothing (RFC 9110, section 9.3.1) and is how a second request hides in a first.
    if ((length > 0 || header.transferEncoding !== undefined) && isSafeMethod(method)) {
      throw new RingwallError("request.malformed", { detail: { reason: "content_of_safe_method" } });
    }
  };
}

function hostStep(answersFor: (host: string) => boolean): (visit: Visit) => void {
  return (visit) => {
    const { host } = visit.header;
    if (host === undefined) throw new RingwallError("request.malformed", { detail: { reason: "host_missing" } });
    if (!answersFor(host)) throw new RingwallError("request.host_unknown", { detail: { reason: "host_unknown" } });
  };
}

function originStep(crossOrigin: Cors): (visit: Visit) => void {
  return (visit) => {
    const { origin, preflightMethod, preflightHeaders } = visit.header;
    if (origin === undefined || isOwnOrigin(visit.site)) return;
    if (!crossOrigin.allows(origin)) {
      throw new RingwallError("request.origin_refused", { detail: { reason: "origin_not_listed" } });
    }
    if (visit.method === "OPTIONS" && preflightMethod !== undefined) {
      if (crossOrigin.preflight(origin, preflightMethod, preflightHeaders) === undefined) {
        throw new RingwallError("request.origin_refused", { detail: { reason: "preflight_refused" } });
      }
    }
  };
}

function csrfStep(crossOrigin: Cors): (visit: Visit) => void {
  return (visit) => {
    const reason = csrfRefusal(visit.site, crossOrigin.allows, crossOrigin.credentials);
    if (reason !== undefined) throw new RingwallError("request.cross_site", { detail: { reason } });
  };
}

function recordOf(visit: Visit, outcome: Omit<RequestOutcome, "durationMs">, clock: Clock): RequestRecord {
  return new RequestRecord(
    {
      requestId: visit.requestId,
      method: visit.method,
      target: visit.target,
      address: visit.client.address,
      addressNote: visit.client.note,
      userAgent: visit.header.userAgent,
      correlation: visit.correlation,
    },
    { ...outcome, durationMs: clock() - visit.startedMs },
  );
}
