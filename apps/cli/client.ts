import { request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { isIPv4 } from "node:net";
import type { PlainSecret } from "ringwall/core";
import { z } from "zod";
import { CommandFailed, EXIT, UsageError } from "./exit.ts";

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/**
 * Where the server is: the local admin socket, which only its owner can open, or an address with a credential. Without
 * one nothing but signing in is open.
 */
export type Target =
  | { readonly kind: "socket"; readonly path: string }
  | {
      readonly kind: "url";
      readonly url: URL;
      readonly credential?: () => PlainSecret | Promise<PlainSecret>;
      /** The authorities to believe, as PEM; those that Node knows when left out. */
      readonly ca?: string | undefined;
    };

export interface Client {
  /**
   * Sends one request and returns the parsed JSON, or undefined where the answer has no body.
   * @throws CommandFailed when the server refuses (exit 1) or does not answer (exit 3).
   */
  request(method: Method, path: string, body?: unknown): Promise<unknown>;
}

// Long enough for a rotation that opens database connections; a person is waiting.
const ANSWER_MS_MAX = 30_000;
// A page of a thousand audit records fits many times.
const ANSWER_BYTES_MAX = 8 * 1_024 * 1_024;
const SHOWN_CHARACTERS_MAX = 200;

const Problem = z.object({
  code: z.string().max(SHOWN_CHARACTERS_MAX),
  title: z.string().max(SHOWN_CHARACTERS_MAX),
  request_id: z.string().max(SHOWN_CHARACTERS_MAX).optional(),
});

/**
 * Encodes one path segment; what it holds must not split it.
 * @throws UsageError for "." and "..", which every URL parser resolves away, encoded or not.
 */
export function segment(text: string): string {
  if (text === "." || text === "..") throw new UsageError(`${JSON.stringify(text)} is not a name`);
  return encodeURIComponent(text);
}

/**
 * Checks a `--url`: https, or http on loopback, and nothing but an origin.
 * A credential sent in clear to another machine is everybody's credential.
 */
export function serverUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "https:" && url.protocol !== "http:")) {
    throw new CommandFailed("--url is not an http or https address", { exit: EXIT.usage });
  }
  if (url.username !== "" || url.password !== "") {
    throw new CommandFailed("--url holds a credential", {
      wayOut: "Put it into a file: --credential FILE",
      exit: EXIT.usage,
    });
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw new CommandFailed("--url must be an origin, without a path", { exit: EXIT.usage });
  }
  if (url.protocol === "http:" && !isLoopback(url.hostname)) {
    throw new CommandFailed("--url is http and not on this machine: the credential would travel in clear", {
      wayOut: "Use https.",
      exit: EXIT.usage,
    });
  }
  return url;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIPv4(host) && host.startsWith("127."));
}

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

export function makeClient(target: Target, signal: AbortSignal): Client {
  return {
    async request(method, path, body) {
      const answer = await send(target, method, path, body, signal);
      if (answer.status === 204) return undefined;
      const json = parseJson(answer);
      if (answer.status >= 200 && answer.status < 300 && json !== undefined) return json;
      throw refusal(answer, json, target);
    },
  };
}

async function send(target: Target, method: Method, path: string, body: unknown, signal: AbortSignal): Promise<Answer> {
  const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers: Record<string, string> = { accept: "application/json", "user-agent": "ringwall-cli" };
  if (payload !== undefined) {
    headers["content-type"] = "application/json";
    headers["content-length"] = String(payload.length);
  }
  if (target.kind === "url" && target.credential !== undefined) {
    headers["authorization"] = `Bearer ${(await target.credential()).open()}`;
  }
  const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
  // One request, one connection: a kept socket would keep the process alive.
  const common = { method, path, headers, signal: limit, agent: false as const };
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const fail = (error: Error): void => reject(unreachable(error, target, signal));
  const request =
    target.kind === "socket"
      ? plainRequest({ ...common, socketPath: target.path, host: "localhost" })
      : target.url.protocol === "https:"
        ? tlsRequest(target.url, {
            ...common,
            minVersion: "TLSv1.2",
            ...(target.ca === undefined ? {} : { ca: target.ca }),
          })
        : plainRequest(target.url, common);
  request.once("error", fail);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    let size = 0;
    response.on("data", (chunk: Buffer) => {
      size += chunk.length;
      if (size > ANSWER_BYTES_MAX) request.destroy(new Error("the answer is too large"));
      else chunks.push(chunk);
    });
    response.once("error", fail);
    response.once("end", () => {
      const type = response.headers["content-type"] ?? "";
      resolve({ status: response.statusCode ?? 0, type, body: Buffer.concat(chunks).toString("utf8") });
    });
  });
  request.end(payload);
  return await promise;
}

