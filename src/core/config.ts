import { z } from "zod";
import { RingwallError } from "./errors.ts";

/**
 * A secret is named in the configuration, never written there: `file:/path` (mode 0600, outside the checkout) or
 * `ringwall:name` (the secret store).
 */
export const SecretReference = z
  .string()
  .max(1_024)
  .regex(/^(file:|ringwall:)[^\0\n]+$/, "must be a reference: file:/path or ringwall:name");
export type SecretReference = z.output<typeof SecretReference>;

/** Required, without default: nothing may depend on a guess about where it runs. */
export const Mode = z.enum(["development", "production"]);
export type Mode = z.output<typeof Mode>;

/** Freezes a plain value all the way down and returns it. */
export function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const child of Object.values(value)) deepFreeze(child);
  }
  return value;
}

/**
 * Parses and freezes a configuration. Names every bad field; never echoes a value, which may be a secret.
 * @throws RingwallError `config.invalid`
 */
export function parseConfig<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const result = schema.safeParse(input);
  if (result.success) return deepFreeze(result.data);
  const fields = result.error.issues.map((issue) => {
    const where = issue.path.join(".") || "(root)";
    return issue.code === "unrecognized_keys" ? `${where}: unknown field` : `${where}: ${describe(issue)}`;
  });
  throw new RingwallError("config.invalid", { message: `invalid configuration: ${[...new Set(fields)].join("; ")}` });
}

function describe(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined ? "is required" : `must be a ${issue.expected}`;
    case "too_small":
      return `must be at least ${String(issue.minimum)}`;
    case "too_big":
      return `must be at most ${String(issue.maximum)}`;
    case "custom":
      return issue.message;
    case "invalid_format":
      return "has the wrong form";
    default:
      return issue.code.replaceAll("_", " ");
  }
}
