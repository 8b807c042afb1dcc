import type { Publication } from "../../catalog/index.ts";
import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext, Table } from "../context.ts";
import { effectiveSetting } from "../setting.ts";

const LOGGED_ALWAYS = new Set(["all", "mod"]);

/** Statements, or the slow ones, reach the log with the values that were bound to them. */
function logsValues(context: CheckContext): readonly Found[] {
  return context.settings.appRoles.flatMap((app): readonly Found[] => {
    const value = (name: string): string | undefined => effectiveSetting(context.catalog, app, name)?.value;
    if (value("log_parameter_max_length") === "0") return [];
    const reasons = [
      ...(LOGGED_ALWAYS.has(value("log_statement") ?? "none") ? [`log_statement is ${value("log_statement")}`] : []),
      ...["log_min_duration_statement", "log_min_duration_sample"].flatMap((name) =>
        Number.parseInt(value(name) ?? "-1", 10) >= 0 ? [`${name} is ${value(name)}`] : [],
      ),
    ];
    if (reasons.length === 0) return [];
    return [
      {
        object: { kind: "role", name: app },
        tables: [],
        message: `values of ${app}'s statements reach the server's log: ${reasons.join(", ")}`,
        fix: [`alter role ${quoted(app)} set log_parameter_max_length = 0`],
      },
    ];
  });
}

function logsErrorValues(context: CheckContext): readonly Found[] {
  return context.settings.appRoles.flatMap((app): readonly Found[] => {
    const length = effectiveSetting(context.catalog, app, "log_parameter_max_length_on_error")?.value ?? "0";
    if (length === "0") return [];
    return [
      {
        object: { kind: "role", name: app },
        tables: [],
        message: `values of ${app}'s statements that fail reach the server's log and the error's CONTEXT`,
        fix: [`alter role ${quoted(app)} set log_parameter_max_length_on_error = 0`],
      },
    ];
  });
}

function publishes(publication: Publication, { relation }: Table): boolean {
  return (
    publication.allTables || publication.tables.includes(relation.oid) || publication.schemas.includes(relation.schema)
  );
}

function publications(context: CheckContext): readonly Found[] {
  return context.catalog.server.publications.flatMap((publication): readonly Found[] => {
    const tables = context.tenantTables.filter((table) => publishes(publication, table));
    if (tables.length === 0) return [];
    return [
      {
        object: { kind: "publication", name: publication.name },
        tables: tables.map(({ name }) => name),
        message: `the publication ${publication.name} sends every tenant's rows of ${tables.length} tables to whoever subscribes`,
      },
    ];
  });
}

function noGate({ catalog: { server } }: CheckContext): readonly Found[] {
  const gate = server.eventTriggers.some(
    ({ event, enabled, tags }) =>
      enabled && event === "ddl_command_end" && (tags.length === 0 || tags.includes("CREATE TABLE")),
  );
  if (gate) return [];
  return [
    {
      object: { kind: "database", name: server.database },
      tables: [],
      message: "no event trigger looks at new tables: one without a wall is found by the next run of this verifier",
    },
  ];
}

export const OUTLET_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "log-values",
      title: "Bound values reach the server's log",
      category: "server",
      level: "warning",
      why: "The log then holds rows of all tenants, and signed contexts, for whoever reads logs.",
      remediation: "Set log_parameter_max_length to 0 for the app roles.",
    },
    logsValues,
  ),
  staticCheck(
    {
      id: "log-error-values",
      title: "Bound values of failed statements reach the log",
      category: "server",
      level: "warning",
      why: "An attacker who makes statements fail writes other people's values into logs and error messages.",
      remediation: "Leave log_parameter_max_length_on_error at 0.",
    },
    logsErrorValues,
  ),
  staticCheck(
    {
      id: "publication-unfiltered",
      title: "A publication sends tables of tenants",
      category: "server",
      level: "notice",
      why: "Logical replication does not apply policies: a subscriber has every tenant's rows.",
      remediation: "Make sure that whoever may subscribe may see all tenants; drop publications that nobody needs.",
    },
    publications,
  ),
  staticCheck(
    {
      id: "no-table-gate",
      title: "Nothing looks at a table when it is made",
      category: "server",
      level: "notice",
      why: "Between a migration that forgets the wall and the next look at the schema the table is open.",
      remediation: "Run this verifier in CI after migrations, or refuse such tables with an event trigger.",
    },
    noGate,
  ),
];
