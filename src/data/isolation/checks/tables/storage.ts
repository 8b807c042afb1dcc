import type { Oid, Relation } from "../../catalog/index.ts";
import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import { type CheckContext, schemaFilter, type Table } from "../context.ts";
import { granteeText, holder } from "../grants.ts";
import { type Right, relationRights } from "../rights.ts";
import { isChild, on, reachedBy, takesPolicies } from "./wall.ts";

const ROWS = ["SELECT", "INSERT", "UPDATE", "DELETE"];

/** Tables of tenants that a view or materialized view shows, through any number of views. */
function shownTables(context: CheckContext, start: Relation): readonly string[] {
  const seen = new Set<Oid>();
  const queue = [...start.reads];
  const names = new Set<string>();
  for (let oid = queue.pop(); oid !== undefined; oid = queue.pop()) {
    if (seen.has(oid)) continue;
    seen.add(oid);
    const table = context.table(oid);
    if (table === undefined) continue;
    queue.push(...table.relation.reads);
    if (table.relation.kind !== "view" && table.tenantColumn !== undefined && table.global === undefined) {
      names.add(table.name);
    }
  }
  return [...names];
}

function materialized(context: CheckContext): readonly Found[] {
  return context.tables
    .filter(
      ({ relation, rights, global }) =>
        relation.kind === "materialized view" && rights.size > 0 && global === undefined,
    )
    .flatMap((table): readonly Found[] => {
      const shown = shownTables(context, table.relation);
      if (shown.length === 0 && table.tenantColumn === undefined) return [];
      const [right] = table.rights.values();
      const fix =
        right?.by === "grant"
          ? [`revoke all on ${quoted(table.relation.schema, table.relation.name)} from ${granteeText(right.grantee)}`]
          : undefined;
      const message = `${reachedBy(table)} reads ${table.name}, which holds every tenant's rows and takes no policy`;
      return [{ ...on(table, message, fix === undefined ? {} : { fix }), tables: [table.name, ...shown] }];
    });
}

function foreign(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter(({ relation, rights }) => relation.kind === "foreign table" && ROWS.some((right) => rights.has(right)))
    .map((table) =>
      on(
        table,
        `${reachedBy(table)} reaches ${table.name} on the server ${table.relation.server ?? "?"}: a foreign table takes no policy`,
      ),
    );
}

function unlogged(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter(({ relation }) => relation.persistence === "unlogged")
    .map((table) =>
      on(table, `${table.name} is unlogged: empty after a crash and on every standby`, {
        fix: [`alter table ${quoted(table.relation.schema, table.relation.name)} set logged`],
      }),
    );
}

/** Rights on sequences of the schemas in question, each with the first app role that has it. */
function sequences(
  context: CheckContext,
): readonly { readonly sequence: Relation; readonly rights: ReadonlyMap<string, Right> }[] {
  const inScope = schemaFilter(context.settings);
  return [...context.catalog.relations.values()]
    .filter(({ kind, schema, extension }) => kind === "sequence" && inScope(schema) && extension === undefined)
    .map((sequence) => {
      const rights = new Map<string, Right>();
      for (const role of context.settings.appRoles) {
        for (const [privilege, right] of relationRights(context.catalog, role, sequence)) rights.set(privilege, right);
      }
      return { sequence, rights };
    });
}

function sequenceRight(privilege: "SELECT" | "UPDATE", says: string) {
  return (context: CheckContext): readonly Found[] =>
    sequences(context).flatMap(({ sequence, rights }): readonly Found[] => {
      const right = rights.get(privilege);
      if (right === undefined || right.by === "owner" || right.by === "superuser") return [];
      const { schema, name, ownedBy } = sequence;
      const table = ownedBy === undefined ? undefined : context.table(ownedBy.table);
      const fix = [`revoke ${privilege} on sequence ${quoted(schema, name)} from ${granteeText(right.grantee)}`];
      return [
        {
          object: { kind: "sequence", schema, name },
          tables: table === undefined ? [] : [table.name],
          message: `${holder(right)} ${says} ${schema}.${name}`,
          ...(right.by === "grant" ? { fix } : {}),
        },
      ];
    });
}

/** Keys from one sequence for all: the next key tells how many rows the others made meanwhile. */
function sharedKeys(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter((table) => takesPolicies(table) && !isChild(table))
    .flatMap((table) => {
      const { relation } = table;
      if (!relation.grants.length && table.rights.size === 0) return [];
      return relation.columns
        .filter(({ identity, expression }) => identity || expression?.startsWith("nextval(") === true)
        .map(({ name }) => ({
          ...on(
            table,
            `${table.name}.${name} counts the rows of all tenants: each sees from its own how many the others make`,
          ),
          object: { kind: "table" as const, schema: relation.schema, name: relation.name, column: name },
        }));
    });
}

function largeObjects(context: CheckContext): readonly Found[] {
  const { catalog, settings } = context;
  const compat = catalog.server.settings.get("lo_compat_privileges") === "on";
  return catalog.server.largeObjects.flatMap(({ owner, count, grants }): readonly Found[] => {
    const reaches = settings.appRoles.find(
      (app) => compat || catalog.access.isOwner(app, owner) || catalog.access.privileges(app, grants).size > 0,
    );
    if (reaches === undefined) return [];
    return [
      {
        object: { kind: "database", name: catalog.server.database },
        tables: [],
        message: `${reaches} reaches ${count} large objects of ${owner}: they take no policy, and their numbers can be guessed`,
      },
    ];
  });
}

