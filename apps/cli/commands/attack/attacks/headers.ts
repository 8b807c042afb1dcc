import { z } from "zod";
import type { Attack } from "../attack.ts";
import { type Answer, member, portOf } from "../http.ts";
import type { Stage } from "../stage.ts";

const ALWAYS: Readonly<Record<string, RegExp>> = {
  "x-content-type-options": /^nosniff$/,
  "x-frame-options": /^DENY$/,
  "referrer-policy": /^(?:strict-origin-when-cross-origin|no-referrer)$/,
  "permissions-policy": /camera=\(\)/,
  "x-xss-protection": /^0$/,
  "cross-origin-opener-policy": /^same-origin$/,
  "cross-origin-resource-policy": /^same-origin$/,
  "content-security-policy": /default-src 'none'.*frame-ancestors 'none'/,
  "cache-control": /no-store/,
};

/** The fields of answers, on refusals above all, and what a visitor may write into them. */
export const headerAttacks: readonly Attack[] = [
  {
    id: "bare-refusals",
    title: "Refusals go out without the security fields that answers have",
    flaws: [49, 51],
    layer: 1,
    expected: { status: 404, code: "resource.not_found" },
    differs: "a path that exists",
    target: "api",
    async scene(stage) {
      return await Promise.resolve({
        twin: { method: "GET", path: "/healthz" },
        attack: { method: "GET", path: "/nowhere" },
        async holds(answers) {
          const others = await Promise.all([
            stage.send({ method: "GET", path: "/healthz" }),
            stage.send({ method: "GET", path: "/v1/session" }),
            stage.send({ method: "POST", path: "/v1/sign-in", body: {} }),
            stage.send({ method: "POST", path: "/v1/sign-in", bytes: Buffer.from("{") }),
            stage.send({ method: "TRACE", path: "/v1/session" }),
            stage.send({ method: "GET", path: "/healthz", headers: { host: "evil.example" } }),
            stage.send({ method: "GET", path: `/${"a".repeat(9_000)}` }),
          ]);
          return lackingFields([...answers, ...others]);
        },
      });
    },
  },
  {
    id: "bare-refusal-by-the-router",
    title: "An address that cannot be decoded is refused before the security fields are put on",
    flaws: [51],
    layer: 1,
    expected: { status: 400, code: "request.malformed" },
    differs: "the path",
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      return await Promise.resolve({
        twin: { method: "GET", path: "/v1/session", session },
        attack: { method: "GET", path: "/v1/%zz", session },
        holds: (answers) => lackingFields(answers),
      });
    },
  },
  {
    id: "bare-answers-to-garbage",
    title: "Bytes that are no HTTP are answered without the security fields",
    flaws: [51],
    layer: 1,
    expected: { status: 400, code: "request.malformed" },
    differs: "the bytes",
    target: "api",
    async scene(stage) {
      const host = `localhost:${portOf(stage.place, "api")}`;
      return await Promise.resolve({
        twin: async () => await stage.raw(`GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
        attack: async () => [
          await stage.raw("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"),
          await stage.raw("HELO example.com\r\n\r\n"),
        ],
        holds: (answers) => lackingFields(answers),
      });
    },
  },
  {
    id: "unsafe-policies",
    title: "The content policy allows inline styles or scripts, or names an origin of one machine",
    flaws: [50],
    layer: 1,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the session",
    target: "api",
    async scene(stage) {
      const ask = { method: "GET", path: "/v1/session" };
      return await Promise.resolve({
        twin: { ...ask, session: stage.a.owner.session },
        attack: ask,
        holds([answer]) {
          const policy = answer?.headers["content-security-policy"] ?? "";
          if (policy === "") return "there is no policy";
          if (/unsafe-|\*|https?:/.test(policy)) return `the policy is ${policy}`;
          return answer?.headers["server"] === undefined ? undefined : "the answer names its server";
        },
      });
    },
  },
  {
    id: "hsts-over-http",
    title: "Over plain HTTP a visitor's own field brings a year of HSTS",
    flaws: [68],
    layer: 1,
    expected: { status: 200, code: "-" },
    differs: "the forged field",
    target: "api",
    async scene() {
      return await Promise.resolve({
        twin: { method: "GET", path: "/healthz" },
        attack: { method: "GET", path: "/healthz", headers: { "x-forwarded-proto": "https" } },
        holds: ([answer]) =>
          answer?.headers["strict-transport-security"] === undefined ? undefined : "HSTS was sent over plain HTTP",
      });
    },
  },
  {
    id: "forged-request-id",
    title: "A visitor chooses the id under which the server files the request",
    flaws: [32],
    layer: 1,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the session",
    target: "api",
    async scene(stage) {
      const { session } = await stage.a.person("viewer");
      const forged = "01890000-0000-7000-8000-00000badf00d";
      const ask = { method: "GET", path: "/v1/session", headers: { "x-request-id": forged } };
      return {
        twin: { ...ask, session },
        attack: ask,
        holds([answer]) {
          const shown = [answer?.headers["x-request-id"], answer === undefined ? "" : member(answer, "request_id")];
          if (shown.includes(forged)) return "the answer carries the visitor's id";
          return shown[0] === shown[1] ? undefined : "header and body name two ids";
        },
      };
    },
  },
  {
    id: "open-routes",
    title: "Some route forgot to ask who comes",
    flaws: [45],
    layer: 3,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the session",
    differsIn: ["session", "method", "path"],
    target: "api",
    async scene(stage) {
      const routes = await guardedRoutes(stage);
      return {
        twin: { method: "GET", path: "/v1/session", session: stage.a.owner.session },
        attack: async () => {
          const answers: Answer[] = [];
          for (const { method, path } of routes) answers.push(await stage.send({ method, path }));
          return answers;
        },
      };
    },
  },
  {
    id: "socket-routes-from-the-network",
    title: "Whoever comes over the network makes the link for the first administrator",
    flaws: [45],
    layer: 3,
    expected: { status: 404, code: "resource.not_found" },
    differs: "the route",
    differsIn: ["method", "path"],
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      return await Promise.resolve({
        twin: { method: "GET", path: "/v1/session", session },
        attack: { method: "POST", path: "/v1/bootstrap/links", session },
      });
    },
  },
];

/** What the answers lack of the fields that each must have. */
function lackingFields(answers: readonly Answer[]): string | undefined {
  const lacking = answers.flatMap((answer) =>
    Object.entries(ALWAYS)
      .filter(([name, form]) => !form.test(answer.headers[name] ?? ""))
      .map(([name]) => `${name} (${answer.status})`),
  );
  return lacking.length === 0 ? undefined : `answers lack ${[...new Set(lacking)].join(", ")}`;
}

interface GuardedRoute {
  readonly method: string;
  readonly path: string;
}

const ANY_ID = "01890000-0000-7000-8000-000000000000";
/** Open to all, because they are how somebody comes in or how a balancer looks. */
const PUBLIC = /^\/(?:healthz|readyz)$|^\/v1\/(?:sign-in|bootstrap|openapi|invitations\/accept|recover)/;
const KNOWN: readonly GuardedRoute[] = [
  { method: "GET", path: "/v1/session" },
  { method: "DELETE", path: "/v1/session" },
  { method: "POST", path: "/v1/session/step-up" },
  { method: "GET", path: "/v1/sessions" },
  { method: "DELETE", path: `/v1/sessions/${ANY_ID}` },
  { method: "POST", path: "/v1/tenants" },
  { method: "POST", path: "/v1/tenants/example/owner-invitations" },
  { method: "POST", path: "/v1/tenants/example/suspend" },
  { method: "POST", path: "/v1/tenants/example/resume" },
  { method: "POST", path: "/v1/invitations" },
  { method: "GET", path: "/v1/users" },
  { method: "PUT", path: `/v1/users/${ANY_ID}/role` },
  { method: "POST", path: `/v1/users/${ANY_ID}/disable` },
  { method: "POST", path: `/v1/users/${ANY_ID}/enable` },
  { method: "GET", path: "/v1/secrets" },
  { method: "GET", path: "/v1/audit-events" },
];

/** Every route that the server's own description names and that is not open to all; a list of ours besides. */
const OnlyOperator = z.object({ security: z.tuple([z.strictObject({ operator: z.array(z.unknown()) })]) });

async function guardedRoutes(stage: Stage): Promise<readonly GuardedRoute[]> {
  const description = await stage.send({ method: "GET", path: "/v1/openapi.json" });
  const paths: unknown = description.status === 200 ? member(description, "paths") : undefined;
  const described = Object.entries(typeof paths === "object" && paths !== null ? paths : {}).flatMap(
    ([path, methods]) =>
      Object.entries(typeof methods === "object" && methods !== null ? methods : {})
        .filter(([method, operation]) => /^(?:get|post|put|delete)$/.test(method) && !isForSocketAlone(operation))
        .map(([method]) => ({ method: method.toUpperCase(), path: path.replaceAll(/\{[^}]*\}/g, ANY_ID) })),
  );
  return [...KNOWN, ...described].filter(({ path }) => !PUBLIC.test(path));
}

/** Over the network such a route is not there at all, whoever asks; `socket-routes-from-the-network` tries one. */
function isForSocketAlone(operation: unknown): boolean {
  return OnlyOperator.safeParse(operation).success;
}
