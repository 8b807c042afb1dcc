import { RingwallError, type TraceFacts, type TraceScope, type Tracing } from "../../core/index.ts";

/** The part of a span that is used. */
interface Span {
  setAttributes(attributes: Record<string, string | number | boolean>): unknown;
  spanContext(): { readonly traceId: string };
  setStatus(status: { code: number }): unknown;
  end(): void;
}

interface Tracer<Context> {
  startSpan(
    name: string,
    options: { readonly attributes: Record<string, string | number | boolean> },
    context: Context,
  ): Span;
}

/** The part of `@opentelemetry/api`, version 1, that is used. Pass the module itself. */
export interface OpenTelemetryApi<Context> {
  readonly trace: {
    getTracer(name: string): Tracer<Context>;
    // A method, so that the API's own, richer span type fits.
    setSpan(context: Context, span: never): Context;
  };
  readonly context: { active(): Context; with<T>(context: Context, work: () => T): T };
}

const TRACER = "ringwall";
/** `SpanStatusCode.ERROR` of the API. */
const STATUS_ERROR = 2;
/** What spans have that belong to no trace: nobody has registered a provider. */
const NO_TRACE = "00000000000000000000000000000000";
const NO_SCOPE: TraceScope = { trace: (_name, _facts, work) => work(), end: () => {} };

/** Ringwall's spans through the host application's OpenTelemetry API. */
export function openTelemetry<Context>(api: OpenTelemetryApi<Context>): Tracing {
  const tracer = api.trace.getTracer(TRACER);
  const within = (context: Context, span: Span): Context => api.trace.setSpan(context, span as never);
  const traceIn = <T>(parent: Context, name: string, facts: TraceFacts, work: () => T): T => {
    const span = tracer.startSpan(name, { attributes: { ...facts } }, parent);
    if (span.spanContext().traceId === NO_TRACE) return work();
    let result: T;
    try {
      result = api.context.with(within(parent, span), work);
    } catch (error) {
      fail(span, codeOf(error));
      span.end();
      throw error;
    }
    if (!(result instanceof Promise)) {
      span.end();
      return result;
    }
    const ended = result.then(
      (value: unknown) => {
        span.end();
        return value;
      },
      (error: unknown) => {
        fail(span, codeOf(error));
        span.end();
        throw error;
      },
    );
    // The same value at the same type, a moment later.
    return ended as T;
  };
  return {
    trace: (name, facts, work) => traceIn(api.context.active(), name, facts, work),
    begin(name, facts): TraceScope {
      const parent = api.context.active();
      const span = tracer.startSpan(name, { attributes: { ...facts } }, parent);
      if (span.spanContext().traceId === NO_TRACE) return NO_SCOPE;
      const inside = within(parent, span);
      return {
        trace: (inner, innerFacts, work) => traceIn(inside, inner, innerFacts, work),
        end(last, failed) {
          span.setAttributes({ ...last });
          if (failed !== undefined) fail(span, failed);
          span.end();
        },
      };
    },
  };
}

/** The code alone: a message or a stack may hold what somebody sent. */
function fail(span: Span, code: string): void {
  span.setAttributes({ "error.type": code });
  span.setStatus({ code: STATUS_ERROR });
}

function codeOf(error: unknown): string {
  return error instanceof RingwallError ? error.code : "internal";
}
