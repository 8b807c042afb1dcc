import { ERROR_CODES, type ErrorCode, RingwallError } from "../../core/index.ts";

/** RFC 9457. `code` is stable; there is never a reason in it, and never a stack. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: ErrorCode;
  readonly request_id: string;
  /** Field paths of the caller's own input that did not fit; only with `request.invalid`. */
  readonly fields?: readonly string[];
}

/** What Fastify and Node report by their own codes, as ours. Anything else is `internal`. */
const FOREIGN: Readonly<Record<string, ErrorCode>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: "request.too_large",
  FST_ERR_CTP_INVALID_MEDIA_TYPE: "request.media_type",
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: "request.malformed",
  FST_ERR_CTP_EMPTY_JSON_BODY: "request.malformed",
  FST_ERR_BAD_URL: "request.malformed",
  FST_ERR_ASYNC_CONSTRAINT: "request.malformed",
  FST_ERR_MAX_PARAM_LENGTH: "request.uri_too_long",
  ECONNRESET: "request.malformed",
  HPE_HEADER_OVERFLOW: "request.headers_too_large",
};

/** The one place where an error becomes a code. */
export function asRingwallError(error: unknown): RingwallError {
  if (error instanceof RingwallError) return error;
  const foreign = error instanceof Error && "code" in error ? FOREIGN[String(error.code)] : undefined;
  return new RingwallError(foreign ?? "internal", { cause: error });
}

/** The problem document of an error: code and title, never a reason. */
export function problem(error: RingwallError, requestId: string): Problem {
  const { status, title } = ERROR_CODES[error.code];
  const base = { type: `urn:ringwall:error:${error.code}`, title, status, code: error.code, request_id: requestId };
  const fields = error.detail["fields"];
  if (error.code !== "request.invalid" || typeof fields !== "string") return base;
  return { ...base, fields: fields.split(",") };
}
