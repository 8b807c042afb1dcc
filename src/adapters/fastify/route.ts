import type { FastifyInstance } from "fastify";
import { z } from "zod";
import type { Exchange, Guard, RoutePolicy } from "../../pipeline.ts";

type Parsed<Schema> = Schema extends z.ZodType ? z.output<Schema> : undefined;

/** What a handler gets: the exchange, and input that has passed its schemas. */
export interface Request<Policy extends RoutePolicy> {
  readonly exchange: Exchange;
  readonly params: Parsed<Policy["params"]>;
  readonly query: Parsed<Policy["query"]>;
  readonly body: Parsed<Policy["body"]>;
}

/** An answer with a status of its own, or with headers. A plain object answers 200. */
export class Answer<Body = unknown> {
  readonly status: number;
  readonly body: Body;
  readonly headers: Readonly<Record<string, string>>;

  constructor(status: number, body: Body, headers: Readonly<Record<string, string>> = {}) {
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

/** The methods a route may take. HEAD and OPTIONS are answered by the perimeter alone. */
export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** One route, as the server registers it and as the API description shows it. */
export interface RouteDefinition<Policy extends RoutePolicy = RoutePolicy> {
  readonly method: Method;
  readonly url: string;
  readonly policy: Policy;
  readonly handler: (request: Request<Policy>) => unknown;
}

/** Declares a route; the handler's input types follow from the policy's schemas. */
export function route<const Policy extends RoutePolicy>(
  method: Method,
  url: string,
  policy: Policy,
  handler: (request: Request<Policy>) => unknown,
): RouteDefinition {
  // The erased form: `register` hands the handler exactly what the policy's schemas gave.
  return { method, url, policy, handler };
}

/**
 * Registers routes on a server made by `createServer`.
 * @param guard - The server's own, when handlers are to have a span of their request's trace.
 */
export function register(
  app: FastifyInstance,
  routes: readonly RouteDefinition[],
  guard?: Pick<Guard, "handle">,
): void {
  const inSpan = guard?.handle;
  for (const { method, url, policy, handler } of routes) {
    app.route({
      method,
      url,
      config: { ringwall: policy },
      ...responseSchema(policy),
      handler: async (request, reply) => {
        const { exchange } = request;
        const { params, query, body } = exchange as Request<RoutePolicy> & Exchange;
        const work = (): unknown => handler({ exchange, params, query, body });
        const result = await (inSpan === undefined ? work() : inSpan(exchange, work));
        if (!(result instanceof Answer)) return result;
        void reply.code(result.status).headers(result.headers);
        return result.body === undefined ? reply.send() : result.body;
      },
    });
  }
}

/** A declared output becomes Fastify's compiled serialiser, which also drops any field that was not declared. */
function responseSchema(policy: RoutePolicy): { schema?: { response: Record<string, unknown> } } {
  if (policy.output === undefined) return {};
  const schema = z.toJSONSchema(policy.output, { io: "output", unrepresentable: "any" });
  delete schema.$schema;
  return { schema: { response: { "2xx": schema } } };
}