function parseJson(answer: Answer): unknown {
  if (!/^application\/(?:problem\+)?json\b/.test(answer.type)) return undefined;
  try {
    return JSON.parse(answer.body) as unknown;
  } catch {
    return undefined;
  }
}

/** A terminal obeys control characters, so nothing a server sent reaches it with them. */
export function printable(text: string): string {
  return text.replaceAll(/\p{C}/gu, "\u{FFFD}");
}

function refusal(answer: Answer, json: unknown, target: Target): CommandFailed {
  const problem = Problem.safeParse(json);
  if (!problem.success) {
    return new CommandFailed(`the server answered ${answer.status} in a form this command does not know`, {
      wayOut: `Is it a Ringwall server of this version? Asked: ${describe(target)}`,
    });
  }
  const { code, title, request_id: id } = problem.data;
  return new CommandFailed(printable(`${code}: ${title}${id === undefined ? "" : ` (request id ${id})`}`), {
    wayOut: WAYS_OUT[code] ?? wayOut(answer.status),
    code,
  });
}

/** Where the code says more about the way out than the status does. */
const WAYS_OUT: Readonly<Record<string, string>> = {
  "access.step_up_required": `Give a code ("ringwall step-up"): a second factor counts for 15 minutes here, and for 5 when erasing.`,
  "identity.sign_in_failed": "Check tenant, e-mail address, password and code; each code is good once.",
  "identity.attempts_exhausted": "Wait 15 minutes, then sign in again.",
  "identity.password_unacceptable":
    "Choose 15 characters or more that are no name, no address and on no list of known ones.",
  "identity.link_invalid": "Links are good once and for a time; ask for a new one.",
  "secrets.not_rotatable": "Set one up in the configuration: secrets.rotations.",
};

function wayOut(status: number): string {
  switch (status) {
    case 401:
      return `Check the credential file; the session may be over: "ringwall sign-in".`;
    case 403:
      return "The credential does not carry the permission for this; the audit log says which one is missing.";
    case 404:
      return "Nothing by that name is visible to this credential; check the spelling and the tenant.";
    case 409:
      return "Something by that name is there already, or its state does not allow this.";
    case 429:
      return "Wait a little, then try again.";
    case 503:
      return `The server is up but cannot work now; "ringwall doctor" and its log say why.`;
    default:
      return status >= 500 ? "The server's log holds the reason under that request id." : "";
  }
}

function unreachable(error: Error, target: Target, signal: AbortSignal): CommandFailed {
  if (signal.aborted) return new CommandFailed("interrupted", { cause: error });
  const code = "code" in error && typeof error.code === "string" ? error.code : error.name;
  const local = target.kind === "socket";
  if (code === "EACCES") {
    return new CommandFailed(`the admin socket may not be opened by this user: ${describe(target)}`, {
      wayOut: "Run as the user who started the server.",
      exit: EXIT.unreachable,
      cause: error,
    });
  }
  const absent = code === "ENOENT" || code === "ECONNREFUSED";
  const what = absent ? "no server answers" : `the server did not answer (${code})`;
  return new CommandFailed(`${what}: ${describe(target)}`, {
    wayOut: local
      ? `Start it ("ringwall start"), or name its data directory: --data DIR`
      : "Check the address and that the server runs.",
    exit: EXIT.unreachable,
    cause: error,
  });
}

function describe(target: Target): string {
  return target.kind === "socket" ? target.path : target.url.origin;
}
