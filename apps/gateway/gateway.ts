import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerResponse } from "node:http2";
import type { Duplex } from "node:stream";
import { asRingwallError, problem } from "ringwall/adapters/fastify";
import { isAdministrator, type Principal, roleCovers } from "ringwall/application/access";
import type { Identity } from "ringwall/application/identity";
import { type Clock, type CounterStore, type Logger, type Recorder, RingwallError } from "ringwall/core";
import type { Keys } from "ringwall/data/keys";
import type { Asserted, AssertionKeys, AssertionSigner, GatewayConfig } from "ringwall/network";
import type { Perimeter } from "ringwall/perimeter";
import { createGuard, type Exchange, type Guard, runSteps, type Step } from "ringwall/pipeline";
import { answerFields } from "./answer-fields.ts";
import { type Arrival, arrive, FORM_BYTES_MAX, KEY_SET_PATH } from "./arrival.ts";
import { answerProblem, answerWith, type Call, type Incoming, outgoing } from "./call.ts";
import { Entrance, type EntranceAnswer, type EntranceVisit, readForm } from "./entrance/index.ts";
import { holdsToken, readUpstreamCookie, requestFields } from "./fields.ts";
import { joinUpgrade, openUpstream, Relay, Relays, type Upstream } from "./forwarding/index.ts";
import { LiveStreams } from "./live-streams.ts";
import { type Route, type RouteTable, routeTable } from "./routes.ts";
import { endedCookie, HOST_COOKIE, SealedCookies } from "./sealed-cookies.ts";

/** What the gateway stands on. */
export interface GatewayParts {
  readonly config: GatewayConfig;
  readonly perimeter: Perimeter;
  readonly identity: Identity;
  readonly recorder: Pick<Recorder, "note">;
  readonly keys: Pick<Keys, "sealValue" | "openValue">;
  readonly counters: CounterStore;
  readonly assertionKeys: Pick<AssertionKeys, "keySet">;
  readonly sign: AssertionSigner;
  readonly clock: Clock;
  readonly log: Logger;
}

/** The access proxy, without its listeners. */
export class Gateway {
  readonly guard: Guard;
  readonly hosts: ReadonlySet<string>;
  readonly #parts: GatewayParts;
  readonly #arrival: readonly Step[];
  readonly #table: RouteTable;
  readonly #upstreams: ReadonlyMap<Route, Upstream>;
  readonly #cookies: SealedCookies;
  readonly #entrance: Entrance;
  readonly #live: LiveStreams;
  readonly #relays = new Relays();

