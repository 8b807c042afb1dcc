import type { Catalog, Column, Oid, Relation } from "../catalog/index.ts";
import { type CheckContext, checkContext } from "../checks/index.ts";
import type { IsolationSettings } from "../settings.ts";
import { quoted } from "../sql-text.ts";
import { contextExpression } from "./expression.ts";
import type { Draft } from "./plan.ts";

/** A table that holds tenants' rows, with its tenant column: one that it has, or one that it is going to have. */
export interface Subject {
  readonly relation: Relation;
  /** `schema.name`, unquoted. */
  readonly name: string;
  readonly sql: string;
  readonly tenant: Column;
  /** A partition, or a table that inherits: reached through its parent alone. */
  readonly isChild: boolean;
}

/** What the generator works on. */
export interface Schema {
  readonly catalog: Catalog;
  readonly settings: IsolationSettings;
  readonly context: CheckContext;
  readonly subjects: ReadonlyMap<Oid, Subject>;
  /** Roles whose rights the logins that serve requests can use, and `public`. */
  readonly reached: ReadonlySet<string>;
}

/** Finds the tables that hold tenants' rows, and plans the tenant column of those that have none. */
export function readSchema(catalog: Catalog, settings: IsolationSettings, draft: Draft): Schema {
  const context = checkContext(catalog, settings);
  const subjects = new Map<Oid, Subject>();
  const bare: Relation[] = [];
  for (const { global, relation, tenantColumn } of context.tables) {
    if (relation.kind !== "table" && relation.kind !== "partitioned table") continue;
    if (global !== undefined) continue;
    if (tenantColumn === undefined) bare.push(relation);
    else subjects.set(relation.oid, subjectOf(relation, tenantColumn));
  }
  fillBare(catalog, settings, { subjects, bare }, draft);
  const reached = new Set(["public"]);
  for (const role of settings.appRoles) for (const name of catalog.access.reach(role).keys()) reached.add(name);
  return { catalog, settings, context, subjects, reached };
}

function subjectOf(relation: Relation, tenant: Column): Subject {
  const { name, parents, schema } = relation;
  return {
    relation,
    name: `${schema}.${name}`,
    sql: quoted(schema, name),
    tenant,
    isChild: parents.length > 0,
  };
}

/**
 * A table without a tenant column gets one through a foreign key to a table that has it, the shortest way first, and
 * only through columns that are never NULL: a row that refers to nothing would have no tenant.
 */
function fillBare(
  catalog: Catalog,
  settings: IsolationSettings,
  { subjects, bare }: { subjects: Map<Oid, Subject>; bare: readonly Relation[] },
  draft: Draft,
): void {
  let left = [...bare];
  for (;;) {
    const found = left.flatMap((relation) => {
      const subject = filled(catalog, settings, subjects, relation);
      return subject === undefined ? [] : [subject];
    });
    if (found.length === 0) break;
    for (const { subject, steps } of found) {
      subjects.set(subject.relation.oid, subject);
      for (const [phase, sql] of steps) {
        draft.step(phase, subject.name, sql, { before: "no tenant column", slow: phase === "fill" });
      }
    }
    left = left.filter(({ oid }) => !subjects.has(oid));
  }
  for (const { name, schema } of left) {
    draft.decide(
      { kind: "table", schema, name },
      `${schema}.${name} has no tenant column and no foreign key to a table that has one: add the column, or declare ` +
        "the table under globalTables with the reason",
    );
  }
}

interface Filled {
  readonly subject: Subject;
  readonly steps: readonly (readonly ["columns" | "fill", string])[];
}

function filled(
  catalog: Catalog,
  settings: IsolationSettings,
  subjects: ReadonlyMap<Oid, Subject>,
  relation: Relation,
): Filled | undefined {
  if (relation.parents.length > 0) return undefined;
  for (const { columns, kind, references, table } of catalog.constraints) {
    if (kind !== "foreign key" || references === undefined || table !== relation.oid) continue;
    const parent = subjects.get(references.table);
    const isSure = columns.every((name) => relation.columns.find((column) => column.name === name)?.notNull === true);
    if (parent === undefined || !isSure) continue;
    const { expression: _, grants: __, ...type } = parent.tenant;
    const tenant: Column = { ...type, notNull: true, expression: undefined, grants: [] };
    const subject = subjectOf(relation, tenant);
    const column = quoted(tenant.name);
    const joined = columns
      .map((name, place) => `child.${quoted(name)} = parent.${quoted(references.columns[place] ?? "")}`)
      .join(" and ");
    return {
      subject,
      steps: [
        ["columns", `alter table ${subject.sql} add column ${column} ${tenant.type}`],
        [
          "fill",
          `update ${subject.sql} as child set ${column} = parent.${column} from ${parent.sql} as parent where ${joined}`,
        ],
        ["fill", `alter table ${subject.sql} alter column ${column} set not null`],
        // The application that does not know the column yet goes on inserting.
        [
          "fill",
          `alter table ${subject.sql} alter column ${column} set default ${contextExpression(settings, tenant)}`,
        ],
      ],
    };
  }
  return undefined;
}
