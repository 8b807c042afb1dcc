import { request as httpRequest } from "node:http";
import { connect } from "node:net";
import { CommandFailed } from "../../command.ts";

/** Where a request goes. `socket` is the local admin socket, which the attacker does not have. */
export type Server = "api" | "bank" | "socket";

/** One request, as plain data, so that an attack and its twin can be compared. */
export interface Ask {
  readonly method: string;
  /** The request target as it goes onto the wire. */
  readonly path: string;
  /** Default: the API. */
  readonly server?: Server;
  /** A bearer token. */
  readonly session?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: unknown;
  /** Sent as they are, as JSON unless `headers` says otherwise. */
  readonly bytes?: Buffer;
  /** Adds an `Idempotency-Key` that nobody has used. */
  readonly fresh?: true;
  /** The loopback address it comes from; a fresh one unless given. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  /** The problem document's code; `-` for every other answer. */
  readonly code: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. */
  readonly json: unknown;
}

/** Where the system under attack listens. */
export interface Place {
  readonly api: number;
  readonly bank: number | undefined;
  readonly socket: string;
}

// A sign-in that waits behind others takes a second; thirty are a server that hangs.
const ANSWER_MS_MAX = 30_000;
const ANSWER_BYTES_MAX = 4 * 1_024 * 1_024;
const HOST = "127.0.0.1";

export function portOf(place: Place, server: "api" | "bank"): number {
  const port = place[server];
  if (port === undefined) throw new CommandFailed("the example bank does not run");
  return port;
}

/** Sends one request on a connection of its own. @throws CommandFailed when there is no answer. */
export async function exchange(place: Place, ask: Ask & { readonly from: string }): Promise<Answer> {
  const server = ask.server ?? "api";
  const payload = ask.bytes ?? (ask.body === undefined ? undefined : Buffer.from(JSON.stringify(ask.body)));
  const headers: Record<string, string> = {};
  if (payload !== undefined) {
    headers["content-type"] = "application/json";
    headers["content-length"] = String(payload.length);
  }
  if (ask.session !== undefined) headers["authorization"] = `Bearer ${ask.session}`;
  Object.assign(headers, ask.headers);
  if (headers["transfer-encoding"] !== undefined) delete headers["content-length"];
  const target =
    server === "socket"
      ? { socketPath: place.socket, host: "localhost" }
      : { host: HOST, port: portOf(place, server), localAddress: ask.from };
  headers["host"] ??= server === "socket" ? "localhost" : `localhost:${portOf(place, server)}`;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const signal = AbortSignal.timeout(ANSWER_MS_MAX);
  const request = httpRequest({ ...target, method: ask.method, path: ask.path, headers, agent: false, signal });
  const fail = (cause: Error): void => reject(new CommandFailed(`no answer (${cause.message})`, { cause }));
  let answered = false;
  request.on("error", (error) => {
    // A server that refuses a body before it has come closes the connection; its answer counts.
    if (!answered) fail(error);
  });
  request.once("response", (response) => {
    answered = true;
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size <= ANSWER_BYTES_MAX) chunks.push(chunk);
    });
    response.once("error", fail);
    response.once("end", () => {
      const fields = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
      const text = Buffer.concat(chunks).toString("utf8");
      resolve(answerOf(response.statusCode ?? 0, Object.fromEntries(fields), text));
    });
  });
  request.end(payload);
  return await promise;
}

/**
 * Writes bytes that no client library would write, and reads one answer.
 * @throws CommandFailed when the connection ends without one.
 */
export async function exchangeRaw(place: Place, from: string, server: "api" | "bank", bytes: Buffer): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const socket = connect({ host: HOST, port: portOf(place, server), localAddress: from });
  const late = setTimeout(() => socket.destroy(new Error("it took too long")), ANSWER_MS_MAX);
  let received = Buffer.alloc(0);
  const finish = (): boolean => {
    const answer = parseAnswer(received);
    if (answer === undefined) return false;
    resolve(answer);
    return true;
  };
  socket.on("data", (chunk: Buffer) => {
    received = Buffer.concat([received, chunk]);
    if (finish() || received.length > ANSWER_BYTES_MAX) socket.destroy();
  });
  socket.on("error", (cause) => {
    if (!finish()) reject(new CommandFailed(`no answer (${cause.message})`, { cause }));
  });
  socket.on("close", () => {
    clearTimeout(late);
    if (!finish()) reject(new CommandFailed("no answer (the connection was closed)"));
  });
  socket.write(bytes);
  return await promise;
}

/** One whole answer with a declared length; undefined while bytes are missing. */
function parseAnswer(received: Buffer): Answer | undefined {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd === -1) return undefined;
  const [statusLine = "", ...lines] = received.toString("latin1", 0, headEnd).split("\r\n");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).trim().toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = Number(headers["content-length"] ?? 0);
  const bodyStart = headEnd + 4;
  if (received.length - bodyStart < length) return undefined;
  const text = received.toString("utf8", bodyStart, bodyStart + length);
  return answerOf(Number(statusLine.split(" ")[1] ?? 0), headers, text);
}

function answerOf(status: number, headers: Readonly<Record<string, string>>, text: string): Answer {
  const json = parsed(text);
  const problem = headers["content-type"]?.startsWith("application/problem+json") === true;
  const code = problem && typeof json === "object" && json !== null ? Reflect.get(json, "code") : undefined;
  return { status, code: typeof code === "string" ? code : "-", headers, text, json };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

/** A member of an answer's JSON object. */
export function member(answer: Answer, name: string): unknown {
  return typeof answer.json === "object" && answer.json !== null ? Reflect.get(answer.json, name) : undefined;
}

/** A string that a lawful answer holds. @throws CommandFailed when it does not: the stage cannot be built. */
export function textOf(answer: Answer, name: string): string {
  const value = member(answer, name);
  if (typeof value === "string" && value !== "") return value;
  throw new CommandFailed(`an answer without ${name}: ${answer.status} ${answer.code}`);
}

/** The objects of a list's `items`. */
export function itemsOf(answer: Answer): readonly Readonly<Record<string, unknown>>[] {
  const items = member(answer, "items");
  if (!Array.isArray(items)) throw new CommandFailed(`an answer without items: ${answer.status} ${answer.code}`);
  return items.filter((item: unknown): item is Record<string, unknown> => typeof item === "object" && item !== null);
}

/** The answer as it stands for comparison: the request's id is the one part that may differ. */
export function fingerprint(answer: Answer): string {
  const id = member(answer, "request_id");
  return `${answer.status} ${typeof id === "string" ? answer.text.replaceAll(id, "(id)") : answer.text}`;
}
