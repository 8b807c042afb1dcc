import { RingwallError } from "ringwall/core";
import { carriesAssertion, type GatewayRoute } from "ringwall/network";
import type { RoutePolicy } from "ringwall/pipeline";

const METHODS: readonly string[] = ["GET", "HEAD", "POST", "PUT", "DELETE"];
/** A path that is still encoded after this many readings hides something. */
const DECODINGS_MAX = 3;

/** What readers of paths disagree about: encodings, parameters, case, empty and dot segments. */
const AMBIGUOUS = /[^a-z0-9/_.~-]|\/[/.]/;

/** One route, ready for requests. */
export interface Route {
  readonly settings: GatewayRoute;
  readonly policy: RoutePolicy;
  readonly methods: ReadonlySet<string>;
  readonly carriesAssertion: boolean;
}

/** Finds the route of a request. */
export interface RouteTable {
  readonly hosts: ReadonlySet<string>;
  readonly routes: readonly Route[];
  /**
   * The route with the longest prefix, on borders of segments. Undefined when there is none.
   * @throws RingwallError `request.malformed` when another reader could find another route in the same path
   */
  find(host: string, target: string): Route | undefined;
}

/** Compiles the routes of the configuration. */
export function routeTable(settings: readonly GatewayRoute[]): RouteTable {
  const byHost = new Map<string, Route[]>();
  const routes = settings.map((one) => {
    const route = compile(one);
    byHost.set(one.host, [...(byHost.get(one.host) ?? []), route]);
    return route;
  });
  for (const list of byHost.values()) list.sort((left, right) => prefixOf(right).length - prefixOf(left).length);
  return {
    hosts: new Set(byHost.keys()),
    routes,
    find(host, target) {
      const list = byHost.get(host);
      if (list === undefined) return undefined;
      const query = target.indexOf("?");
      const path = query === -1 ? target : target.slice(0, query);
      const found = longest(list, path);
      // A host with one route for everything leaves nothing to disagree about.
      if (list.length === 1 && found !== undefined && prefixOf(found) === "") return found;
      // Nor does a path that every reader has in one form.
      if (!AMBIGUOUS.test(path)) return found;
      if (longest(list, plainest(path)) !== found || longestOfAnyCase(list, plainest(path)) !== found) {
        throw new RingwallError("request.malformed", { detail: { reason: "path_of_two_routes" } });
      }
      return found;
    },
  };
}

function compile(settings: GatewayRoute): Route {
  const { access, mode } = settings;
  const open = mode === "ringwall" ? "publicOrPrincipal" : "public";
  return {
    settings,
    policy: {
      access: access === "public" ? open : "principal",
      summary: `The route ${settings.name}.`,
      auditRefusals: access !== "public",
    },
    methods: new Set<string>(settings.methods ?? METHODS),
    carriesAssertion: carriesAssertion(settings),
  };
}

function prefixOf({ settings: { path } }: Route): string {
  return path.endsWith("/") ? path.slice(0, -1) : path;
}

function longest(routes: readonly Route[], path: string): Route | undefined {
  return routes.find((route) => isBelow(path, prefixOf(route)));
}

/** Some servers do not tell upper from lower case; a prefix that they would see is one that we see. */
function longestOfAnyCase(routes: readonly Route[], path: string): Route | undefined {
  const lower = path.toLowerCase();
  return routes.find((route) => isBelow(lower, prefixOf(route).toLowerCase()));
}

function isBelow(path: string, prefix: string): boolean {
  if (!path.startsWith(prefix)) return false;
  return path.length === prefix.length || path.charCodeAt(prefix.length) === 0x2f || prefix === "";
}

/**
 * The path as the most forgiving reader has it: decoded as often as it can be, without parameters of segments
 * (`/admin;x=1`), with single slashes and without dot segments.
 * @throws RingwallError `request.malformed` for what does not come to an end
 */
function plainest(path: string): string {
  let plain = path;
  for (let times = 0; plain.includes("%"); times += 1) {
    const decoded = decode(plain);
    if (decoded === undefined || times >= DECODINGS_MAX) {
      throw new RingwallError("request.malformed", { detail: { reason: "path_encoding" } });
    }
    plain = decoded;
  }
  // Wide and other forms of a letter are the letter to readers that normalise; NUL, `?` and `#` end what others read.
  const [read = ""] = plain.normalize("NFKC").split(/[\0?#]/, 1);
  const segments = read
    .replaceAll("\\", "/")
    .split("/")
    .map((segment) => segment.split(";", 1)[0] ?? "");
  const kept: string[] = [];
  for (const segment of segments) {
    if (segment === "..") kept.pop();
    else if (segment !== "" && segment !== ".") kept.push(segment.trim());
  }
  return `/${kept.join("/")}`;
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
