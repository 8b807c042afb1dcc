import { type RouteDefinition, route } from "ringwall/adapters/fastify";
import { z } from "zod";
import { describeApi } from "../describe.ts";

/** The description of the API, itself described. Made once, when the routes are. */
export function description(others: readonly RouteDefinition[]): RouteDefinition {
  const own = route(
    "GET",
    "/v1/openapi.json",
    {
      access: "public",
      output: z.looseObject({ openapi: z.string() }),
      summary: "Describes this API as OpenAPI 3.1.",
      tag: "description",
    },
    () => document,
  );
  const document = describeApi([...others, own]);
  return own;
}
