import { z } from "zod";

/**
 * One origin as a browser writes it: scheme, host and port, nothing else. `*` and `null` are refused: the first is
 * everybody, the second is every sandboxed frame and every local file.
 */
export const Origin = z
  .string()
  .max(300)
  .refine(isExactOrigin, "must be an exact origin like https://app.example.com (no *, no null, no path)");

export const CorsConfig = z.strictObject({
  /** Other origins whose pages may call this API. Empty: none. */
  origins: z.array(Origin).max(200).default([]),
  /** Lets those pages send cookies. Off: they use bearer tokens. */
  credentials: z.boolean().default(false),
  /** Adds PATCH to GET, POST, PUT and DELETE. */
  patch: z.boolean().default(false),
  /** Adds Idempotency-Key to Authorization and Content-Type. */
  idempotencyKey: z.boolean().default(false),
  /** How long a browser may remember a preflight. Ten minutes: a removed origin is gone soon after. */
  maxAgeSeconds: z.int().min(0).max(86_400).default(600),
});
export type CorsConfig = z.output<typeof CorsConfig>;

export interface Cors {
  /** True when the origin is one of the configured ones. */
  readonly allows: (origin: string) => boolean;
  /** True when an allowed origin may also send cookies. */
  readonly credentials: boolean;
  /** Fields for an answer to an allowed origin, flat; for any other only `Vary`, and nothing when CORS is not used. */
  answer(origin: string | undefined): readonly string[];
  /** Fields for the answer to a preflight, or `undefined` when origin, method or a field is not allowed. */
  preflight(origin: string, method: string, fields: string | undefined): readonly string[] | undefined;
}

const NOTHING: readonly string[] = [];
const EXPOSED = "X-Request-ID, Retry-After, RateLimit, RateLimit-Policy";

/** Compiles the configuration: per origin the answers are ready-made, so that a request costs one look-up. */
export function cors(config: CorsConfig): Cors {
  const methods = ["GET", "POST", "PUT", "DELETE", ...(config.patch ? ["PATCH"] : [])];
  const fields = ["Authorization", "Content-Type", ...(config.idempotencyKey ? ["Idempotency-Key"] : [])];
  const lowerFields = new Set(fields.map((field) => field.toLowerCase()));
  const credentials = config.credentials ? ["Access-Control-Allow-Credentials", "true"] : [];
  // Every answer depends on Origin as soon as one origin is configured, also the one to a request without it.
  const vary = config.origins.length === 0 ? NOTHING : Object.freeze(["Vary", "Origin"]);
  const answers = new Map<string, readonly string[]>();
  const preflights = new Map<string, readonly string[]>();
  for (const origin of config.origins) {
    const allow = ["Access-Control-Allow-Origin", origin, ...credentials];
    answers.set(origin, Object.freeze([...vary, ...allow, "Access-Control-Expose-Headers", EXPOSED]));
    preflights.set(
      origin,
      Object.freeze([
        "Vary",
        "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        ...allow,
        "Access-Control-Allow-Methods",
        methods.join(", "),
        "Access-Control-Allow-Headers",
        fields.join(", "),
        "Access-Control-Max-Age",
        String(config.maxAgeSeconds),
      ]),
    );
  }
  return {
    allows: (origin) => answers.has(origin),
    credentials: config.credentials,
    answer: (origin) => (origin === undefined ? vary : (answers.get(origin) ?? vary)),
    preflight(origin, method, asked) {
      if (!methods.includes(method)) return undefined;
      const known = (field: string): boolean => lowerFields.has(field.trim().toLowerCase());
      if (asked !== undefined && asked !== "" && !asked.split(",").every(known)) return undefined;
      return preflights.get(origin);
    },
  };
}

function isExactOrigin(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  // URL hosts may hold marks like * and ', which mean something else in a header; an origin of ours has none of them.
  if (!/^[a-z0-9.-]+$|^\[[0-9a-f:]+\]$/.test(url.hostname)) return false;
  const secure = url.protocol === "https:" || (url.protocol === "http:" && isLoopbackHost(url.hostname));
  return secure && url.origin === text;
}

/** Plain http is for pages on one's own machine. */
function isLoopbackHost(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") || name === "127.0.0.1" || name === "[::1]";
}
