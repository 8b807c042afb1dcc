import { LIMITS } from "./limits.ts";

/** What is wrong with a request's form, as the log shows it, and the refusal it becomes. */
export interface Flaw {
  readonly code:
    | "request.malformed"
    | "request.headers_too_large"
    | "request.uri_too_long"
    | "request.too_large"
    | "request.method_not_allowed";
  readonly reason: string;
}

/** The fields the perimeter reads. Each may stand once at most. */
export interface RequestHeader {
  readonly host: string | undefined;
  readonly origin: string | undefined;
  readonly cookie: string | undefined;
  readonly userAgent: string | undefined;
  readonly forwardedFor: string | undefined;
  readonly forwardedProto: string | undefined;
  readonly fetchSite: string | undefined;
  readonly requestId: string | undefined;
  readonly preflightMethod: string | undefined;
  readonly preflightHeaders: string | undefined;
  readonly contentLength: string | undefined;
  readonly transferEncoding: string | undefined;
  readonly idempotencyKey: string | undefined;
  /** The first thing wrong with the header, if anything is. */
  readonly flaw: Flaw | undefined;
}

const HOST = 0;
const ORIGIN = 1;
const COOKIE = 2;
const USER_AGENT = 3;
const FORWARDED_PROTO = 4;
const FETCH_SITE = 5;
const REQUEST_ID = 6;
const PREFLIGHT_METHOD = 7;
const PREFLIGHT_HEADERS = 8;
const CONTENT_LENGTH = 9;
const TRANSFER_ENCODING = 10;
const IDEMPOTENCY_KEY = 11;
const FIRST_UNREAD = 12;

/**
 * Fields that may stand once. RFC 9110, section 5.3: a field may be repeated only when its value is a list, and two
 * readers of a repeated singleton may each believe another one. Cookie is among them: RFC 6265, section 5.4 allows one
 * field, and the several of HTTP/2 (RFC 9113, section 8.2.3) have to be joined by whoever turns it into HTTP/1.1.
 */
const SINGLE = new Map<string, number>([
  ["host", HOST],
  ["origin", ORIGIN],
  ["cookie", COOKIE],
  ["user-agent", USER_AGENT],
  ["x-forwarded-proto", FORWARDED_PROTO],
  ["sec-fetch-site", FETCH_SITE],
  ["x-request-id", REQUEST_ID],
  ["access-control-request-method", PREFLIGHT_METHOD],
  ["access-control-request-headers", PREFLIGHT_HEADERS],
  ["content-length", CONTENT_LENGTH],
  ["transfer-encoding", TRANSFER_ENCODING],
  ["idempotency-key", IDEMPOTENCY_KEY],
  ["content-type", FIRST_UNREAD],
  ["authorization", FIRST_UNREAD + 1],
  ["proxy-authorization", FIRST_UNREAD + 2],
  ["sec-fetch-mode", FIRST_UNREAD + 3],
  ["sec-fetch-dest", FIRST_UNREAD + 4],
  ["content-encoding", FIRST_UNREAD + 5],
  ["range", FIRST_UNREAD + 6],
  ["referer", FIRST_UNREAD + 7],
]);

/** Content-Length is digits alone: `+5`, `5,5` and `0x5` mean different things to different readers. */
const CONTENT_LENGTH_PATTERN = /^[0-9]{1,15}$/;
// Bytes of ": " and CRLF around each field.
const FIELD_OVERHEAD = 4;

/**
 * Reads a raw header, as Node hands it over (`name, value, name, value`), in one pass and without throwing: a request
 * that will be refused is logged too, with its address.
 */
export function readHeader(raw: readonly string[]): RequestHeader {
  const single: (string | undefined)[] = [];
  let forwardedFor: string | undefined;
  let flaw: Flaw | undefined;
  let bytes = 0;
  // Of a header with too many fields the first ones are read; the flaw refuses it anyway.
  const end = Math.min(raw.length, LIMITS.headerFields * 2);
  for (let index = 0; index + 1 < end; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    const value = raw[index + 1] ?? "";
    bytes += name.length + value.length + FIELD_OVERHEAD;
    if (hasControl(value)) flaw ??= malformed("control_in_header");
    if (name === "x-forwarded-for") {
      // A list by nature: several fields are one chain, in their order (RFC 9110, section 5.3).
      forwardedFor = forwardedFor === undefined ? value : `${forwardedFor}, ${value}`;
      continue;
    }
    const slot = SINGLE.get(name);
    if (slot === undefined) continue;
    if (single[slot] !== undefined) flaw ??= malformed(`duplicate_${name}`);
    single[slot] = value;
  }
  if (raw.length > end) flaw = { code: "request.headers_too_large", reason: "too_many_fields" };
  else if (bytes > LIMITS.headerBytes) flaw = { code: "request.headers_too_large", reason: "too_many_bytes" };
  return {
    host: single[HOST],
    origin: single[ORIGIN],
    cookie: single[COOKIE],
    userAgent: single[USER_AGENT],
    forwardedFor,
    forwardedProto: single[FORWARDED_PROTO],
    fetchSite: single[FETCH_SITE],
    requestId: single[REQUEST_ID],
    preflightMethod: single[PREFLIGHT_METHOD],
    preflightHeaders: single[PREFLIGHT_HEADERS],
    contentLength: single[CONTENT_LENGTH],
    transferEncoding: single[TRANSFER_ENCODING],
    idempotencyKey: single[IDEMPOTENCY_KEY],
    flaw: flaw ?? framingFlaw(single[CONTENT_LENGTH], single[TRANSFER_ENCODING]),
  };
}

/** Request smuggling: a message whose end can be read in two ways (RFC 9112, section 6.3). */
function framingFlaw(contentLength: string | undefined, transferEncoding: string | undefined): Flaw | undefined {
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) return malformed("length_and_encoding");
    if (transferEncoding.toLowerCase() !== "chunked") return malformed("transfer_encoding");
  }
  if (contentLength !== undefined && !CONTENT_LENGTH_PATTERN.test(contentLength)) return malformed("content_length");
  return undefined;
}

function malformed(reason: string): Flaw {
  return { code: "request.malformed", reason };
}

/** Control characters other than the tab are in no field value (RFC 9110, section 5.5). */
export function hasControl(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if ((code < 0x20 && code !== 0x09) || code === 0x7f) return true;
  }
  return false;
}
