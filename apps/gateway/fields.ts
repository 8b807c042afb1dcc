import { isIP } from "node:net";

/** RFC 9110, section 7.6.1: between two neighbours only. `Connection` may name more. */
const HOP_BY_HOP: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
]);
/** What an application could take for the word of a proxy it trusts: who somebody is, where they are, what they asked. */
const SPOKEN_FOR: ReadonlySet<string> = new Set([
  "forwarded",
  "via",
  "true-client-ip",
  "client-ip",
  "remote-user",
  "remote-email",
  "remote-groups",
  "remote-name",
  "from-user",
  "authenticated-user",
  "ssl-client-cert",
  "client-cert",
  "client-cert-chain",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-originating-ip",
  "x-original-url",
  "x-original-uri",
  "x-original-method",
  "x-original-host",
  "x-rewrite-url",
  "x-host",
  "x-method-override",
  "x-http-method",
  "x-http-method-override",
  "x-user",
  "x-user-id",
  "x-username",
  "x-email",
  "x-groups",
  "x-roles",
  "x-role",
  "x-tenant",
  "x-tenant-id",
  "x-request-id",
]);
const SPOKEN_FOR_PREFIXES = [
  "x-ringwall-",
  "x-forwarded-",
  "x-auth-",
  "x-authenticated-",
  "x-remote-",
  "x-webauth-",
  "x-goog-",
  "x-amzn-",
  "x-ms-client-principal",
  "x-pomerium-",
  "x-authentik-",
  "x-vouch-",
  "x-ssl-",
  "x-client-cert",
  "ssl-client-",
  "cf-access-",
  "cf-connecting-ip",
  "tailscale-user-",
] as const;
/** Ours in every spelling: a session, a login that waits for its code, an invitation. */
const TOKEN = /(?:^|[^A-Za-z0-9_-])rw[slk]_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])/;
const OWN_COOKIE = /^(?:__Host-|__Secure-)?rw_/i;

/** True when a text holds one of Ringwall's own tokens. */
export function holdsToken(text: string): boolean {
  return text.includes("rw") && TOKEN.test(text);
}

/**
 * What the gateway says of itself, whatever a visitor wrote. Names compare without case; a name with an underscore is
 * dropped whole, since many servers read it as a dash, and two spellings of one field are two fields to a check.
 */
export function isSpokenFor(name: string): boolean {
  if (name.includes("_")) return true;
  return SPOKEN_FOR.has(name) || SPOKEN_FOR_PREFIXES.some((prefix) => name.startsWith(prefix));
}

/** What the upstream is told beside the visitor's own fields. */
export interface Told {
  /** `Host` for the upstream. */
  readonly host: string;
  readonly requestId: string;
  /** The visitor's address and what they asked for; left out where an assertion says it. */
  readonly forwarded: { readonly address: string; readonly https: boolean; readonly host: string } | undefined;
  readonly assertion: string | undefined;
  /** Whether a credential that is not Ringwall's may go on: on plain routes that ask for none. */
  readonly foreignCredential: boolean;
}

/**
 * The request's fields as the upstream gets them, flat: without what belongs to the connection, without every name that
 * speaks for a proxy, without Ringwall's cookies and tokens; then what the gateway itself says.
 * @param raw - Names and values in turn, as they came.
 */
export function requestFields(raw: readonly string[], told: Told): string[] {
  const out = ["host", told.host, "x-request-id", told.requestId];
  const dropped = namedByConnection(raw);
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    const value = raw[index + 1] ?? "";
    // Pseudo fields of HTTP/2 begin with a colon; Host and Expect are said anew or answered here.
    if (name === "host" || name === "expect" || name.charCodeAt(0) === COLON) continue;
    if (HOP_BY_HOP.has(name) || dropped?.has(name) === true || isSpokenFor(name)) continue;
    if (name === "cookie") {
      const kept = foreignCookies(value);
      if (kept !== "") out.push(name, kept);
    } else if (name === "authorization") {
      if (told.foreignCredential && !holdsToken(value)) out.push(name, value);
    } else out.push(name, value);
  }
  if (told.forwarded !== undefined) {
    const { address, host, https } = told.forwarded;
    if (isIP(address) !== 0) out.push("x-forwarded-for", address);
    out.push("x-forwarded-proto", https ? "https" : "http", "x-forwarded-host", host);
  }
  if (told.assertion !== undefined) out.push("x-ringwall-assertion", told.assertion);
  return out;
}

const COLON = 0x3a;

function namedByConnection(raw: readonly string[]): ReadonlySet<string> | undefined {
  let names: Set<string> | undefined;
  for (let index = 0; index + 1 < raw.length; index += 2) {
    if ((raw[index] ?? "").length !== 10 || (raw[index] ?? "").toLowerCase() !== "connection") continue;
    const found = namedIn(raw[index + 1] ?? "");
    if (found !== undefined) names = new Set([...(names ?? []), ...found]);
  }
  return names;
}

