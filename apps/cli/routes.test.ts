import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { z } from "zod";
import { commands } from "./commands/index.ts";

const Description = z.object({ paths: z.record(z.string(), z.record(z.string(), z.unknown())) });

/** Routes that are for programs and browsers, and why no command asks for them. */
const NO_COMMAND: Readonly<Record<string, string>> = {
  "GET /healthz": "for whoever restarts processes",
  "GET /readyz": "for load balancers",
  "GET /metrics": "for Prometheus",
  "GET /v1/openapi.json": "for programs",
  "GET /v1/audit-chain": "the console verifies with it; audit verify reads the database itself",
  "GET /v1/gateway-routes": "the console shows what the configuration says, which is on the machine",
  "GET /v1/session/state": "for pages, which look all the time",
  "GET /v1/overview": "the console's first page",
  "GET /v1/settings-check": "doctor checks the same on the machine itself",
};

/** Which command asks for which route. */
const COMMANDS: Readonly<Record<string, string>> = {
  "GET /v1/audit-events": "audit tail",
  "POST /v1/bootstrap": "bootstrap enrol",
  "POST /v1/bootstrap/links": "bootstrap reissue",
  "POST /v1/erasure-replays": "keys replay-erasures",
  "GET /v1/erasures": "erasures list",
  "GET /v1/invitations": "invitations list",
  "POST /v1/invitations": "users invite",
  "POST /v1/invitations/withdraw": "invitations withdraw",
  "POST /v1/invitations/accept": "invitations accept",
  "GET /v1/key-jobs": "keys status",
  "POST /v1/key-rewraps": "keys rewrap",
  "POST /v1/key-rotations": "keys rotate",
  "GET /v1/keys": "keys status",
  "POST /v1/person-erasures": "erasures person",
  "POST /v1/recoveries": "recoveries redeem",
  "POST /v1/row-erasures": "erasures row",
  "POST /v1/secret-rotations": "secrets rotate",
  "GET /v1/secrets": "secrets list",
  "PUT /v1/secrets": "secrets set",
  "GET /v1/session": "sessions show",
  "DELETE /v1/session": "sign-out",
  "POST /v1/session/enrolment": "factor enrol",
  "POST /v1/session/enrolment/confirm": "factor enrol",
  "POST /v1/session/step-up": "step-up",
  "GET /v1/sessions": "sessions list",
  "DELETE /v1/sessions": "sessions revoke-all",
  "DELETE /v1/sessions/{sid}": "sessions revoke",
  "POST /v1/sign-in": "sign-in",
  "POST /v1/sign-in/code": "sign-in",
  "POST /v1/sign-in/enrolment": "sign-in",
  "POST /v1/sign-in/enrolment/confirm": "sign-in",
  "GET /v1/tenant-settings": "tenants settings",
  "PUT /v1/tenant-settings": "tenants settings",
  "GET /v1/tenants": "tenants list",
  "POST /v1/tenants": "tenants create",
  "POST /v1/tenants/{id}/deletion": "tenants delete",
  "DELETE /v1/tenants/{id}/deletion": "tenants restore",
  "POST /v1/tenants/{id}/immediate-deletion": "tenants delete",
  "POST /v1/tenants/{id}/erasure": "keys shred",
  "POST /v1/tenants/{id}/owner-invitations": "users invite",
  "POST /v1/tenants/{id}/resume": "tenants resume",
  "POST /v1/tenants/{id}/suspend": "tenants suspend",
  "GET /v1/users": "users list",
  "GET /v1/users/{id}": "users disable",
  "POST /v1/users/{id}/disable": "users disable",
  "POST /v1/users/{id}/enable": "users enable",
  "POST /v1/users/{id}/recoveries": "recoveries issue",
  "PUT /v1/users/{id}/role": "users set-role",
  "DELETE /v1/users/{id}/sessions": "sessions revoke-all",
};

test("every route of the API has a command, or a reason to have none", () => {
  const text = readFileSync(new URL("../server/openapi.json", import.meta.url), "utf8");
  const { paths } = Description.parse(JSON.parse(text));
  const routes = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  expect(routes.toSorted()).toEqual([...Object.keys(NO_COMMAND), ...Object.keys(COMMANDS)].toSorted());
  const names = new Set(commands.map(({ name }) => name));
  expect(Object.values(COMMANDS).filter((name) => !names.has(name))).toEqual([]);
});
