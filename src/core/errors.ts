/**
 * Every refusal and failure Ringwall reports on purpose, in one table: the code a caller may switch on,
 * the HTTP status it becomes, and the public title. Reasons never appear here; they go to the log.
 */
export const ERROR_CODES = {
  "request.malformed": { status: 400, title: "The request could not be read." },
  "request.invalid": { status: 400, title: "The request does not fit what this route accepts." },
  "request.too_large": { status: 413, title: "The request is larger than this route accepts." },
  "request.headers_too_large": { status: 431, title: "The request's header is larger than this server accepts." },
  "request.uri_too_long": { status: 414, title: "The request's address is longer than this server accepts." },
  "request.media_type": { status: 415, title: "The request's media type is not accepted here." },
  "request.host_unknown": { status: 421, title: "This server does not answer for that host." },
  "request.cross_site": { status: 403, title: "The request came from another site." },
  "request.origin_refused": { status: 403, title: "The origin is not allowed." },
  "request.rate_limited": { status: 429, title: "Too many requests. Try again later." },
  "request.method_not_allowed": { status: 405, title: "The method is not allowed here." },
  "resource.not_found": { status: 404, title: "Not found." },
  "resource.conflict": { status: 409, title: "The request conflicts with what is already there." },
  "identity.sign_in_required": { status: 401, title: "Sign in first." },
  "identity.sign_in_failed": { status: 401, title: "The credentials were not accepted." },
  "identity.attempts_exhausted": { status: 429, title: "Too many attempts. Try again later." },
  "identity.password_unacceptable": { status: 400, title: "The password is not acceptable." },
  "identity.link_invalid": { status: 400, title: "The link is not valid any more." },
  "identity.overloaded": { status: 503, title: "Sign-in is busy. Try again shortly." },
  "access.denied": { status: 403, title: "You are not allowed to do this." },
  "access.step_up_required": { status: 403, title: "A fresh second factor is needed for this." },
  "access.velocity_exceeded": { status: 429, title: "The limit for this act is used up. Try again later." },
  "tenant.unavailable": { status: 403, title: "This tenant is not available." },
  "transfer.insufficient_funds": { status: 409, title: "The account does not hold enough." },
  "idempotency.conflict": { status: 409, title: "The idempotency key was used for another request." },
  "idempotency.required": { status: 400, title: "This route needs an Idempotency-Key header." },
  "keys.decrypt_failed": { status: 500, title: "The value could not be opened." },
  "keys.unavailable": { status: 503, title: "The key service is not available." },
  "keys.erased": { status: 410, title: "What this needs was erased." },
  "keys.master_refused": { status: 503, title: "The master key was refused." },
  "secrets.not_found": { status: 404, title: "Not found." },
  "secrets.expired": { status: 404, title: "Not found." },
  "secrets.denied": { status: 404, title: "Not found." },
  "secrets.unavailable": { status: 503, title: "The secret store is not available. Try again shortly." },
  "secrets.invalid": { status: 400, title: "The secret's name or value is not acceptable." },
  "secrets.not_rotatable": { status: 409, title: "No rotation is set up for a secret of that name." },
  "secrets.rotation_running": { status: 409, title: "This secret is being rotated. Try again shortly." },
  "secrets.rotation_failed": { status: 502, title: "The rotation did not finish. The next one finishes it." },
  "database.unavailable": { status: 503, title: "The service is not available. Try again shortly." },
  "database.schema_mismatch": { status: 503, title: "The database schema does not fit this version." },
  "counters.unavailable": { status: 503, title: "The service is not available. Try again shortly." },
  "audit.unavailable": { status: 503, title: "The service is not available. Try again shortly." },
  "upstream.unavailable": { status: 502, title: "The application behind this address did not answer." },
  "upstream.timeout": { status: 504, title: "The application behind this address took too long to answer." },
  "upstream.busy": { status: 503, title: "The application behind this address is busy. Try again shortly." },
  "config.invalid": { status: 500, title: "The configuration is not valid." },
  "internal": { status: 500, title: "Something went wrong." },
} as const satisfies Record<string, { status: number; title: string }>;

/** Every code a caller may switch on. Adding one is a minor release; removing one is a major. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** Ids, numbers and codes for the operator's log; never a value that a person typed. */
export type ErrorDetail = Readonly<Record<string, string | number | boolean>>;

/**
 * The only error class Ringwall throws on purpose. `message` is safe to show to the caller; `detail` is for the
 * operator's log and never leaves the process; `cause` is the origin.
 *
 * @example throw new RingwallError("access.denied", { detail: { permission: "resource:write" } });
 */
export class RingwallError extends Error {
  override readonly name = "RingwallError";
  readonly code: ErrorCode;
  readonly detail: ErrorDetail;
  /** Seconds after which trying again makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ErrorCode,
    options: { message?: string; detail?: ErrorDetail; cause?: unknown; retryAfterSeconds?: number } = {},
  ) {
    super(options.message ?? ERROR_CODES[code].title, { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? {};
    this.retryAfterSeconds = options.retryAfterSeconds;
  }

  get status(): number {
    return ERROR_CODES[this.code].status;
  }
}

/** A bug of ours, as opposed to a caller's mistake or an attacker's input. Never caught below the edge. */
export class AssertionFailed extends Error {
  override readonly name = "AssertionFailed";
}

/** Says what must hold at this point. `what` names the rule, never a value. */
export function assert(condition: boolean, what: string): asserts condition {
  if (!condition) throw new AssertionFailed(`assertion failed: ${what}`);
}

/** For the `default` of a switch that handles every case. */
export function unreachable(value: never): never {
  throw new AssertionFailed(`assertion failed: unexpected ${typeof value}`);
}
