import { readFileSync } from "node:fs";
import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { randomToken } from "ringwall/core";

const NONCE_BYTES = 16;
/** Where the page's markup has the nonce of this answer. */
const NONCE_MARK = "{{nonce}}";

const file = (name: string): string => readFileSync(new URL(`../page/${name}`, import.meta.url), "utf8");
const asset = { access: "public", auditRefusals: false } as const;

/** The page on which people use the bank: one document, its style and its script, under a policy with a nonce. */
export function page(): readonly RouteDefinition[] {
  const markup = file("index.html").split(NONCE_MARK);
  const style = file("bank.css");
  const scripts = ["bank.js", "money.js"].map((name) => [name, file(name)] as const);
  return [
    route("GET", "/", { ...asset, profile: "html", summary: "The bank's page." }, ({ exchange }) => {
      exchange.nonce = randomToken(NONCE_BYTES);
      return new Answer(200, markup.join(exchange.nonce), { "content-type": "text/html; charset=utf-8" });
    }),
    route(
      "GET",
      "/bank.css",
      { ...asset, summary: "The page's style." },
      () => new Answer(200, style, { "content-type": "text/css; charset=utf-8" }),
    ),
    ...scripts.map(([name, script]) =>
      route(
        "GET",
        `/${name}`,
        { ...asset, summary: "A script of the page." },
        () => new Answer(200, script, { "content-type": "text/javascript; charset=utf-8" }),
      ),
    ),
  ];
}
