import { type IncomingMessage, request as requestPlain } from "node:http";
import { request as requestTls } from "node:https";
import { RingwallError } from "../../core/index.ts";

/** Longer than a Transit call takes, over any network that a master key should be behind. */
const ANSWER_MS_MAX = 5_000;
/** A key's description with many versions has a few kilobytes. */
const ANSWER_BYTES_MAX = 262_144;

/** Where the server is. */
export interface ServerPlace {
  readonly url: string;
  /** PEM of the authority that signed the server's certificate, when Node does not know it. */
  readonly ca?: string | undefined;
  readonly tlsMinimum: "TLSv1.2" | "TLSv1.3";
}

/** A status, and what was in the body. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** One call: path below `/v1/`, headers, and a body for everything but a read. */
export interface HttpCall {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: object;
}

/**
 * One request and its JSON. No redirect is followed: the token would go along.
 * @throws RingwallError `keys.unavailable` when there is no answer in time, or one that is no JSON.
 */
export async function callServer(place: ServerPlace, call: HttpCall): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const url = new URL(`/v1/${call.path}`, place.url);
  const text = call.body === undefined ? undefined : JSON.stringify(call.body);
  const options = {
    method: call.method,
    headers: { ...call.headers, ...(text === undefined ? {} : { "content-type": "application/json" }) },
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
    agent: false,
  } as const;
  const receive = (response: IncomingMessage): void => {
    readJson(response).then(resolve, reject);
  };
  const tls = { minVersion: place.tlsMinimum, ...(place.ca === undefined ? {} : { ca: place.ca }) };
  const sent =
    url.protocol === "https:" ? requestTls(url, { ...options, ...tls }, receive) : requestPlain(url, options, receive);
  sent.on("error", reject);
  sent.end(text);
  try {
    return await promise;
  } catch (cause) {
    throw unavailable("no answer", cause);
  }
}

async function readJson(response: IncomingMessage): Promise<HttpAnswer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > ANSWER_BYTES_MAX) throw new RangeError("the answer is larger than one of this server's");
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  const status = response.statusCode ?? 0;
  return { status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
}

/** The error of a server that cannot be asked. `reason` holds nothing that the server was sent. */
export function unavailable(reason: string, cause?: unknown): RingwallError {
  return new RingwallError("keys.unavailable", { detail: { holder: "transit", reason }, cause });
}