/** The cookies that are not Ringwall's, by name and by value. */
export function foreignCookies(header: string): string {
  // Nearly every value has neither: looked for before anything is split.
  if (!header.includes("rw_") && !header.includes("rws_") && !/rw[lk]_/.test(header)) return header;
  return header
    .split(";")
    .map((pair) => pair.trim())
    .filter((pair) => pair !== "" && !OWN_COOKIE.test(pair) && !holdsToken(pair))
    .join("; ");
}

/** What an upstream's `Set-Cookie` is to the gateway. */
export type UpstreamCookie =
  | { readonly kind: "pass" }
  /** Names itself like one of ours: an upstream plants nothing in our place. */
  | { readonly kind: "drop" }
  /** The library behind the gateway opened, replaced or ended a session. */
  | { readonly kind: "session"; readonly token: string }
  | { readonly kind: "ended" };

const SESSION_TOKEN = /^rws_[A-Za-z0-9_-]{43}$/;

/** @param trusted - The upstream runs the library, and is reached over what carries assertions. */
export function readUpstreamCookie(setCookie: string, trusted: boolean): UpstreamCookie {
  const end = setCookie.indexOf(";");
  const pair = end === -1 ? setCookie : setCookie.slice(0, end);
  const equals = pair.indexOf("=");
  const name = pair.slice(0, Math.max(equals, 0)).trim();
  const value = pair.slice(equals + 1).trim();
  // A browser keeps `=x=y` as a cookie without a name, and some send it back as `x=y`: what stands there then counts.
  const sentBack = name === "" ? value : name;
  if (trusted && SESSION_TOKEN.test(value)) return { kind: "session", token: value };
  if (trusted && value === "" && /^__Host-[a-z]+_session$/.test(name)) return { kind: "ended" };
  return OWN_COOKIE.test(sentBack) || holdsToken(pair) ? { kind: "drop" } : { kind: "pass" };
}

/**
 * What an upstream may not say of the host: where else it answers (a browser would go there, past the gateway), that every
 * cookie of the domain is to be thrown away (the other hosts' too), and whether it is for TLS alone. And what tells versions.
 */
const NOT_THE_UPSTREAMS: ReadonlySet<string> = new Set([
  "alt-svc",
  "clear-site-data",
  "strict-transport-security",
  "server",
  "x-powered-by",
  "x-request-id",
]);

/** Fields of an answer that go no further: the connection's own, ours, and what is not the upstream's to say. */
export function isDroppedFromAnswer(name: string): boolean {
  return HOP_BY_HOP.has(name) || NOT_THE_UPSTREAMS.has(name) || name.startsWith("x-ringwall-");
}

/** The fields that a `Connection` field names, in lower case; undefined when there are none. */
export function namedIn(connection: string): ReadonlySet<string> | undefined {
  if (connection === "keep-alive" || connection === "close") return undefined;
  return new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}

/**
 * `Cache-Control` of an answer to somebody who is signed in: a shared cache before the gateway would hand it to anybody,
 * and an application that knows nothing of sessions cannot know that.
 */
export function privately(cacheControl: string): string {
  const said = cacheControl.split(",").map((one) => one.trim());
  const kept = said.filter((one) => one !== "" && !SHARED.test(one));
  return kept.some((one) => PRIVATE.test(one)) ? kept.join(", ") : ["private", ...kept].join(", ");
}

/** What tells caches how long to keep an answer; the last two go before `Cache-Control` (RFC 9213). */
export function isForCaches(name: string): boolean {
  return name === "cache-control" || name === "surrogate-control" || name.endsWith("cdn-cache-control");
}

const SHARED = /^(?:public|s-maxage|proxy-revalidate|private=|no-cache=)/i;
const PRIVATE = /^(?:private|no-store)$/i;

/** The header as an HTTP/1.1 reader has it: `:authority` as `Host`, the crumbs of `Cookie` as one field. */
export function fieldsOfHttp2(raw: readonly string[]): string[] {
  const out: string[] = [];
  const cookies: string[] = [];
  for (let index = 0; index + 1 < raw.length; index += 2) {
    const name = (raw[index] ?? "").toLowerCase();
    const value = raw[index + 1] ?? "";
    // RFC 9113, section 8.3.1: where both are there and differ, Host is there twice and the perimeter refuses that.
    if (name === ":authority") out.push("host", value);
    else if (name === "cookie") cookies.push(value);
    else if (name.charCodeAt(0) !== COLON && !(name === "host" && authorityOf(raw) === value)) out.push(name, value);
  }
  if (cookies.length > 0) out.push("cookie", cookies.join("; "));
  return out;
}

function authorityOf(raw: readonly string[]): string | undefined {
  const at = raw.indexOf(":authority");
  return at === -1 ? undefined : raw[at + 1];
}