function largeObjectColumns(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter(takesPolicies)
    .flatMap((table) =>
      table.relation.columns
        .filter(({ baseType }) => baseType === "oid" || baseType.endsWith(".lo"))
        .map(({ name }) => on(table, `${table.name}.${name} holds numbers of large objects, or of the catalog's`)),
    );
}

/** Names of relations as words of a function's text; a name in pieces is for the check of dynamic SQL. */
function mentions(text: string, { relation }: Table): boolean {
  const at = text.toLowerCase().indexOf(relation.name.toLowerCase());
  if (at < 0) return false;
  const word = /[\w$]/;
  for (let from = at; from >= 0; from = text.toLowerCase().indexOf(relation.name.toLowerCase(), from + 1)) {
    const before = text[from - 1] ?? " ";
    const after = text[from + relation.name.length] ?? " ";
    if (!word.test(before) && !word.test(after)) return true;
  }
  return false;
}

/** An audit log, history, outbox or queue that a trigger fills, in the rows of all tenants and without a wall. */
function triggerCopies(context: CheckContext): readonly Found[] {
  const isTenants = new Set(context.tenantTables.map(({ relation }) => relation.oid));
  const open = context.tables.filter(
    (table) => takesPolicies(table) && !isChild(table) && table.global === undefined && !table.relation.rowSecurity,
  );
  if (open.length === 0) return [];
  const known = new Map<Oid, readonly Table[]>();
  const found: Found[] = [];
  for (const { table: oid, name, function: routine, enabled } of context.catalog.triggers) {
    const table = context.table(oid);
    const fn = context.catalog.routines.get(routine);
    if (table === undefined || fn === undefined || !enabled || !isTenants.has(oid)) continue;
    const object = { kind: "trigger", schema: table.relation.schema, name, table: table.relation.name } as const;
    const text = fn.source ?? fn.sqlBody;
    if (text === undefined) {
      const message = `what the trigger ${name} of ${table.name} writes cannot be read`;
      found.push({ object, tables: [table.name], message, unknown: true });
      continue;
    }
    const written = known.get(routine) ?? open.filter((target) => mentions(text, target));
    known.set(routine, written);
    for (const target of written.filter(({ relation }) => relation.oid !== oid)) {
      const message = `the trigger ${name} of ${table.name} names ${target.name}, which has no row-level security`;
      found.push({ object, tables: [table.name, target.name], message });
    }
  }
  return found;
}

export const STORAGE_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "materialized-view-open",
      title: "An app role reads a materialized view over tables of tenants",
      category: "indirect",
      level: "error",
      why: "It is filled with the owner's eyes and shown to everybody: policies neither apply to it nor can be made for it.",
      remediation:
        "Revoke it, and show its rows through a view with security_invoker that filters by the context, or a walled table.",
    },
    materialized,
  ),
  staticCheck(
    {
      id: "foreign-table-open",
      title: "An app role reaches a foreign table with rows of tenants",
      category: "tables",
      level: "error",
      why: "Policies cannot be made for a foreign table; what the other server filters by is its own login.",
      remediation: "Revoke it, and show its rows through a function that takes the tenant from the context.",
    },
    foreign,
  ),
  staticCheck(
    {
      id: "table-unlogged",
      title: "A table of tenants is unlogged",
      category: "tables",
      level: "notice",
      why: "It is empty after a crash and on a standby; often it is a copy of a walled table that was made in a hurry.",
      remediation: "Set it LOGGED, or accept the finding with the reason.",
    },
    unlogged,
  ),
  staticCheck(
    {
      id: "sequence-readable",
      title: "An app role reads a sequence",
      category: "indirect",
      level: "warning",
      why: "last_value tells how many rows all tenants made together.",
      remediation: "Revoke SELECT; USAGE is enough for nextval.",
    },
    sequenceRight("SELECT", "reads how far all tenants together are in"),
  ),
  staticCheck(
    {
      id: "sequence-settable",
      title: "An app role sets a sequence",
      category: "indirect",
      level: "warning",
      why: "setval makes the next INSERT of every tenant fail, or use a key again.",
      remediation: "Revoke UPDATE; USAGE is enough for nextval.",
    },
    sequenceRight("UPDATE", "may set, for all tenants,"),
  ),
  staticCheck(
    {
      id: "sequence-shared",
      title: "Tenants take their keys from one sequence",
      category: "indirect",
      level: "notice",
      why: "The gaps between a tenant's own keys are the number of rows that others made; keys of others can be guessed.",
      remediation: "Use random keys (uuid), or count per tenant.",
    },
    sharedKeys,
  ),
  staticCheck(
    {
      id: "large-objects-open",
      title: "An app role reaches large objects",
      category: "indirect",
      level: "error",
      why: "Large objects have an owner and no tenant; whoever guesses a number reads the file.",
      remediation: "Keep files as bytea in a walled table, or outside with the tenant in their name.",
    },
    largeObjects,
  ),
  staticCheck(
    {
      id: "large-object-column",
      title: "A table of tenants refers to large objects",
      category: "indirect",
      level: "warning",
      why: "The wall guards the number and not the object behind it.",
      remediation: "Keep the content as bytea in the row, or outside with the tenant in its name.",
    },
    largeObjectColumns,
  ),
  staticCheck(
    {
      id: "trigger-copies",
      title: "A trigger of a walled table names a table that has no wall",
      category: "indirect",
      level: "warning",
      why: "Audit logs, histories, outboxes and queues copy every tenant's rows to where nothing guards them.",
      remediation: "Give the copy the tenant column and the same wall, or declare it global with the reason.",
    },
    triggerCopies,
  ),
];
