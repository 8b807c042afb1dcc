import { type Bucket, type CounterStore, parseConfig, RingwallError } from "../core/index.ts";
import { createPerimeter, type Perimeter, PerimeterConfig, type PerimeterRequest } from "../perimeter/index.ts";

/** The host that `perimeterFor` answers for, and the one other origin that its CORS lists. */
export const TEST_HOST = "bank.example.com";
export const TEST_APP = "https://app.example.com";

/** A counter store that lets everything through and remembers what it was asked. */
export function openCounters(): { counters: CounterStore; asked: (readonly Bucket[])[] } {
  const asked: (readonly Bucket[])[] = [];
  return {
    asked,
    counters: {
      take(buckets) {
        asked.push(buckets);
        return { allowed: true, remaining: 7, tightest: 0, retryAfterMs: 0, refused: -1 };
      },
    },
  };
}

/** A perimeter of production for `TEST_HOST`, with some settings changed. */
export function perimeterFor(
  over: object = {},
  counters: CounterStore = openCounters().counters,
  mode: "development" | "production" = "production",
): Perimeter {
  const config = parseConfig(PerimeterConfig, { hosts: [TEST_HOST], cors: { origins: [TEST_APP] }, ...over });
  return createPerimeter(config, { mode, counters, clock: () => 1_764_000_000_000 });
}

/** An ordinary request over TLS, with some of it changed. Header names are given in lower case. */
export function perimeterRequest(
  over: Partial<PerimeterRequest> = {},
  headers: Record<string, string> = {},
): PerimeterRequest {
  const rawHeaders = Object.entries({ host: TEST_HOST, ...headers }).flat();
  return { method: "GET", target: "/api", rawHeaders, socketAddress: "203.0.113.9", tls: true, ...over };
}

/**
 * Code and reason with which a perimeter refuses a request, or undefined when every step let it through.
 * For counter stores that answer at once.
 */
export function refusalOf(perimeter: Perimeter, request: PerimeterRequest): string | undefined {
  try {
    if (perimeter.admit(perimeter.open(request)) !== undefined) throw new TypeError("the counter store answers later");
    return undefined;
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    return `${error.code} ${String(error.detail["reason"] ?? error.detail["limit"])}`;
  }
}

/** Fields as an object, from their flat form. */
export function fieldsOf(flat: readonly string[] | undefined): Record<string, string> {
  const out: Record<string, string> = {};
  for (let index = 0; index < (flat?.length ?? 0); index += 2) out[flat?.[index] ?? ""] = flat?.[index + 1] ?? "";
  return out;
}
