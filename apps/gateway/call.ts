import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import { asRingwallError, problem } from "ringwall/adapters/fastify";
import type { RingwallError } from "ringwall/core";
import type { Exchange, Guard } from "ringwall/pipeline";

export type Incoming = IncomingMessage | Http2ServerRequest;
/** What both kinds of answers can do. */
export interface Outgoing {
  statusCode: number;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  writeHead(status: number, fields: Record<string, string | string[]> | string[]): unknown;
  write(chunk: Uint8Array): boolean;
  end(chunk?: string | Uint8Array): unknown;
  end(chunk: string, encoding: "latin1"): unknown;
  /** HTTP/1.1 keeps a head back until there is a body. */
  flushHeaders?(): void;
  once(event: "close" | "finish", listener: () => void): unknown;
  on(event: "drain", listener: () => void): unknown;
  destroy(error?: Error): unknown;
}

/** One request, its answer, and what is known of it. */
export interface Call {
  readonly request: Incoming;
  readonly answer: Outgoing;
  readonly exchange: Exchange;
  /** The header in the form of HTTP/1.1: names and values in turn. */
  readonly raw: readonly string[];
  /** The host name without its port, in lower case. */
  readonly hostName: string;
  readonly target: string;
  /** How it ended, when it did not end well. */
  error: RingwallError | undefined;
  bytes: number;
}

/** `Http2ServerResponse` is declared as a `Writable` with the same methods; one form is enough for both. */
export function outgoing(answer: ServerResponse | Http2ServerResponse): Outgoing {
  return answer;
}

/** Writes the head. HTTP/2's compatible form takes repeated fields only as lists. */
export function writeHead({ answer, request }: Call, status: number, fields: readonly string[]): void {
  if (request.httpVersionMajor < 2) {
    answer.writeHead(status, fields as string[]);
    return;
  }
  const grouped: Record<string, string | string[]> = {};
  for (let index = 0; index + 1 < fields.length; index += 2) {
    const name = (fields[index] ?? "").toLowerCase();
    const value = fields[index + 1] ?? "";
    const known = grouped[name];
    grouped[name] = known === undefined ? value : [...(Array.isArray(known) ? known : [known]), value];
  }
  answer.writeHead(status, grouped);
}

/** An answer of the gateway's own. */
export function answerWith(
  guard: Guard,
  call: Call,
  status: number,
  body: string,
  fields: readonly string[] = [],
): void {
  if (call.answer.headersSent) return;
  call.bytes = Buffer.byteLength(body);
  const closing = call.request.httpVersionMajor < 2 && !call.request.readableEnded && hasBody(call) ? CLOSE : [];
  const length = status === 204 || status === 304 ? [] : ["content-length", String(call.bytes)];
  writeHead(call, status, [...fields, ...length, ...closing, ...guard.headersFor(call.exchange)]);
  call.answer.end(call.request.method === "HEAD" ? "" : body);
}

// Nobody reads the rest of a refused body, so the connection has no further use.
const CLOSE: readonly string[] = ["connection", "close"];

/** Whether the request says that a body comes. */
export function hasBody({ exchange: { visit }, request }: Call): boolean {
  const { contentLength, transferEncoding } = visit.header;
  // HTTP/2 ends a message with a flag, and needs neither field.
  if ("stream" in request) return !request.stream.endAfterHeaders;
  return transferEncoding !== undefined || (contentLength !== undefined && contentLength !== "0");
}

/** A refusal or failure as a problem document; a head that is on its way already can only be cut short. */
export function answerProblem(guard: Guard, call: Call, failure: unknown): void {
  const error = asRingwallError(failure);
  call.error = error;
  call.exchange.refusal = error.code;
  if (call.answer.headersSent) {
    call.answer.destroy();
    return;
  }
  const fields = ["content-type", "application/problem+json"];
  if (error.retryAfterSeconds !== undefined && call.exchange.visit.rate?.taken.allowed !== false) {
    fields.push("retry-after", String(error.retryAfterSeconds));
  }
  if (error.status === 401) fields.push("www-authenticate", "Bearer");
  answerWith(guard, call, error.status, JSON.stringify(problem(error, call.exchange.id)), fields);
}
