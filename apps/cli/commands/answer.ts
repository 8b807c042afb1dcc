import { z } from "zod";
import { printable } from "../client.ts";
import type { Context, Input, Option } from "../command.ts";
import { CommandFailed } from "../command.ts";

/** Over the local socket a tenant has to be named; a credential reaches its own tenant and no other. */
export const TENANT_OPTION = {
  tenant: { value: "ID", summary: "The tenant; the credential's own unless given" },
} as const satisfies Record<string, Option>;

/** `--tenant` as a field of a body or a query; nothing when it was not given. */
export function namedTenant(input: Input): { tenant?: string } {
  const tenant = input.text("tenant");
  return tenant === undefined ? {} : { tenant };
}

/** A query with these parameters, or an empty text. */
export function query(parameters: Readonly<Record<string, string>>): string {
  const text = new URLSearchParams(parameters).toString();
  return text === "" ? "" : `?${text}`;
}

/** Reads a server's answer. Unknown fields are let through for `--json`: a newer server may say more. */
export function readAnswer<Schema extends z.ZodType>(schema: Schema, answer: unknown): z.output<Schema> {
  const parsed = schema.safeParse(answer);
  if (parsed.success) return parsed.data;
  throw new CommandFailed("the server's answer has a form this command does not know", {
    wayOut: "Are the command and the server of the same version?",
  });
}

type Cell = string | number | boolean | null | undefined;

/** Prints rows as an aligned table under a heading, or as one JSON array. */
export function showRows<Name extends string>(
  input: Input,
  context: Context,
  rows: readonly Readonly<Record<Name, Cell>>[],
  columns: readonly Name[],
): void {
  if (input.flag("json")) {
    context.stdout(JSON.stringify(rows));
    return;
  }
  const cells = rows.map((row) => columns.map((column) => printable(String(row[column] ?? "-"))));
  const table = [columns.map((column) => column.replaceAll("_", " ")), ...cells];
  const widths = columns.map((_, index) => Math.max(...table.map((line) => line[index]?.length ?? 0)));
  for (const line of table)
    context.stdout(
      line
        .map((cell, index) => cell.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    );
}

/** Prints one sentence, or the facts as JSON. */
export function showRow(input: Input, context: Context, facts: object, sentence: string): void {
  context.stdout(input.flag("json") ? JSON.stringify(facts) : printable(sentence));
}
