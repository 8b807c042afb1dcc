/**
 * The API as OpenAPI 3.1, made from the very definitions that the server registers: paths, inputs, outputs, who may come
 * and what may be refused. Nothing is written by hand, so nothing can be forgotten by hand.
 *
 * @module
 */
import type { RouteDefinition } from "ringwall/adapters/fastify";
import { ERROR_CODES, type ErrorCode } from "ringwall/core";
import { type RoutePolicy, SESSION_COOKIE } from "ringwall/pipeline";
import { z } from "zod";

type Json = Readonly<Record<string, unknown>>;

const VERSION = "0.1.0";

/** What any request may get, whatever the route. */
const ALWAYS: readonly ErrorCode[] = [
  "request.malformed",
  "request.host_unknown",
  "request.rate_limited",
  "request.headers_too_large",
  "request.uri_too_long",
  "internal",
  "database.unavailable",
];
const WITH_INPUT: readonly ErrorCode[] = ["request.invalid"];
const WITH_BODY: readonly ErrorCode[] = ["request.invalid", "request.too_large", "request.media_type"];
const WITH_CHANGE: readonly ErrorCode[] = ["request.cross_site", "request.origin_refused"];
const WITH_PERSON: readonly ErrorCode[] = ["identity.sign_in_required", "access.denied"];

/** The document for these routes. Pure: the same routes give the same text. */
export function describeApi(routes: readonly RouteDefinition[]): Json {
  const paths = new Map<string, Record<string, Json>>();
  for (const route of routes) {
    const path = route.url.replaceAll(/:([a-z_]+)/g, "{$1}");
    const operations = paths.get(path) ?? {};
    operations[route.method.toLowerCase()] = operation(route, path);
    paths.set(path, operations);
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "Ringwall",
      version: VERSION,
      description:
        "Refusals are problem documents (RFC 9457) with a stable `code` and never a reason; the reason is in the " +
        "server's log under `request_id`. Programs send the session as a bearer token; browsers hold it in a cookie.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths: Object.fromEntries([...paths].sort(([left], [right]) => (left < right ? -1 : 1))),
    components: {
      securitySchemes: {
        bearer: { type: "http", scheme: "bearer", description: "The session's token, from signing in." },
        cookie: { type: "apiKey", in: "cookie", name: SESSION_COOKIE },
        operator: {
          type: "mutualTLS",
          description:
            "Stands for what OpenAPI has no name for: the local administration socket, where the connection itself, by " +
            "the socket's file mode, is the credential.",
        },
      },
      responses: {
        Problem: {
          description: "A refusal or a failure.",
          content: { "application/problem+json": { schema: problemSchema() } },
        },
      },
    },
  };
}

function operation({ method, policy }: RouteDefinition, path: string): Json {
  const { body, output, status = output === undefined ? 204 : 200, summary, tag } = policy;
  return {
    operationId: [
      method.toLowerCase(),
      ...path.split(/[^a-z0-9]+/).filter((word) => word !== "" && word !== "v1"),
    ].join("_"),
    summary,
    ...(tag === undefined ? {} : { tags: [tag] }),
    security: security(policy),
    ...accessNote(policy),
    ...parameters(policy),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: schema(body, "input") } } } }),
    responses: {
      [status]: {
        description: "Done.",
        ...(output === undefined ? {} : { content: { [mediaType(output)]: { schema: schema(output, "output") } } }),
      },
      ...problems(policy, method),
    },
  };
}

/** A bare text is sent as it is; everything else is JSON. */
function mediaType(output: z.ZodType): string {
  return output instanceof z.ZodString ? "text/plain" : "application/json";
}

function security({ access }: RoutePolicy): readonly Json[] {
  const person = [{ bearer: [] }, { cookie: [] }];
  if (access === "public") return [];
  if (access === "operator") return [{ operator: [] }];
  const local = access === "principalOrOperator" || (typeof access === "object" && access.orOperator === true);
  return local ? [...person, { operator: [] }] : person;
}

function accessNote({ access, stepUpSeconds }: RoutePolicy): { description?: string } {
  const needs = [
    ...(typeof access === "object" ? [`the permission \`${access.permission}\``] : []),
    ...(stepUpSeconds === undefined ? [] : [`a second factor given within ${stepUpSeconds} seconds`]),
  ];
  return needs.length === 0 ? {} : { description: `Needs ${needs.join(" and ")}.` };
}

function parameters({ params, query }: RoutePolicy): { parameters?: readonly Json[] } {
  const all = [...fields(params, "path"), ...fields(query, "query")];
  return all.length === 0 ? {} : { parameters: all };
}

function fields(source: z.ZodType | undefined, place: "path" | "query"): readonly Json[] {
  if (source === undefined) return [];
  const { properties, required } = z
    .object({ properties: z.record(z.string(), z.unknown()), required: z.array(z.string()).default([]) })
    .parse(schema(source, "input"));
  return Object.entries(properties).map(([name, form]) => ({
    name,
    in: place,
    required: required.includes(name),
    schema: form,
  }));
}

function problems(policy: RoutePolicy, method: string): Readonly<Record<string, Json>> {
  const { access, body, params, query, stepUpSeconds } = policy;
  const codes = new Set<ErrorCode>([
    ...ALWAYS,
    ...(query === undefined && params === undefined ? [] : WITH_INPUT),
    ...(body === undefined ? [] : WITH_BODY),
    ...(params === undefined && access !== "operator" ? [] : (["resource.not_found"] as const)),
    ...(method === "GET" ? [] : WITH_CHANGE),
    ...(access === "public" || access === "operator" ? [] : WITH_PERSON),
    ...(stepUpSeconds === undefined ? [] : (["access.step_up_required"] as const)),
    ...(policy.problems ?? []),
  ]);
  const byStatus = Map.groupBy([...codes].sort(), (code) => ERROR_CODES[code].status);
  return Object.fromEntries(
    [...byStatus].map(([status, list]) => [
      String(status),
      { $ref: "#/components/responses/Problem", description: list.map((code) => `\`${code}\``).join(", ") },
    ]),
  );
}

function problemSchema(): Json {
  return schema(
    z.strictObject({
      type: z.string(),
      title: z.string(),
      status: z.int(),
      code: z.string().describe("Stable; the reference lists them all."),
      request_id: z.string(),
      fields: z
        .array(z.string())
        .optional()
        .describe("Which parts of the input did not fit; with `request.invalid` alone."),
    }),
    "output",
  );
}

function schema(source: z.ZodType, io: "input" | "output"): Json {
  const made = z.toJSONSchema(source, {
    io,
    unrepresentable: "any",
    override: ({ jsonSchema }) => tidyNumbers(jsonSchema),
  });
  const { $schema: _, ...rest } = made;
  return rest;
}

/** The bounds of a safe integer are JavaScript's, not ours, and say nothing to a reader. */
function tidyNumbers(json: { minimum?: number; maximum?: number }): void {
  if (json.minimum === Number.MIN_SAFE_INTEGER) delete json.minimum;
  if (json.maximum === Number.MAX_SAFE_INTEGER) delete json.maximum;
}
