import { execFile, spawnSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { z } from "zod";

const run = promisify(execFile);

/** One request of the load. `keyed` ones carry an `idempotency-key` of their own each time they are sent. */
export interface LoadRequest {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly isKeyed: boolean;
}

const LoadResult = z.object({
  requests: z.number(),
  seconds: z.number().positive(),
  p50Ms: z.number(),
  p99Ms: z.number(),
  failures: z.number(),
});
export type LoadResult = z.output<typeof LoadResult>;

/** Held open at once. Enough to keep one server process and ten database connections busy. */
const CONNECTIONS = 16;
/** The last group of a UUID counts the requests; the groups before it are drawn per round. */
const KEY_PREFIX_CHARACTERS = 24;

/** Which client drives the load: `wrk` costs a tenth of the CPU that `autocannon` takes from the servers. */
export const loadClient: "wrk" | "autocannon" = spawnSync("wrk", ["-v"]).error === undefined ? "wrk" : "autocannon";

/** Sends the requests in turn, over and over, for `seconds`. */
export async function drive(url: string, requests: readonly LoadRequest[], seconds: number): Promise<LoadResult> {
  const prefix = randomUUID().slice(0, KEY_PREFIX_CHARACTERS);
  return loadClient === "wrk"
    ? driveWrk(url, requests, seconds, prefix)
    : driveAutocannon(url, requests, seconds, prefix);
}

function requestText(host: string, { method, path: target, headers, body, isKeyed }: LoadRequest): string {
  const lines = [`${method} ${target} HTTP/1.1`, `host: ${host}`];
  for (const [name, value] of Object.entries(headers)) lines.push(`${name}: ${value}`);
  if (isKeyed) lines.push("idempotency-key: {{key}}");
  if (body !== undefined) lines.push(`content-length: ${Buffer.byteLength(body)}`);
  return `${lines.join("\r\n")}\r\n\r\n${body ?? ""}\n--8<--\n`;
}

async function driveWrk(
  url: string,
  requests: readonly LoadRequest[],
  seconds: number,
  prefix: string,
): Promise<LoadResult> {
  const folder = mkdtempSync(path.join(tmpdir(), "ringwall-load-"));
  const file = path.join(folder, "requests");
  try {
    writeFileSync(file, requests.map((request) => requestText(new URL(url).host, request)).join(""), { mode: 0o600 });
    const script = path.join(import.meta.dirname, "load.lua");
    const flags = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "--timeout", "10s", "-s", script];
    const { stdout } = await run("wrk", [...flags, url, "--", file, prefix]);
    return LoadResult.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function driveAutocannon(
  url: string,
  requests: readonly LoadRequest[],
  seconds: number,
  prefix: string,
): Promise<LoadResult> {
  const { default: autocannon } = await import("autocannon");
  let turn = 0;
  const nextKey = (): string => prefix + String((turn += 1)).padStart(36 - KEY_PREFIX_CHARACTERS, "0");
  const result = await autocannon({
    url,
    connections: CONNECTIONS,
    duration: seconds,
    requests: requests.map(({ method, path: target, headers, body, isKeyed }) => ({
      method,
      path: target,
      headers: { ...headers },
      ...(body === undefined ? {} : { body }),
      ...(isKeyed
        ? { setupRequest: (request) => ({ ...request, headers: { ...request.headers, "idempotency-key": nextKey() } }) }
        : {}),
    })),
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failures: result.non2xx + result.errors,
  };
}
