import { z } from "zod";
import { Origin } from "./cors.ts";

export const HeadersConfig = z.strictObject({
  hsts: z
    .strictObject({
      /** A year, as the figures table says. */
      maxAgeSeconds: z.int().min(0).max(63_072_000).default(31_536_000),
      includeSubDomains: z.boolean().default(true),
      /** Asks browser makers to ship the rule. It takes months to undo, so it is never on by default. */
      preload: z.boolean().default(false),
    })
    .prefault({})
    .refine((hsts) => !hsts.preload || (hsts.includeSubDomains && hsts.maxAgeSeconds >= 31_536_000), {
      path: ["preload"],
      message: "preload needs includeSubDomains and a maxAgeSeconds of at least a year",
    }),
  pages: z
    .strictObject({
      /** Other origins that pages may call, and load pictures from. */
      connectOrigins: z.array(Origin).max(50).default([]),
      imageOrigins: z.array(Origin).max(50).default([]),
      /** Forbids writing strings into script-bearing parts of a page (Trusted Types). */
      trustedTypes: z.boolean().default(true),
    })
    .prefault({}),
});
export type HeadersConfig = z.output<typeof HeadersConfig>;

/** What a response is: data, or a page with its own nonce. `noStore` when it was made for somebody who is signed in. */
export type ResponseKind =
  | { readonly profile: "api"; readonly https: boolean; readonly noStore: boolean }
  | { readonly profile: "html"; readonly https: boolean; readonly noStore: boolean; readonly nonce: string };

const PERMISSIONS = [
  "accelerometer",
  "camera",
  "geolocation",
  "gyroscope",
  "magnetometer",
  "microphone",
  "payment",
  "usb",
];

const ALWAYS: readonly string[] = [
  "X-Content-Type-Options",
  "nosniff",
  "X-Frame-Options",
  "DENY",
  "Referrer-Policy",
  "strict-origin-when-cross-origin",
  "Permissions-Policy",
  PERMISSIONS.map((name) => `${name}=()`).join(", "),
  // The filter this once switched on could be turned against the page it guarded; 0 switches it off.
  "X-XSS-Protection",
  "0",
  "Cross-Origin-Opener-Policy",
  "same-origin",
  "Cross-Origin-Resource-Policy",
  "same-origin",
];

const CSP = "Content-Security-Policy";
// An answer that is data loads nothing, whatever a browser takes it for.
const API_CSP = "default-src 'none'; frame-ancestors 'none'";
/** A nonce is base64 or base64url, so that it can neither end its quotes nor start another directive. */
const NONCE_PATTERN = /^[A-Za-z0-9+/_-]{16,64}={0,2}$/;

/**
 * Makes the function that gives a response its security headers, flat (`name, value, name, value`). All of them but a
 * page's nonce are put together once. Every response gets them, refusals and errors included.
 */
export function securityHeaders(config: HeadersConfig): (kind: ResponseKind) => readonly string[] {
  const { hsts } = config;
  const hstsValue = `max-age=${hsts.maxAgeSeconds}${hsts.includeSubDomains ? "; includeSubDomains" : ""}${hsts.preload ? "; preload" : ""}`;
  // Browsers ignore it over http (RFC 6797, section 8.1), where anybody could have written it.
  const scheme = (https: boolean): string[] => (https ? ["Strict-Transport-Security", hstsValue] : []);
  const cache = (noStore: boolean): string[] => (noStore ? ["Cache-Control", "no-store"] : []);
  const common = (https: boolean, noStore: boolean): string[] => [...ALWAYS, ...scheme(https), ...cache(noStore)];
  const variants = [false, true].flatMap((https) => [false, true].map((noStore) => common(https, noStore)));
  const html = variants.map((fields) => Object.freeze(fields));
  const api = variants.map((fields) => Object.freeze([...fields, CSP, API_CSP]));
  const pages = [false, true].map((https) => pagePolicy(config, https));
  return (kind) => {
    const variant = (kind.https ? 2 : 0) + (kind.noStore ? 1 : 0);
    if (kind.profile === "api") return api[variant] ?? [];
    if (!NONCE_PATTERN.test(kind.nonce)) throw new TypeError("a nonce is 16 to 64 characters of base64");
    const policy = pages[kind.https ? 1 : 0]?.join(kind.nonce) ?? API_CSP;
    return [...(html[variant] ?? []), CSP, policy];
  };
}

/** The policy of a page, cut where the nonce goes. `strict-dynamic`: what a trusted script loads is trusted, nothing else. */
function pagePolicy(config: HeadersConfig, https: boolean): readonly string[] {
  const { connectOrigins, imageOrigins, trustedTypes } = config.pages;
  const nonce = "\0";
  const directives = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'`,
    `style-src 'self' 'nonce-${nonce}'`,
    ["img-src 'self' data:", ...imageOrigins].join(" "),
    ["connect-src 'self'", ...connectOrigins].join(" "),
    "font-src 'self'",
    "manifest-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
    ...(trustedTypes ? ["require-trusted-types-for 'script'"] : []),
    // Over plain http on one's own machine this would turn every link into a dead one.
    ...(https ? ["upgrade-insecure-requests"] : []),
  ];
  return directives.join("; ").split(nonce);
}
