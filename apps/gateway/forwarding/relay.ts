import type { IncomingHttpHeaders } from "node:http";
import { type Readable, Transform } from "node:stream";
import { type Clock, RingwallError } from "ringwall/core";
import type { Dispatcher } from "undici";
import type { Call } from "../call.ts";
import { hasBody, writeHead } from "../call.ts";
import { takePlace, type Upstream } from "./upstream.ts";

/** What may be asked again when nothing of it was sent. */
const IDEMPOTENT: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);
const ATTEMPTS_MAX = 2;
/** An event stream says something every half minute or so; ten minutes of silence are an end. */
const EVENT_STREAM_SILENCE_MS = 600_000;
/** A visitor who takes nothing for this long holds a connection of the upstream for nothing. */
const UNREAD_MS = 60_000;
/** Fields of an answer that are there several times. Bytes are bounded by the parser, which counts no names. */
const REPEATED_MAX = 200;
/** Below this, copying a body costs less than a second write of it. */
const SMALL_BYTES = 16_384;
const TIMEOUTS: ReadonlySet<string> = new Set([
  "UND_ERR_HEADERS_TIMEOUT",
  "UND_ERR_BODY_TIMEOUT",
  "UND_ERR_CONNECT_TIMEOUT",
  "ETIMEDOUT",
]);

/** How one request is handed on. */
export interface RelayOptions {
  readonly call: Call;
  readonly upstream: Upstream;
  readonly clock: Clock;
  readonly bodyBytesMax: number;
  readonly timeoutMs: number;
  /** The request's fields for one attempt: an assertion counts once. */
  readonly fields: () => readonly string[];
  /** The answer's fields for the visitor. */
  readonly answerFields: (headers: IncomingHttpHeaders) => readonly string[] | Promise<readonly string[]>;
  /** Called when an answer without foreseeable end begins; gives what to call when it is over. */
  readonly onEventStream: (relay: Relay) => () => void;
  readonly onFailure: (error: RingwallError) => void;
  readonly relays: Relays;
}

/**
 * What is under way. No `Set`: one that members come to and leave by the thousand is rebuilt all the time, and the old
 * tables, dead and promoted, hold each its members until the heap is collected as a whole. Measured, that was a pause of
 * 20 ms four times a second.
 */
export class Relays {
  readonly #list: Relay[] = [];

  add(relay: Relay): void {
    relay.place = this.#list.push(relay) - 1;
  }

  /** The last one takes the place that becomes free. */
  remove(relay: Relay): void {
    const last = this.#list.pop();
    if (last === undefined || last === relay) return;
    this.#list[relay.place] = last;
    last.place = relay.place;
  }

  /** From the end, so that what a sweep removes moves only what was looked at already. */
  sweep(nowMs: number): void {
    for (let index = this.#list.length - 1; index >= 0; index -= 1) this.#list[index]?.sweep(nowMs);
  }
}

/**
 * One request on its way to the upstream and its answer on the way back, both streaming: neither side is read faster than
 * the other one takes.
 */
export class Relay implements Dispatcher.DispatchHandler {
  /** Where the list of relays has it. */
  place = -1;
  readonly #options: RelayOptions;
  #controller: Dispatcher.DispatchController | undefined;
  #attempts = 0;
  #isStarted = false;
  #isOver = false;
  #isWatched = false;
  #isWaitingForVisitor = false;
  #lastMs: number;
  #silenceMs: number;
  #lengthWhole = -1;
  #endStream: (() => void) | undefined;

  constructor(options: RelayOptions) {
    this.#options = options;
    this.#lastMs = options.clock();
    this.#silenceMs = options.timeoutMs;
  }

