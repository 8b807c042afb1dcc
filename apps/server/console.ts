/**
 * Serves the built console: its page under the page policy with a fresh nonce, its assets for a year.
 *
 * Guards: only files that the build listed are served, from memory, so no address becomes a path; the page's addresses
 * are a list, so nothing of the API is shadowed. Fails closed: what is not built is not there (404).
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { parseConfig, randomToken } from "ringwall/core";
import { z } from "zod";

const NONCE_BYTES = 16;
/** Where the page's markup has the nonce of this answer. */
const NONCE_MARK = "{{nonce}}";
const TYPES: Readonly<Record<string, string>> = {
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
};

const Current = z.strictObject({ build: z.string().regex(/^[0-9a-f]{16}$/) });
/** What the console's build says of itself. */
const Manifest = z.strictObject({
  addresses: z.array(z.string().regex(/^\/[a-z-]*$/)).max(50),
  assets: z.array(z.string().regex(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?(css|js|svg)$/)).max(50),
});

/** The routes of a built console; none when there is none in the folder. */
export function consoleRoutes(dist: string): readonly RouteDefinition[] {
  const current = readCurrent(dist);
  if (current === undefined) return [];
  const folder = join(dist, current);
  const { addresses, assets } = parseConfig(Manifest, JSON.parse(readFileSync(join(folder, "manifest.json"), "utf8")));
  const markup = readFileSync(join(folder, "index.html"), "utf8").split(NONCE_MARK);
  return [
    ...addresses.map((address) => page(address, markup)),
    ...assets.map((name) => asset(name, readFileSync(join(folder, "assets", name)))),
  ];
}

function readCurrent(dist: string): string | undefined {
  try {
    return parseConfig(Current, JSON.parse(readFileSync(join(dist, "current.json"), "utf8"))).build;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}

function page(address: string, markup: readonly string[]): RouteDefinition {
  const policy = {
    access: "public",
    auditRefusals: false,
    profile: "html",
    summary: "A page of the console.",
  } as const;
  return route("GET", address, policy, ({ exchange }) => {
    exchange.nonce = randomToken(NONCE_BYTES);
    return new Answer(200, markup.join(exchange.nonce), { "content-type": "text/html; charset=utf-8" });
  });
}

function asset(name: string, content: Buffer): RouteDefinition {
  const type = TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream";
  const policy = {
    access: "public",
    auditRefusals: false,
    cache: "immutable",
    summary: "A part of the console.",
  } as const;
  return route("GET", `/assets/${name}`, policy, () => new Answer(200, content, { "content-type": type }));
}