  /** @throws RingwallError `config.invalid` without routes, or when a certificate of an upstream cannot be read */
  constructor(parts: GatewayParts) {
    const { clock, config, identity, log, perimeter, recorder } = parts;
    const [first] = config.routes;
    if (first === undefined) throw new RingwallError("config.invalid", { message: "gateway.routes: there are none" });
    const signInHost = config.signInHost ?? first.host;
    this.#parts = parts;
    this.#table = routeTable(config.routes);
    this.hosts = new Set([...this.#table.hosts, signInHost]);
    this.#upstreams = new Map(this.#table.routes.map((route) => [route, openUpstream(route.settings)]));
    this.#cookies = new SealedCookies(parts);
    this.#entrance = new Entrance({ identity, cookies: this.#cookies, hosts: this.#table.hosts, signInHost });
    this.#live = new LiveStreams(log);
    const authenticate = (token: string, exchange: Exchange): Principal | Promise<Principal> =>
      this.#authenticate(token, exchange);
    this.guard = createGuard({ perimeter, authenticate, recorder, log, clock, sessionCookie: HOST_COOKIE });
    this.#arrival = this.guard.steps.filter((step) => step.phase === "arrival");
  }

  /** One request, from its head to the last byte of its answer. Never throws. */
  handle(request: Incoming, response: ServerResponse | Http2ServerResponse): void {
    const arrival = arrive(request, this.guard, this.#table, this.hosts);
    const { exchange, hostName, raw, target } = arrival;
    const answer = outgoing(response);
    const call: Call = { request, answer, exchange, raw, hostName, target, error: undefined, bytes: 0 };
    answer.once("close", () => {
      const { bytes, error } = call;
      this.guard.completed(exchange, { status: answer.statusCode, bytes, error });
    });
    try {
      const pending = runSteps(this.#arrival, exchange);
      const done = pending === undefined ? this.#act(call, arrival) : pending.then(() => this.#act(call, arrival));
      done?.catch((error: unknown) => this.#refuse(call, arrival, error));
    } catch (error) {
      this.#refuse(call, arrival, error);
    }
  }

  /** A request to become something else: a WebSocket, and nothing but that. Never throws. */
  async upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    const arrival = arrive(request, this.guard, this.#table, this.hosts);
    const { exchange, route } = arrival;
    let failure: RingwallError | undefined;
    socket.on("error", () => socket.destroy());
    try {
      await runSteps(this.#arrival, exchange);
      this.#checkPlace(arrival);
      await this.#checkSite(exchange);
      if (
        route === undefined ||
        request.headers.upgrade?.toLowerCase() !== "websocket" ||
        exchange.visit.method !== "GET"
      ) {
        throw new RingwallError("request.malformed", { detail: { reason: "upgrade" } });
      }
      this.#admit(exchange, route);
      const upstream = this.#upstreamOf(route);
      const fields = this.#fields(arrival, route, upstream);
      const { target } = arrival;
      let over = (): void => {};
      const close = await joinUpgrade({ upstream, request, socket, head, method: "GET", target, fields }, () => over());
      over = this.#watch(exchange, route, close);
      if (socket.destroyed) over();
    } catch (error) {
      failure = asRingwallError(error);
      this.#refuseUpgrade(exchange, socket, failure);
    }
    this.guard.completed(exchange, { status: failure?.status ?? 101, bytes: 0, error: failure });
  }

  /** Ends what is over: sessions whose streams are still open, answers that have fallen silent. Call it twice a second. */
  async sweep(): Promise<void> {
    const nowMs = this.#parts.clock();
    this.#relays.sweep(nowMs);
    await this.#live.sweep();
  }

  /** Ends what would never end by itself; ordinary answers go on. */
  drain(): void {
    this.#live.closeAll();
  }

  async close(): Promise<void> {
    this.#live.closeAll();
    await Promise.all([...this.#upstreams.values()].map(async (upstream) => await upstream.pool().destroy()));
  }

  /** Takes the upstreams' certificates that changed. Call it every ten seconds. */
  refreshUpstreams(): void {
    for (const [{ settings }, upstream] of this.#upstreams) {
      const facts = { route: settings.name };
      try {
        if (upstream.refresh() === "changed") this.#parts.log.info(facts, "an upstream's certificates were exchanged");
      } catch (err) {
        this.#parts.log.error({ ...facts, err }, "new certificates cannot be used; the old ones stay in use");
      }
    }
  }

  #act(call: Call, arrival: Arrival): Promise<void> | undefined {
    const { exchange, own, route } = arrival;
    if (exchange.answered) {
      answerWith(this.guard, call, 204, "");
      return undefined;
    }
    this.#checkPlace(arrival);
    if (own !== undefined) return this.#actOwn(call, arrival, own);
    if (route === undefined) throw new RingwallError("resource.not_found");
    if (call.request.httpVersionMajor > 1 && hasHiddenBody(call)) {
      throw new RingwallError("request.malformed", { detail: { reason: "content_of_safe_method" } });
    }
    this.#admit(exchange, route);
    this.#forward(call, arrival, route);
    return undefined;
  }

  /**
   * A WebSocket begins as a GET and may do everything: where it comes from counts as for what changes something. Cookies
   * travel with it from any page, and no preflight asks.
   */
  #checkSite(exchange: Exchange): void | Promise<void> {
    const { visit } = exchange;
    const changing = { ...exchange, visit: { ...visit, site: { ...visit.site, method: "POST" } } };
    return this.#arrival.find(({ name }) => name === "csrf")?.run(changing);
  }

  #checkPlace({ flaw, target }: Arrival): void {
    if (flaw !== undefined) throw flaw;
    // Addresses end in logs and histories, the upstream's among them.
    if (holdsToken(target)) throw new RingwallError("request.malformed", { detail: { reason: "token_in_target" } });
  }

  /** Method, role, and the record of somebody's passing where the application keeps none. */
  #admit(exchange: Exchange, route: Route): void {
    const { principal, visit } = exchange;
    const { access, mode, name } = route.settings;
    if (!route.methods.has(visit.method)) throw new RingwallError("request.method_not_allowed");
    if (typeof access === "object") {
      if (principal === undefined) throw new RingwallError("identity.sign_in_required");
      if (!roleCovers(principal.role, access.role)) {
        throw new RingwallError("access.denied", { detail: { rule: "gateway.role", route: name } });
      }
      if (isAdministrator(access.role)) this.#parts.perimeter.admitAdministration(visit);
    }
    if (mode !== "plain" || principal === undefined) return;
    // Before anything is forwarded: what cannot be recorded does not happen.
    const facts = { route: name, method: visit.method };
    const event = {
      action: "request.forwarded",
      outcome: "success",
      tenant: principal.tenant,
      actor: principal,
      facts,
    } as const;
    this.#parts.recorder.note(event);
  }

  #forward(call: Call, arrival: Arrival, route: Route): void {
    const { exchange } = call;
    const upstream = this.#upstreamOf(route);
    new Relay({
      call,
      upstream,
      clock: this.#parts.clock,
      bodyBytesMax: this.guard.bodyBytesMax,
      timeoutMs: route.settings.timeoutMs,
      fields: () => this.#fields(arrival, route, upstream),
      answerFields: (headers) => this.#answerFields(call, route, headers),
      onEventStream: (relay) => this.#watch(exchange, route, () => relay.abort(new Error("the session is over"))),
      onFailure: (error) => answerProblem(this.guard, call, error),
      relays: this.#relays,
    }).start();
  }

  #fields(arrival: Arrival, route: Route, upstream: Upstream): string[] {
    const { authority, exchange, raw, target } = arrival;
    const { access, mode, name, passHost } = route.settings;
    const { client, site } = exchange.visit;
    const told = {
      host: passHost ? authority : upstream.host,
      requestId: exchange.id,
      forwarded: mode === "ringwall" ? undefined : { address: client.address, https: site.https, host: authority },
      foreignCredential: mode === "plain" && access === "public",
    };
    if (!route.carriesAssertion) return requestFields(raw, { ...told, assertion: undefined });
    const purpose = { audience: name, method: exchange.visit.method, target };
    return requestFields(raw, { ...told, assertion: this.#parts.sign(assertedFrom(exchange), purpose) });
  }

  #answerFields(call: Call, route: Route, headers: IncomingHttpHeaders): string[] | Promise<string[]> {
    const { exchange } = call;
    const own = this.guard.headersFor(exchange);
    const out = answerFields(headers, own, exchange.principal !== undefined);
    const cookies = headers["set-cookie"];
    return cookies === undefined ? out : this.#withCookies(call, route, out, [cookies].flat());
  }

  async #withCookies(call: Call, route: Route, out: string[], cookies: readonly string[]): Promise<string[]> {
    const trusted = route.settings.mode === "ringwall" && route.carriesAssertion;
    for (const cookie of cookies) {
      const read = readUpstreamCookie(cookie, trusted);
      if (read.kind === "pass") out.push("set-cookie", cookie);
      if (read.kind === "ended") out.push("set-cookie", endedCookie(HOST_COOKIE));
      if (read.kind === "session") {
        out.push("set-cookie", await this.#cookies.cookie(HOST_COOKIE, call.hostName, read.token));
      }
    }
    return out;
  }

  #watch(exchange: Exchange, { settings: { access } }: Route, close: () => void): () => void {
    const check = (): Principal | Promise<Principal> | undefined => {
      if (exchange.principal === undefined) return undefined;
      const again = { ...exchange, principal: undefined };
      const step = this.#arrival.find(({ name }) => name === "credential");
      const pending = step?.run(again);
      const hold = (): Principal => {
        const { principal } = again as Exchange;
        if (principal === undefined || (typeof access === "object" && !roleCovers(principal.role, access.role))) {
          throw new RingwallError("identity.sign_in_required");
        }
        return principal;
      };
      return pending === undefined ? hold() : pending.then(hold);
    };
    return this.#live.add({ check, close });
  }

  #authenticate(token: string, { authorization, visit }: Exchange): Principal | Promise<Principal> {
    const { identity } = this.#parts;
    if (authorization !== undefined) return identity.authenticate(token);
    const host = (visit.header.host ?? "").toLowerCase().replace(/:[0-9]{1,5}$/, "");
    const opened = this.#cookies.open(HOST_COOKIE, host, token);
    return typeof opened === "string"
      ? identity.authenticate(opened)
      : opened.then((text) => identity.authenticate(text));
  }

  async #actOwn(call: Call, arrival: Arrival, own: string): Promise<void> {
    const { authority, exchange, hostName, target } = arrival;
    if (own === `GET ${KEY_SET_PATH}`) {
      const body = JSON.stringify(this.#parts.assertionKeys.keySet());
      return answerWith(this.guard, call, 200, body, ["content-type", "application/jwk-set+json"]);
    }
    if (own === "GET /.ringwall/healthz") {
      return answerWith(this.guard, call, 200, '{"status":"ok"}', ["content-type", "application/json"]);
    }
    const form = own.startsWith("POST ") ? await readForm(call, FORM_BYTES_MAX) : new URLSearchParams();
    const visit = { exchange, hostName, authority, query: queryOf(target), form };
    const { body, fields, status } = await this.#enter(own, visit);
    answerWith(this.guard, call, status, body, fields);
  }

  async #enter(own: string, visit: EntranceVisit): Promise<EntranceAnswer> {
    const entrance = this.#entrance;
    switch (own) {
      case "GET /.ringwall/sign-in":
        return await entrance.show(visit);
      case "POST /.ringwall/sign-in":
        return await entrance.givePassword(visit);
      case "POST /.ringwall/sign-in/code":
        return await entrance.giveCode(visit, "code");
      case "POST /.ringwall/sign-in/enrolment":
        return await entrance.giveCode(visit, "enrolment");
      case "GET /.ringwall/callback":
        return await entrance.callback(visit);
      case "GET /.ringwall/sign-out":
        return entrance.askSignOut(visit);
      case "POST /.ringwall/sign-out":
        return await entrance.signOut(visit);
      default:
        throw new RingwallError("resource.not_found");
    }
  }