  /** @throws RingwallError `upstream.busy` */
  start(): void {
    takePlace(this.#options.upstream);
    this.#options.relays.add(this);
    this.#options.call.answer.once("close", () => this.#visitorGone());
    this.#attempt();
  }

  /** Ends an answer that has been silent, or unread, for too long. */
  sweep(nowMs: number): void {
    if (!this.#options.call.answer.headersSent) return;
    const limitMs = this.#isWaitingForVisitor ? UNREAD_MS : this.#silenceMs;
    if (nowMs - this.#lastMs > limitMs)
      this.abort(new RingwallError("upstream.timeout", { detail: { what: "silence" } }));
  }

  abort(error: Error): void {
    if (this.#controller === undefined) this.#fail(error);
    else this.#controller.abort(error);
  }

  #attempt(): void {
    this.#attempts += 1;
    if (this.#isOver) return;
    const { bodyBytesMax, call, upstream } = this.#options;
    let headers: readonly string[];
    try {
      headers = this.#options.fields();
    } catch (error) {
      this.#fail(error);
      return;
    }
    upstream.pool().dispatch(
      {
        path: call.target,
        method: call.exchange.visit.method,
        headers: headers as string[],
        body: hasBody(call) ? bounded(call, bodyBytesMax) : null,
      },
      this,
    );
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#isStarted = true;
    this.#controller = controller;
    if (this.#isOver) controller.abort(new Error("the visitor is gone"));
  }

  onResponseStart(controller: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    // 100 to 199 are said between upstream and gateway; the visitor has had its own.
    if (status < 200 || this.#isOver) return;
    const flaw = flawOf(headers);
    if (flaw !== undefined) {
      controller.abort(new RingwallError("upstream.unavailable", { detail: { cause: flaw } }));
      return;
    }
    this.#lastMs = this.#options.clock();
    const { onEventStream } = this.#options;
    if (headers["content-length"] !== undefined) this.#lengthWhole = Number(headers["content-length"]);
    if (headers["content-type"]?.startsWith("text/event-stream") === true) {
      this.#silenceMs = EVENT_STREAM_SILENCE_MS;
      this.#endStream = onEventStream(this);
    }
    const fields = this.#options.answerFields(headers);
    if (!(fields instanceof Promise)) {
      this.#head(status, fields);
      return;
    }
    controller.pause();
    void this.#headLater(controller, status, fields);
  }

  #head(status: number, fields: readonly string[]): void {
    const { call } = this.#options;
    writeHead(call, status, fields);
    // Somebody waits for the head alone, and the first event may be a long time off.
    if (this.#endStream !== undefined) call.answer.flushHeaders?.();
  }

  async #headLater(
    controller: Dispatcher.DispatchController,
    status: number,
    fields: Promise<readonly string[]>,
  ): Promise<void> {
    try {
      const ready = await fields;
      if (this.#isOver) return;
      this.#head(status, ready);
      controller.resume();
    } catch (error) {
      controller.abort(error instanceof Error ? error : new Error("no fields"));
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver) return;
    const { answer, request } = this.#options.call;
    this.#options.call.bytes += chunk.length;
    if (chunk.length === this.#lengthWhole && chunk.length <= SMALL_BYTES && request.httpVersionMajor < 2) {
      // The whole body: as text it travels in one write with the head, which costs half of two.
      this.#over();
      answer.end(chunk.toString("latin1"), "latin1");
      return;
    }
    this.#lastMs = this.#options.clock();
    if (answer.write(chunk)) return;
    controller.pause();
    this.#isWaitingForVisitor = true;
    if (this.#isWatched) return;
    this.#isWatched = true;
    answer.on("drain", () => {
      this.#isWaitingForVisitor = false;
      this.#lastMs = this.#options.clock();
      this.#controller?.resume();
    });
  }

  onResponseEnd(): void {
    if (this.#isOver) return;
    this.#over();
    this.#options.call.answer.end();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    const { call } = this.#options;
    const mayRepeat = !this.#isStarted && IDEMPOTENT.has(call.exchange.visit.method) && !hasBody(call);
    if (mayRepeat && !this.#isOver && this.#attempts < ATTEMPTS_MAX && !isTimeout(error)) this.#attempt();
    else this.#fail(error);
  }

  #visitorGone(): void {
    if (this.#isOver) return;
    this.#over();
    this.#controller?.abort(new Error("the visitor is gone"));
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    this.#over();
    this.#options.onFailure(failureOf(error));
  }

  #over(): void {
    this.#isOver = true;
    this.#endStream?.();
    this.#options.relays.remove(this);
    this.#options.upstream.busy -= 1;
  }
}

/** An upstream's failure as the visitor may know it: that it was silent, or that it failed. */
export function failureOf(error: unknown): RingwallError {
  if (error instanceof RingwallError) return error;
  const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
  if (code === "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH") return new RingwallError("request.malformed", { cause: error });
  const timeout = TIMEOUTS.has(code);
  return new RingwallError(timeout ? "upstream.timeout" : "upstream.unavailable", {
    detail: { cause: code },
    cause: error,
  });
}

/** An answer whose end can be read in two ways would be read in the other one by whoever stands before the gateway. */
function flawOf(headers: IncomingHttpHeaders): string | undefined {
  const length: unknown = headers["content-length"];
  const encoding: unknown = headers["transfer-encoding"];
  // Any other coding would go on without its name.
  if (encoding !== undefined && encoding !== "chunked") return "transfer_encoding";
  if (length !== undefined) {
    if (encoding !== undefined) return "length_and_encoding";
    if (typeof length !== "string" || !/^[0-9]{1,15}$/.test(length)) return "content_length";
  }
  let lists = 0;
  for (const name in headers) if (Array.isArray(headers[name])) lists += headers[name].length;
  return lists > REPEATED_MAX ? "too_many_fields" : undefined;
}

function isTimeout(error: Error): boolean {
  return "code" in error && TIMEOUTS.has(String(error.code));
}

/** The request's body; one that does not tell its length is counted on its way. */
function bounded({ exchange, request }: Call, bytesMax: number): Readable {
  if (exchange.visit.header.contentLength !== undefined) return request;
  let bytes = 0;
  const counted = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes > bytesMax) done(new RingwallError("request.too_large", { detail: { reason: "body" } }));
      else done(null, chunk);
    },
  });
  // Whoever reads it hears of its end; when nobody does any more, that is no error of the process's.
  counted.on("error", () => {});
  request.once("error", (error) => counted.destroy(error));
  request.once("close", () => {
    if (!request.readableEnded)
      counted.destroy(new RingwallError("request.malformed", { detail: { reason: "body_cut" } }));
  });
  return request.pipe(counted);
}
