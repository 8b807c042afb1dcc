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
import type { Permission, Principal } from "./application/access/index.ts";
import type { Clock, RingwallError } from "./core/index.ts";

/** The layer a step belongs to, as in the founding document. */
export type Layer = 1 | 2 | 3 | 4 | 5;

/** What a route says about itself. A route that says nothing cannot be registered. */
export interface RoutePolicy {
  /** `public` needs no principal; `principal` needs a session; `permission` needs that permission too. */
  readonly access: "public" | "principal" | { readonly permission: Permission };
  /** A second factor not older than this; otherwise `access.step_up_required`. */
  readonly stepUpSeconds?: number;
  readonly params?: ZodType;
  readonly query?: ZodType;
  readonly body?: ZodType;
  /** The answer's shape, for the API description and for fast serialisation. */
  readonly output?: ZodType;
  readonly bodyBytesMax?: number;
  /** The named limit that is taken per address and, once known, per account. Default `api`. */
  readonly limit?: string;
  /** Which set of response headers fits: JSON or a page. */
  readonly profile?: "api" | "html";
  /** One sentence for the API description. */
  readonly summary: string;
  readonly tag?: string;
  /** Whether guessing ids here is worth an audit record when it fails. Default true. */
  readonly auditRefusals?: boolean;
}

/** The request as it came, before anybody trusted any of it. */
export interface IncomingHead {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly rawHeaders: readonly string[];
  readonly socketAddress: string;
  readonly tls: boolean;
}

/** One request on its way through the layers. Steps fill it in; handlers read it. */
export interface Exchange {
  readonly id: string;
  readonly startedMs: number;
  readonly head: IncomingHead;
  readonly policy: RoutePolicy;
  /** The route's pattern, never the path: fit for limits, metrics and audit. */
  readonly route: string;
  address: string;
  addressKey: string;
  principal: Principal | undefined;
  /** Set by the local administration socket alone, never from anything in a request. */
  operator: boolean;
  tier: number;
  nonce: string | undefined;
  params: unknown;
  query: unknown;
  body: unknown;
  /** Response headers collected by steps (rate limits, CORS). */
  responseHeaders: Record<string, string>;
  /** A CORS preflight is answered by the perimeter; no later step and no handler runs. */
  answered: boolean;
  refusal: string | undefined;
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
  /** The largest body any route may declare, so that the server can refuse before a route is known. */
  readonly bodyBytesMax: number;
  /** Parses a JSON body strictly. @throws RingwallError `request.malformed` */
  parseBody(bytes: Buffer): unknown;
  /** Response headers that belong to the exchange whatever became of it. */
  headersFor(exchange: Exchange): Readonly<Record<string, string>>;
  /** Called once, when the answer has gone: request log and the audit of refusals. Never throws. */
  completed(exchange: Exchange, outcome: Completion): void;
}

/** How an exchange ended. */
export interface Completion {
  readonly status: number;
  readonly bytes: number;
  readonly error: RingwallError | undefined;
}