  #refuse(call: Call, arrival: Arrival, failure: unknown): void {
    const error = asRingwallError(failure);
    const { exchange, route, target } = arrival;
    if (error.code !== "identity.sign_in_required" || route === undefined || !isNavigation(call.request)) {
      answerProblem(this.guard, call, error);
      return;
    }
    const { fields, status } = this.#entrance.begin({ authority: arrival.authority, exchange }, target);
    answerWith(this.guard, call, status, "", fields);
  }

  #refuseUpgrade(exchange: Exchange, socket: Duplex, error: RingwallError): void {
    exchange.refusal = error.code;
    if (!socket.writable) return;
    const body = JSON.stringify(problem(error, exchange.id));
    const length = String(Buffer.byteLength(body));
    const own = ["content-type", "application/problem+json", "connection", "close", "content-length", length];
    socket.end(rawAnswer(error.status, [...own, ...this.guard.headersFor(exchange)], body));
  }

  #upstreamOf(route: Route): Upstream {
    const upstream = this.#upstreams.get(route);
    if (upstream === undefined) throw new TypeError("every route has an upstream");
    return upstream;
  }
}

/** An answer on a bare socket, whose head nobody parsed or whose request was to become something else. */
export function rawAnswer(status: number, fields: readonly string[], body: string): string {
  const lines = fields.flatMap((name, index) => (index % 2 === 0 ? [`${name}: ${fields[index + 1] ?? ""}\r\n`] : []));
  return `HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${body}`;
}

function assertedFrom({ id, principal, tier, visit }: Exchange): Asserted {
  const from = { address: visit.client.address, https: visit.site.https, requestId: id };
  if (principal === undefined) return { ...from, person: undefined };
  const { aal, role, secondFactorMs, session, tenant, user } = principal;
  return { ...from, person: { tenant, user, session, role, aal, secondFactorMs, tier } };
}

function hasHiddenBody({ exchange: { visit }, request }: Call): boolean {
  const isSafe = visit.method === "GET" || visit.method === "HEAD" || visit.method === "OPTIONS";
  return isSafe && "stream" in request && !request.stream.endAfterHeaders;
}

/** A browser that opens a page, as opposed to a program or a script of a page, which want to be told. */
function isNavigation({ headers, method }: Incoming): boolean {
  if (method !== "GET") return false;
  const mode = headers["sec-fetch-mode"];
  if (mode !== undefined) return mode === "navigate";
  return headers.accept?.includes("text/html") === true;
}

function queryOf(target: string): URLSearchParams {
  const query = target.indexOf("?");
  return new URLSearchParams(query === -1 ? "" : target.slice(query + 1));
}
