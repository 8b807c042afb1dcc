import type { Category, CheckInfo, Level } from "../finding.ts";

const WALL =
  "Enable and force row-level security, and put one RESTRICTIVE policy that names no role around every command.";

/** A live check; most of what rows are reached by is mended by the wall. */
export function live(
  id: string,
  title: string,
  why: string,
  options: { readonly remediation?: string; readonly category?: Category; readonly level?: Level } = {},
): CheckInfo {
  return {
    id: `probe-${id}`,
    title,
    category: options.category ?? "tables",
    kind: "live",
    level: options.level ?? "error",
    why,
    remediation: options.remediation ?? WALL,
  };
}
