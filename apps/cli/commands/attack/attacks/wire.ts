import type { Attack } from "../attack.ts";
import { type Answer, portOf } from "../http.ts";

const MALFORMED = { status: 400, code: "request.malformed" } as const;
const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;

/** Requests whose very form is the attack: framing, hosts, targets, methods, sizes. */
export const wireAttacks: readonly Attack[] = [
  {
    id: "request-smuggling",
    title: "A request ends in two places, depending on who reads it",
    flaws: [48],
    layer: 1,
    expected: MALFORMED,
    differs: "the framing",
    target: "api",
    async scene(stage) {
      const host = `localhost:${portOf(stage.place, "api")}`;
      const head = (lines: readonly string[], body = "", start = "POST /v1/sign-in"): string =>
        [`${start} HTTP/1.1`, `Host: ${host}`, ...lines, "", body].join("\r\n");
      const json = "Content-Type: application/json";
      const bad = [
        head([json, "Content-Length: 5", "Transfer-Encoding: chunked"], "0\r\n\r\n"),
        head([json, "Transfer-Encoding: xchunked", "Content-Length: 2"], "{}"),
        head([json, "Content-Length: 2", "Content-Length: 3"], "{} "),
        head([json, "Content-Length: +2"], "{}"),
        head(
          [json, "Content-Length: 2 "].map((line) => line.replace(":", " :")),
          "{}",
        ),
        head([json, "Transfer-Encoding: chunked"], "2;\nxx\r\n{}\r\n0\r\n\r\n"),
        head(["X: y\r\n folded: z"], "", "GET /healthz"),
        head(["Content-Length: 2"], "{}", "GET /healthz"),
        `GET /healthz HTTP/1.1\nHost: ${host}\n\n`,
      ];
      return await Promise.resolve({
        twin: async () => await stage.raw(head([], "", "GET /healthz")),
        attack: async () => await Promise.all(bad.map((bytes) => stage.raw(bytes))),
      });
    },
  },
  {
    id: "two-hosts",
    title: "A request names two hosts, or two of another field that stands once",
    flaws: [],
    layer: 1,
    expected: MALFORMED,
    differs: "the second field",
    target: "api",
    async scene(stage) {
      const host = `localhost:${portOf(stage.place, "api")}`;
      const get = async (...lines: readonly string[]): Promise<Answer> =>
        await stage.raw(["GET /healthz HTTP/1.1", `Host: ${host}`, ...lines, "", ""].join("\r\n"));
      return await Promise.resolve({
        twin: async () => await get("Accept: */*"),
        attack: async () =>
          await Promise.all([
            get("Host: other.example"),
            get(`Host: ${host}`),
            get("Cookie: a=b", "Cookie: __Host-rw_session=x"),
            get("Authorization: Bearer x", "Authorization: Bearer y"),
            get(`Origin: http://${host}`, "Origin: https://evil.example"),
          ]),
      });
    },
  },
  {
    id: "foreign-host",
    title: "A page elsewhere reaches the server under a host name of its own",
    flaws: [],
    layer: 1,
    expected: { status: 421, code: "request.host_unknown" },
    differs: "the field Host",
    target: "api",
    async scene(stage) {
      const get = async (host: string): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/healthz", headers: { host } });
      const port = portOf(stage.place, "api");
      const foreign = ["evil.example", `localhost.evil.example:${port}`, "127.0.0.1.evil.example", "10.0.0.1"];
      return await Promise.resolve({
        twin: async () => await get(`localhost:${port}`),
        attack: async () => await Promise.all(foreign.map((host) => get(host))),
      });
    },
  },
  {
    id: "ambiguous-paths",
    title: "A path is spelled so that one reader sees another path",
    flaws: [40],
    layer: 1,
    expected: MALFORMED,
    differs: "the path",
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      const get = async (path: string): Promise<Answer> => await stage.send({ method: "GET", path, session });
      const paths = [
        "//v1/session",
        "/\\v1/session",
        "/v1\\session",
        "/v1/./session",
        "/v1/../v1/session",
        "/v1/%2e%2e/v1/session",
        "/v1/%2E/session",
        "/v1%2fsession",
        "/v1%5csession",
        "/v1/session%00",
        "/v1/session%0",
        "http://localhost/v1/session",
        "/v1/session#x",
      ];
      return await Promise.resolve({
        twin: async () => await get("/v1/session"),
        attack: async () => await Promise.all(paths.map((path) => get(path))),
      });
    },
  },
  {
    id: "near-paths",
    title: "A path that is nearly right reaches the same route past a rule on its spelling",
    flaws: [],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the path",
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      const get = async (path: string): Promise<Answer> => await stage.send({ method: "GET", path, session });
      const paths = [
        "/v1/session/",
        "/V1/session",
        "/v1/Session",
        "/v1/session.",
        "/v1/session;x=1",
        "/v1/session.json",
      ];
      return await Promise.resolve({
        twin: async () => await get("/v1/session"),
        attack: async () => await Promise.all([...paths, "/v1//session", "/v1/session%20"].map((path) => get(path))),
      });
    },
  },
  {
    id: "unusual-methods",
    title: "TRACE, CONNECT's kin and made-up methods are answered",
    flaws: [],
    layer: 1,
    expected: { status: 405, code: "request.method_not_allowed" },
    differs: "the method",
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      const ask = async (method: string): Promise<Answer> => await stage.send({ method, path: "/v1/session", session });
      return await Promise.resolve({
        twin: async () => await ask("GET"),
        attack: async () => await Promise.all(["TRACE", "PATCH", "PROPFIND", "PURGE", "LINK"].map((each) => ask(each))),
      });
    },
  },
  {
    id: "head-request",
    title: "HEAD is answered by a route that was written and checked for GET",
    flaws: [],
    layer: 3,
    // An answer to HEAD has no body, hence no code.
    expected: { status: 404, code: "-" },
    differs: "the method",
    target: "api",
    async scene({ a }) {
      const ask = (method: string) => ({ method, path: "/v1/session", session: a.owner.session });
      return await Promise.resolve({ twin: ask("GET"), attack: ask("HEAD") });
    },
  },
  {
    id: "method-override",
    title: "A field turns a harmless method into another one",
    flaws: [],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the method",
    target: "api",
    async scene(stage) {
      const { session } = await stage.a.person("viewer");
      const headers = { "x-http-method-override": "DELETE", "x-method-override": "DELETE", "x-http-method": "DELETE" };
      const ask = async (method: string): Promise<Answer> =>
        await stage.send({ method, path: "/v1/session", session, headers });
      return {
        twin: async () => await ask("GET"),
        attack: async () => await ask("POST"),
        async holds() {
          const alive = await stage.send({ method: "GET", path: "/v1/session", session });
          return alive.status === 200 ? undefined : "the session was ended";
        },
      };
    },
  },
  {
    id: "oversized-header",
    title: "A header of many or huge fields fills the server's memory",
    flaws: [48],
    layer: 1,
    expected: { status: 431, code: "request.headers_too_large" },
    differs: "the header's size",
    target: "api",
    async scene(stage) {
      const host = `localhost:${portOf(stage.place, "api")}`;
      const get = async (...lines: readonly string[]): Promise<Answer> =>
        await stage.raw(["GET /healthz HTTP/1.1", `Host: ${host}`, ...lines, "", ""].join("\r\n"));
      return await Promise.resolve({
        twin: async () => await get(`X-Large: ${"y".repeat(1_000)}`),
        attack: async () => [
          await get(`X-Large: ${"y".repeat(16_400)}`),
          await get(`Cookie: a=${"y".repeat(40_000)}`),
          await get(...Array.from({ length: 150 }, (_, index) => `X-${index}: y`)),
        ],
      });
    },
  },
  {
    id: "oversized-target",
    title: "An address longer than any link of ours",
    flaws: [48],
    layer: 1,
    expected: { status: 414, code: "request.uri_too_long" },
    differs: "the address's length",
    target: "api",
    async scene(stage) {
      const { session, user } = stage.a.owner;
      const get = async (path: string): Promise<Answer> => await stage.send({ method: "GET", path, session });
      return await Promise.resolve({
        twin: async () => await get(`/v1/users?after=${user}`),
        attack: async () => [
          await get(`/v1/users?after=${user}${"0".repeat(8_000)}`),
          await get(`/v1/sessions/${"a".repeat(9_000)}`),
        ],
      });
    },
  },
];
