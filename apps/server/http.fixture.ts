import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { connect } from "node:net";
import type { RouteDefinition } from "ringwall/adapters/fastify";
import { ERROR_CODES } from "ringwall/core";
import { expect } from "vitest";
import { z } from "zod";
import { describeApi } from "./describe.ts";

/** Where a request goes: the API's port, or the local administration socket. */
export type Door = { readonly port: number } | { readonly socketPath: string };

/** What a request brings. `raw` replaces the JSON body; a header given as undefined is left out. */
export interface Bringing {
  readonly token?: string;
  readonly body?: unknown;
  readonly raw?: string | Buffer;
  readonly headers?: Readonly<Record<string, string | undefined>>;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The parsed body; undefined when there is none. */
  readonly json: unknown;
  /** The problem's code; undefined when the answer is none. */
  readonly code: string | undefined;
  /** A text of a body that is an object. @throws TypeError when there is none by that name. */
  readonly field: (name: string) => string;
}

export type Ask = (method: string, path: string, bringing?: Bringing) => Promise<Answered>;

const Problem = z.strictObject({
  type: z.string(),
  title: z.string(),
  status: z.number(),
  code: z.string(),
  request_id: z.uuid(),
  fields: z.array(z.string()).optional(),
});
const Described = z.object({
  paths: z.record(z.string(), z.record(z.string(), z.object({ responses: z.record(z.string(), z.unknown()) }))),
});

/** The founding document's headers: on every answer, errors too. HSTS is for TLS alone. */
const SECURITY_HEADERS = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "strict-origin-when-cross-origin",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-opener-policy": "same-origin",
} as const;

/**
 * Asks over real HTTP, and holds every answer against what holds for all: the security headers, the request id, a
 * problem document where it is a refusal, and otherwise a status and a body that the API description promises.
 */
export function asker(door: Door, routes: readonly RouteDefinition[]): Ask {
  const { paths } = Described.parse(describeApi(routes));
  return async (method, path, bringing = {}) => {
    const answered = await send(door, method, path, bringing);
    expect(answered.headers).toMatchObject(SECURITY_HEADERS);
    expect(answered.headers["permissions-policy"]).toContain("payment=()");
    expect(answered.headers["x-request-id"]).toMatch(/^[0-9a-f-]{36}$/);
    if (answered.status >= 400) checkProblem(answered);
    const route = findRoute(routes, method, path);
    if (route === undefined) return answered;
    const { responses } = paths[route.url.replaceAll(/:([a-z_]+)/g, "{$1}")]?.[method.toLowerCase()] ?? {
      responses: {},
    };
    expect(Object.keys(responses), `${method} ${route.url} describes this status`).toContain(String(answered.status));
    if (answered.status < 300) expect(route.policy.output?.parse(answered.json)).toEqual(answered.json);
    return answered;
  };
}

function findRoute(routes: readonly RouteDefinition[], method: string, path: string): RouteDefinition | undefined {
  const [bare = ""] = path.split("?");
  const words = bare.split("/");
  const fits = (url: string): boolean => {
    const pattern = url.split("/");
    return pattern.length === words.length && pattern.every((word, at) => word.startsWith(":") || word === words[at]);
  };
  return routes.find((route) => route.method === method && fits(route.url));
}

function checkProblem({ headers, json, status }: Answered): void {
  expect(headers["content-type"]).toMatch(/^application\/problem\+json\b/);
  const problem = Problem.parse(json);
  expect(problem.status).toBe(status);
  expect(Object.keys(ERROR_CODES)).toContain(problem.code);
  expect(problem.request_id).toBe(headers["x-request-id"]);
  if (status === 401) expect(headers["www-authenticate"]).toBe("Bearer");
  if (status === 429 || status === 503) expect(Number(headers["retry-after"] ?? 1)).toBeGreaterThan(0);
}

async function send(door: Door, method: string, path: string, bringing: Bringing): Promise<Answered> {
  const { body, headers = {}, raw = body === undefined ? undefined : JSON.stringify(body), token } = bringing;
  const payload = raw === undefined ? undefined : Buffer.from(raw);
  const all: Record<string, string> = {};
  if (token !== undefined) all["authorization"] = `Bearer ${token}`;
  if (payload !== undefined) {
    all["content-type"] = "application/json";
    all["content-length"] = String(payload.length);
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined) delete all[name];
    else all[name] = value;
  }
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const request = plainRequest({ host: "127.0.0.1", ...door, method, path, headers: all, agent: false });
  request.once("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("end", () =>
      resolve(answer(response.statusCode ?? 0, response.headers, Buffer.concat(chunks).toString("utf8"))),
    );
  });
  request.end(payload);
  return await promise;
}

function answer(status: number, headers: IncomingHttpHeaders, text: string): Answered {
  const json: unknown = text === "" ? undefined : JSON.parse(text);
  const fields = z.looseObject({}).safeParse(json).data ?? {};
  return {
    status,
    headers,
    text,
    json,
    code: status >= 400 && typeof fields["code"] === "string" ? fields["code"] : undefined,
    field: (name) => {
      const value = fields[name];
      if (typeof value !== "string") throw new TypeError(`the answer (${status} ${text}) has no text ${name}`);
      return value;
    },
  };
}

/** Sends bytes as they are and returns everything that came back until the server closed. */
export async function sendBytes(port: number, bytes: string | Buffer): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const chunks: Buffer[] = [];
  const socket = connect({ host: "127.0.0.1", port }, () => void socket.write(bytes));
  socket.on("data", (chunk) => chunks.push(chunk));
  // A server that has heard enough may close while we still write.
  socket.on("error", () => {});
  socket.once("close", () => resolve(Buffer.concat(chunks).toString("utf8")));
  return await promise;
}
