import { z } from "zod";
import { isLoopback } from "../loopback.ts";

const FilePath = z.string().min(1).max(4_096).startsWith("/", "must be an absolute path");
const HostName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?$|^\[[0-9a-f:]+\]$/, "must be a lower-case host name without port");
/** Segments of plain characters: a prefix that could be written in two ways would be two routes to two readers. */
const PathPrefix = z
  .string()
  .max(512)
  .regex(/^\/(?:[A-Za-z0-9._~-]+\/?)*$/, "must be a path like /app")
  .refine((path) => !path.split("/").some((part) => part === "." || part === ".."), "must have no dot segments")
  .refine((path) => !path.startsWith("/.ringwall") && !path.startsWith("/.well-known/ringwall"), "is Ringwall's own");
const Method = z.enum(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
/** Socket paths are at most 107 bytes on Linux, see unix(7). */
const SOCKET_PATH_MAX = 107;
const RoleName = z.enum(["viewer", "editor", "admin", "owner"]);

/** `http://127.0.0.1:8080`, `https://app.internal`, or `unix:/run/app.sock`; never with a path, a query or a name. */
const Upstream = z
  .string()
  .min(1)
  .max(512)
  .refine(isUpstream, "must be http://loopback:port, https://host[:port] or unix:/path, and nothing after it");

/** Certificates for an upstream that is reached over TLS. */
const UpstreamTls = z.strictObject({
  /** The authority that signed the upstream's certificate; the system's own when left out. */
  caFile: FilePath.optional(),
  /** The gateway's own certificate and key: with both, the connection is mutual and carries the assertion. */
  certificateFile: FilePath.optional(),
  keyFile: FilePath.optional(),
  /** 1.2 only for upstreams that cannot do better. */
  minimum: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.3"),
});

const Route = z
  .strictObject({
    /** Names the route in logs, audit and as the audience of its assertions. */
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, "must be a name like orders-api"),
    host: HostName,
    path: PathPrefix.default("/"),
    upstream: Upstream,
    /** `ringwall`: the application runs the library behind the gateway. `plain`: it knows nothing of Ringwall. */
    mode: z.enum(["ringwall", "plain"]),
    /** Who may come here at all. There is no default: nothing is open because nobody said otherwise. */
    access: z.union([z.enum(["public", "signed-in"]), z.strictObject({ role: RoleName })]),
    /** Left out: GET, HEAD, POST, PUT and DELETE. */
    methods: z.array(Method).min(1).max(7).optional(),
    /** How long the upstream may take to begin its answer, and between two parts of it. */
    timeoutMs: z.int().min(100).max(600_000).default(30_000),
    connectionsMax: z.int().min(1).max(1_024).default(64),
    /** Hands the visitor's `Host` on. Off: the upstream sees its own name. */
    passHost: z.boolean().default(true),
    tls: UpstreamTls.optional(),
  })
  .refine((route) => (route.tls?.certificateFile === undefined) === (route.tls?.keyFile === undefined), {
    path: ["tls", "keyFile"],
    message: "certificateFile and keyFile come together",
  })
  .refine((route) => route.tls === undefined || route.upstream.startsWith("https:"), {
    path: ["tls"],
    message: "is for https upstreams",
  })
  .refine((route) => route.mode !== "ringwall" || carriesAssertion(route), {
    path: ["upstream"],
    message: "mode ringwall needs unix:/path, or https with tls.certificateFile: assertions travel over nothing else",
  });
/** One route of the gateway, checked. */
export type GatewayRoute = z.output<typeof Route>;

const Tls = z
  .strictObject({
    port: z.int().min(1).max(65_535).default(7_443),
    certificateFile: FilePath.optional(),
    keyFile: FilePath.optional(),
    /** Makes an authority and a certificate for the routes' hosts in the data directory. Development only. */
    developmentAuthority: z.boolean().default(false),
    /** 1.2 only for clients that cannot do better. */
    minimum: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.3"),
  })
  .refine((tls) => (tls.certificateFile === undefined) === (tls.keyFile === undefined), {
    path: ["keyFile"],
    message: "certificateFile and keyFile come together",
  })
  .refine((tls) => (tls.certificateFile === undefined) === tls.developmentAuthority, {
    path: ["certificateFile"],
    message: "name certificateFile and keyFile, or set developmentAuthority, not both",
  });

/**
 * The gateway's part of the configuration. Without routes it does not run.
 * @example { routes: [{ name: "bank", host: "bank.example.com", upstream: "unix:/run/bank.sock", mode: "ringwall", access: "signed-in" }] }
 */
export const GatewayConfig = z
  .strictObject({
    /**
     * The address to listen on. In plain HTTP that is loopback, or behind a proxy that `network.declaredProxy` states; with
     * `tls` and without such a proxy, TLS listens there and plain HTTP on loopback alone.
     */
    host: z.string().min(1).max(255).default("127.0.0.1"),
    port: z.int().min(1).max(65_535).default(7_480),
    /** A second listener that ends TLS itself, with HTTP/2; its files are read again when they change. */
    tls: Tls.optional(),
    /** The host of the sign-in page. Left out: that of the first route. */
    signInHost: HostName.optional(),
    assertion: z
      .strictObject({
        /** How long an application may take an assertion for good. Rule 14 allows a minute at most. */
        lifeSeconds: z.int().min(5).max(60).default(30),
        /** How long a key signs before the next one does. */
        keySeconds: z.int().min(3_600).max(31_536_000).default(2_592_000),
      })
      .prefault({}),
    routes: z.array(Route).max(200).default([]),
  })
  .superRefine(({ routes }, context) => {
    const seen = new Set<string>();
    for (const [index, route] of routes.entries()) {
      const keys: readonly (readonly [string, string])[] = [
        ["name", `name ${route.name}`],
        ["path", `place ${route.host} ${withoutSlash(route.path)}`],
      ];
      for (const [field, key] of keys) {
        if (seen.has(key))
          context.addIssue({ code: "custom", path: ["routes", index, field], message: "is there twice" });
        seen.add(key);
      }
    }
  });
export type GatewayConfig = z.output<typeof GatewayConfig>;

/** Where an upstream is reached. */
export type UpstreamPlace =
  | { readonly kind: "unix"; readonly path: string }
  | { readonly kind: "tcp"; readonly origin: string; readonly host: string; readonly tls: boolean };

/** The parts of a checked upstream. */
export function upstreamPlace(upstream: string): UpstreamPlace {
  if (upstream.startsWith("unix:")) return { kind: "unix", path: upstream.slice("unix:".length) };
  const { host, origin, protocol } = new URL(upstream);
  return { kind: "tcp", origin, host, tls: protocol === "https:" };
}

/** Rule 14: whoever reads a plain connection would hold the assertion, so it goes over a unix socket or mutual TLS. */
export function carriesAssertion(route: {
  readonly upstream: string;
  readonly tls?: { readonly certificateFile?: string | undefined } | undefined;
}): boolean {
  return route.upstream.startsWith("unix:") || route.tls?.certificateFile !== undefined;
}

function withoutSlash(path: string): string {
  return path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path;
}

function isUpstream(text: string): boolean {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length);
    return path.startsWith("/") && !path.includes("\0") && Buffer.byteLength(path) <= SOCKET_PATH_MAX;
  }
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.origin !== text && `${url.origin}/` !== text) return false;
  return url.protocol === "https:" || (url.protocol === "http:" && isLoopback(url.hostname));
}
