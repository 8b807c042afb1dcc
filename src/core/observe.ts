/** What a number is told about a request that has ended. Every text of it comes from a list of ours, never from the request. */
export interface RequestFacts {
  /** The route's pattern; `(none)` when no route takes it. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** The code of the refusal or failure. */
  readonly refusal: string | undefined;
  /** The name of the rate limit that refused. */
  readonly limit: string | undefined;
  readonly durationMs: number;
}

/** Who counts. Called for every request, so it only adds to numbers; never throws. */
export interface Meter {
  requestDone(facts: RequestFacts): void;
  /** Somebody's session was looked up; `hit` when memory answered. */
  sessionAsked(hit: boolean): void;
  /** The holder of the master key was asked, which a warm key saves. */
  masterAsked(operation: "wrap" | "unwrap" | "generate"): void;
}

/** Facts of a span: names, codes and numbers; nothing that a person typed. */
export type TraceFacts = Readonly<Record<string, string | number | boolean>>;

/** The span of one request, or of anything that others happen in. */
export interface TraceScope {
  /** As `Tracing.trace`, inside this scope wherever it is called from. */
  trace<T>(name: string, facts: TraceFacts, work: () => T): T;
  /** @param failed - The code of the refusal or failure, when it was one. */
  end(facts: TraceFacts, failed: string | undefined): void;
}

/** Where work says that it happened, and how long it took. */
export interface Tracing {
  /** Runs `work` in a span and ends it with the work, or with the promise that it returns. What it throws goes on. */
  trace<T>(name: string, facts: TraceFacts, work: () => T): T;
  /** A span whose end is told later. */
  begin(name: string, facts: TraceFacts): TraceScope;
}

const KNOWN_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);

/** A method is a text of the visitor's: what is none of the known ones has one name, so that labels stay few. */
export function methodLabel(method: string): string {
  return KNOWN_METHODS.has(method) ? method : "other";
}
