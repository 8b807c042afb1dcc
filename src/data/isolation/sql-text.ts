import { escapeIdentifier, escapeLiteral } from "pg";

/** The one place where a name becomes a part of a statement: the driver's own quoting. */
export function quoted(...names: readonly string[]): string {
  return names.map((name) => escapeIdentifier(name)).join(".");
}

/** A value as a literal, for statements that take no bind parameter; by the driver's own quoting. */
export function literal(text: string): string {
  return escapeLiteral(text);
}
