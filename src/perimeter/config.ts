import { z } from "zod";
import { Cidr } from "./address.ts";
import { UNIX_PEER } from "./client-address.ts";
import { CorsConfig } from "./cors.ts";
import { HostPattern } from "./host.ts";
import { LIMITS } from "./limits.ts";
import { RatesConfig } from "./rates.ts";
import { HeadersConfig } from "./response-headers.ts";

// A proxy range this wide trusts strangers: whoever is inside writes any address they like.
const PROXY_PREFIX_MIN = { ipv4: 8, ipv6: 16 };

/** A proxy that is ours: a range, or `unix` for the peer behind a unix socket. */
const TrustedProxy = z.union([
  z.literal(UNIX_PEER),
  Cidr.refine(isNarrow, "is too wide: trusting it lets strangers choose their address"),
]);

/**
 * Layer 1's part of the configuration. Every field has a default, so `{}` is a working perimeter for development;
 * production needs `hosts`.
 *
 * @example { hosts: ["bank.example.com"], trustedProxies: ["10.0.0.0/24"], cors: { origins: ["https://app.example.com"] } }
 */
export const PerimeterConfig = z
  .strictObject({
    /** The proxies before this server, whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed. Empty: none. */
    trustedProxies: z.array(TrustedProxy).max(100).default([]),
    /** Host names answered for. Needed in production; development answers for loopback names alone. */
    hosts: z.array(HostPattern).max(1_000).default([]),
    /** Ranges that get no answer but 403. */
    blockedAddresses: z.array(Cidr).max(1_000).default([]),
    /** Ranges that administrative routes answer to; `undefined` when the application puts no such rule on them. */
    adminAddresses: z.array(Cidr).max(1_000).optional(),
    /** The largest body a route takes unless it says less. */
    bodyBytes: z.int().min(1_024).max(104_857_600).default(LIMITS.bodyBytes),
    rates: RatesConfig.prefault({}),
    cors: CorsConfig.prefault({}),
    headers: HeadersConfig.prefault({}),
  })
  .readonly();
export type PerimeterConfig = z.output<typeof PerimeterConfig>;

function isNarrow(range: string): boolean {
  const slash = range.indexOf("/");
  if (slash === -1) return true;
  return Number(range.slice(slash + 1)) >= (range.includes(":") ? PROXY_PREFIX_MIN.ipv6 : PROXY_PREFIX_MIN.ipv4);
}
