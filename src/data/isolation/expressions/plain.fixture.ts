import type { ColumnType, FunctionSource, Surroundings } from "./surroundings.ts";

const column = (type: string, nullable = true): ColumnType => ({ type, nullable, deterministic: true });

/** A table `app.doc`, a membership table, and functions that tell the tenant, without a database. */
export function plainSurroundings(more: Partial<Surroundings> = {}): Surroundings {
  const tables: Readonly<Record<string, Readonly<Record<string, ColumnType>>>> = {
    "app.doc": {
      tenant_id: column("text"),
      owner: column("text"),
      published: column("bool"),
      level: column("int4"),
      tags: column("text"),
    },
    "app.member": { tenant_id: column("text", false), user_id: column("text"), doc: column("int4") },
  };
  return {
    context: { kind: "setting", name: "app.tenant" },
    column: (table, name) => tables[table]?.[name],
    tenantColumn: (table) => (tables[table]?.["tenant_id"] === undefined ? undefined : "tenant_id"),
    functions: (schema, name) => (schema === "app" ? (FUNCTIONS.get(name) ?? []) : []),
    isShadowed: () => false,
    isWalled: () => false,
    links: () => [],
    ...more,
  };
}

const source = (language: string, text: string, parameters: readonly string[] = []): readonly FunctionSource[] => [
  { language, source: text, parameters, returnsSet: false, definer: false, searchPath: "pg_catalog" },
];

const FUNCTIONS = new Map<string, readonly FunctionSource[]>([
  ["tenant", source("sql", "select nullif(current_setting('app.tenant', true), '')")],
  ["tenant_pl", source("plpgsql", "begin return nullif(current_setting('app.tenant', true), ''); end")],
  ["is_mine", source("sql", "select tenant = app.tenant()", ["tenant"])],
  ["busy", source("plpgsql", "begin perform 1; return current_setting('app.tenant', true); end")],
  ["endless", source("sql", "select app.endless()")],
]);
