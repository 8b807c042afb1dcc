import { describe, expect, test } from "vitest";
import { parseConfig } from "../../core/index.ts";
import { SecretsConfig } from "./index.ts";

describe("rotations", () => {
  test("are none unless somebody set them up", () => {
    expect(parseConfig(SecretsConfig, {})).toEqual({ rotations: {} });
  });

  test("name a secret and the role whose password it is", () => {
    const rotations = { "bank/database-password": { kind: "postgres-password", role: "bank_app" } };
    expect(parseConfig(SecretsConfig, { rotations })).toEqual({ rotations });
  });

  test.each([
    ["a name of another form", { "../x": { kind: "postgres-password", role: "bank_app" } }],
    ["a kind nobody knows", { "bank/x": { kind: "shell", role: "bank_app" } }],
    ["a role that is no plain name", { "bank/x": { kind: "postgres-password", role: `bank"; drop role x --` } }],
    ["no role", { "bank/x": { kind: "postgres-password" } }],
    ["a value beside the role", { "bank/x": { kind: "postgres-password", role: "bank_app", password: "p" } }],
  ])("with %s are refused, and no value is repeated", (_, rotations) => {
    const parse = () => parseConfig(SecretsConfig, { rotations });
    expect(parse).toThrow(expect.objectContaining({ code: "config.invalid" }));
    expect(parse).not.toThrow(/drop role/);
  });
});
