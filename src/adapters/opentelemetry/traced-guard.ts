import { methodLabel, type TraceScope, type Tracing } from "../../core/index.ts";
import type { Exchange, Guard, Step } from "../../pipeline.ts";

/**
 * The same guard, with a span for each request and inside it one for each step and for the route's own work. The span of
 * a request begins with its first step and ends when its answer has gone.
 */
export function tracedGuard(guard: Guard, tracing: Tracing): Guard {
  const scopes = new WeakMap<Exchange, TraceScope>();
  const scopeOf = (exchange: Exchange): TraceScope => {
    const known = scopes.get(exchange);
    if (known !== undefined) return known;
    const { id, route, visit } = exchange;
    const method = methodLabel(visit.method);
    const scope = tracing.begin("ringwall.request", {
      "http.route": route,
      "http.request.method": method,
      "ringwall.request_id": id,
    });
    scopes.set(exchange, scope);
    return scope;
  };
  const steps = guard.steps.map((step): Step => {
    const { layer, name, run } = step;
    const facts = { "ringwall.layer": layer };
    return { ...step, run: (exchange) => scopeOf(exchange).trace(`ringwall.step ${name}`, facts, () => run(exchange)) };
  });
  return {
    ...guard,
    steps: Object.freeze(steps),
    handle: (exchange, work) => scopeOf(exchange).trace("ringwall.handler", {}, work),
    completed(exchange, completion) {
      guard.completed(exchange, completion);
      const { error, status } = completion;
      scopeOf(exchange).end({ "http.response.status_code": status }, error?.code);
    },
  };
}
