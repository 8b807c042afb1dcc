import { readFileSync } from "node:fs";
import { ERROR_CODES } from "ringwall/core";
import { expect, test } from "vitest";
import { z } from "zod";
import { describeApi } from "./describe.ts";
import { allRoutes } from "./routes/index.ts";

const ROUTES = allRoutes(() => {
  throw new TypeError("a description runs no handler");
});

const Operation = z.object({
  operationId: z.string(),
  summary: z.string(),
  tags: z.array(z.string()).length(1),
  security: z.array(z.record(z.string(), z.array(z.never()))),
  parameters: z.array(z.object({ name: z.string(), in: z.enum(["path", "query"]), required: z.boolean() })).default([]),
  responses: z.record(z.string(), z.object({ description: z.string() })),
});
const Document = z.object({
  openapi: z.literal("3.1.0"),
  paths: z.record(z.string(), z.record(z.enum(["get", "post", "put", "patch", "delete"]), Operation.optional())),
  components: z.object({ securitySchemes: z.record(z.string(), z.unknown()) }),
});

const described = describeApi(ROUTES);
const document = Document.parse(described);
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).flatMap(([method, operation]) =>
    operation === undefined ? [] : [{ path, method, operation }],
  ),
);

test("holds every route once, and the committed document is what the routes say", () => {
  expect(operations).toHaveLength(ROUTES.length);
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(ROUTES.length);
  expect(JSON.parse(readFileSync(new URL("openapi.json", import.meta.url), "utf8"))).toEqual(described);
});

test("declares every part of a path, and follows no reference into nothing", () => {
  for (const { operation, path } of operations) {
    const inPath = [...path.matchAll(/\{([a-z_]+)\}/g)].map((match) => match[1]);
    const declared = operation.parameters.filter((one) => one.in === "path");
    expect(declared.map(({ name }) => name)).toEqual(inPath);
    expect(declared.every(({ required }) => required)).toBe(true);
  }
  const text = JSON.stringify(described);
  for (const [, name = ""] of text.matchAll(/"\$ref":"#\/components\/responses\/(\w+)"/g)) expect(name).toBe("Problem");
  expect(text).not.toContain("#/definitions/");
});

test("says of every route who may come, and what a refusal can be", () => {
  const open = operations.filter(({ operation }) => operation.security.length === 0).map(({ path }) => path);
  expect(open.sort()).toEqual([
    "/healthz",
    "/readyz",
    "/v1/bootstrap",
    "/v1/invitations/accept",
    "/v1/openapi.json",
    "/v1/recoveries",
    "/v1/sign-in",
    "/v1/sign-in/code",
    "/v1/sign-in/enrolment",
    "/v1/sign-in/enrolment/confirm",
  ]);
  for (const { operation } of operations) {
    for (const scheme of operation.security.flatMap((one) => Object.keys(one))) {
      expect(Object.keys(document.components.securitySchemes)).toContain(scheme);
    }
    for (const [status, { description }] of Object.entries(operation.responses)) {
      if (Number(status) < 400) continue;
      const codes = [...description.matchAll(/`([a-z_.]+)`/g)].map((match) => match[1] ?? "");
      expect(codes.length).toBeGreaterThan(0);
      for (const code of codes) expect(ERROR_CODES).toHaveProperty([code, "status"], Number(status));
    }
  }
});
