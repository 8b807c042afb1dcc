import type { Column } from "../catalog/index.ts";
import type { IsolationSettings } from "../settings.ts";
import { literal, quoted } from "../sql-text.ts";

const TEXT_TYPES: ReadonlySet<string> = new Set(["text", "varchar", "bpchar"]);

/** The tenant of the transaction, NULL without one, of the type of `column`. */
export function contextExpression({ context }: IsolationSettings, column: Column): string {
  const text =
    context.kind === "ringwall" ? "ringwall.tenant()" : `nullif(current_setting(${literal(context.name)}, true), '')`;
  // PostgreSQL wrote the type's name, quoted where it has to be.
  return TEXT_TYPES.has(column.baseType) && column.typeKind === "b" ? text : `${text}::${column.type}`;
}

/** What the wall says: the row is the transaction's tenant's. One evaluation a statement, because of the sub-select. */
export function wallExpression(settings: IsolationSettings, column: Column): string {
  return `${quoted(column.name)} = (select ${contextExpression(settings, column)})`;
}

/**
 * Whether PostgreSQL's way of writing `stored` is `wanted`, written by this module. Casts to text, names of output
 * columns, parentheses and spaces are PostgreSQL's own additions; neither side can hold AND or OR that they would bind,
 * since `wanted` has none and the rest is compared to the letter.
 */
export function isWritten(stored: string | undefined, wanted: string): boolean {
  return stored !== undefined && plain(stored) === plain(wanted);
}

function plain(sql: string): string {
  const parts = sql.match(/'(?:[^']|'')*'|"(?:[^"]|"")*"|[^'"]+/g) ?? [];
  return parts
    .map((part) => {
      if (part.startsWith("'")) return part;
      // A name that needs no quotes is written without them by PostgreSQL.
      if (part.startsWith('"')) return /^"[a-z_][a-z0-9_$]*"$/.test(part) ? part.slice(1, -1) : part;
      return part.toLowerCase();
    })
    .join("")
    .replaceAll(/ as (?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")*")(?=\s*\))/g, "")
    .replaceAll(/::text(?![a-z0-9_])/g, "")
    .replaceAll(/[\s()]/g, "");
}
