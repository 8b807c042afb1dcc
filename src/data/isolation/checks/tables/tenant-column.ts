import type { Column } from "../../catalog/index.ts";
import { literal, quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext, Table } from "../context.ts";
import { granteeText } from "../grants.ts";
import { columnRights } from "../rights.ts";
import { isChild, on, takesPolicies } from "./wall.ts";

interface Walled {
  readonly table: Table;
  readonly column: Column;
  /** Quoted, as statements take it. */
  readonly sql: { readonly table: string; readonly column: string };
}

/** Tables with a tenant column that can be altered by themselves. */
function withColumn({ tenantTables }: CheckContext): readonly Walled[] {
  return tenantTables
    .filter((table) => takesPolicies(table) && !table.relation.isPartition)
    .flatMap((table): readonly Walled[] => {
      const { relation, tenantColumn: column } = table;
      if (column === undefined) return [];
      return [{ table, column, sql: { table: quoted(relation.schema, relation.name), column: quoted(column.name) } }];
    });
}

function nullable(context: CheckContext): readonly Found[] {
  return withColumn(context)
    .filter(({ column }) => !column.notNull)
    .map(({ table, column, sql }) =>
      on(table, `${table.name}.${column.name} may be NULL: such a row is nobody's`, {
        fix: [`alter table ${sql.table} alter column ${sql.column} set not null`],
      }),
    );
}

function noDefault(context: CheckContext): readonly Found[] {
  const { context: how } = context.settings;
  return withColumn(context)
    .filter(({ column }) => column.expression === undefined && !column.identity)
    .map(({ table, column, sql }) => {
      const value =
        how.kind === "ringwall"
          ? "ringwall.tenant()"
          : `nullif(pg_catalog.current_setting(${literal(how.name)}, true), '')`;
      const cast = column.baseType === "text" ? value : `(${value})::${column.type}`;
      return on(
        table,
        `${table.name}.${column.name} is not filled from the context: each INSERT has to name the tenant`,
        {
          fix: [`alter table ${sql.table} alter column ${sql.column} set default ${cast}`],
        },
      );
    });
}

function constantDefault(context: CheckContext): readonly Found[] {
  return withColumn(context)
    .filter(
      ({ column: { expression } }) =>
        expression !== undefined && /^('(?:[^']|'')*'|\d+)(::[\w .()"]+)?$/.test(expression),
    )
    .map(({ table, column, sql }) =>
      on(table, `${table.name}.${column.name} is ${column.expression} unless a statement says otherwise`, {
        fix: [`alter table ${sql.table} alter column ${sql.column} drop default`],
      }),
    );
}

function leakyType(context: CheckContext): readonly Found[] {
  return withColumn(context)
    .filter(({ column }) => !context.catalog.leakproofTypes.has(column.baseType) || column.type.endsWith("[]"))
    .map(({ table, column }) =>
      on(
        table,
        `${table.name}.${column.name} is of type ${column.type}, whose equality is not leakproof: the wall cannot use an index once a statement has conditions of its own`,
      ),
    );
}

function notFirst(context: CheckContext): readonly Found[] {
  const first = new Map<number, Set<string | undefined>>();
  for (const { table, columns, valid, predicate } of context.catalog.indexes) {
    if (!valid || predicate !== undefined) continue;
    first.set(table, (first.get(table) ?? new Set()).add(columns[0]));
  }
  return withColumn(context)
    .filter(({ table, column }) => first.get(table.relation.oid)?.has(column.name) !== true)
    .map(({ table, column, sql }) =>
      on(table, `no index of ${table.name} begins with ${column.name}: each read looks at every tenant's rows`, {
        fix: [`create index on ${sql.table} (${sql.column})`],
      }),
    );
}

/** With UPDATE on it a row can be tried on other tenants; the check of policies says whether that holds. */
function movable(context: CheckContext): readonly Found[] {
  return withColumn(context).flatMap(({ table, column, sql }): readonly Found[] => {
    const { relation } = table;
    for (const role of context.settings.appRoles) {
      const onColumn = columnRights(context.catalog, role, column).get("UPDATE");
      const onTable = context.catalog.access.privileges(role, relation.grants).get("UPDATE");
      if (onColumn === undefined && onTable === undefined) continue;
      const others = relation.columns.filter(({ name, generated }) => name !== column.name && generated === "no");
      const names = others.map(({ name }) => quoted(name)).join(", ");
      const fix =
        onTable !== undefined && onColumn === undefined && others.length > 0
          ? [
              `revoke update on ${sql.table} from ${granteeText(onTable)}`,
              `grant update (${names}) on ${sql.table} to ${granteeText(onTable)}`,
            ]
          : onColumn !== undefined && onTable === undefined
            ? [`revoke update (${sql.column}) on ${sql.table} from ${granteeText(onColumn.grantee)}`]
            : undefined;
      return [
        on(
          table,
          `${role} may UPDATE ${table.name}.${column.name}, which says whose a row is`,
          fix === undefined ? {} : { fix },
        ),
      ];
    }
    return [];
  });
}

/** A second column that names a tenant: a share, a transfer, a parent company. */
function secondTenant(context: CheckContext): readonly Found[] {
  const texts = new Map<number, string>();
  for (const { table, using = "", check = "" } of context.catalog.policies) {
    texts.set(table, `${texts.get(table) ?? ""} ${using} ${check}`);
  }
  const referenced = tenantReferences(context);
  return context.tenantTables.filter(takesPolicies).flatMap((table) => {
    const { relation, tenantColumn } = table;
    if (tenantColumn === undefined || isChild(table)) return [];
    const isTenant = (column: Column): boolean =>
      column.baseType === tenantColumn.baseType &&
      (column.name.toLowerCase().includes(tenantColumn.name.toLowerCase()) ||
        referenced.get(relation.oid)?.has(column.name) === true);
    return relation.columns
      .filter((column) => column.name !== tenantColumn.name && isTenant(column))
      .filter(({ name }) => !(texts.get(relation.oid) ?? "").includes(name))
      .map((column) =>
        on(table, `${table.name}.${column.name} looks like a tenant's id, and no policy of the table speaks of it`),
      );
  });
}

/** Columns that reference alone what a tenant column references: the register of tenants. */
function tenantReferences(context: CheckContext): ReadonlyMap<number, ReadonlySet<string>> {
  const single = context.catalog.constraints.filter(
    ({ kind, columns }) => kind === "foreign key" && columns.length === 1,
  );
  const registers = new Set(
    single
      .filter((key) => context.table(key.table)?.tenantColumn?.name === key.columns[0])
      .map(({ references }) => references?.table),
  );
  const found = new Map<number, Set<string>>();
  for (const { table: oid, columns, references } of single) {
    const [column] = columns;
    if (column === undefined || !registers.has(references?.table)) continue;
    found.set(oid, (found.get(oid) ?? new Set<string>()).add(column));
  }
  return found;
}

export const TENANT_COLUMN_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "tenant-nullable",
      title: "A row may belong to nobody",
      category: "tables",
      level: "warning",
      why: "NULL equals nothing: the row disappears from every tenant, or is shown to all by a policy that allows for it.",
      remediation: "Set the tenant column NOT NULL after giving every row its tenant.",
    },
    nullable,
  ),
  staticCheck(
    {
      id: "tenant-no-default",
      title: "The tenant column is not filled from the context",
      category: "tables",
      level: "notice",
      why: "Code that names the tenant by hand can name the wrong one, from a request's body for instance.",
      remediation: "Give the column a default that reads the context.",
    },
    noDefault,
  ),
  staticCheck(
    {
      id: "tenant-constant-default",
      title: "The tenant column has a constant default",
      category: "tables",
      level: "error",
      why: "An INSERT that forgets the tenant hands its row to the one that the default names.",
      remediation: "Drop the default, or read the context in it.",
    },
    constantDefault,
  ),
  staticCheck(
    {
      id: "tenant-type-leaky",
      title: "The tenant column's type compares without being leakproof",
      category: "tables",
      level: "warning",
      why: "PostgreSQL evaluates a wall before other conditions unless they are leakproof; enum, numeric, citext and jsonb are not, so indexes go unused and time tells how many rows others have.",
      remediation: "Use text, uuid, integer or bigint.",
    },
    leakyType,
  ),
  staticCheck(
    {
      id: "tenant-not-indexed",
      title: "No index begins with the tenant column",
      category: "tables",
      level: "warning",
      why: "A tenant's read goes over the rows of all: slow, and its time tells how many there are.",
      remediation: "Begin the primary key, or an index, with the tenant column.",
    },
    notFirst,
  ),
  staticCheck(
    {
      id: "tenant-movable",
      title: "An app role may change whose a row is",
      category: "tables",
      level: "notice",
      why: "Only WITH CHECK then keeps a row from being moved to another tenant.",
      remediation: "Grant UPDATE on the other columns.",
    },
    movable,
  ),
  staticCheck(
    {
      id: "tenant-second-column",
      title: "A second column names a tenant, and no policy speaks of it",
      category: "tables",
      level: "warning",
      why: "A share or a transfer that the application decides on is outside the wall, or the wall makes it not work and somebody goes around.",
      remediation: "Write the policy for the share, or accept the finding with the reason.",
    },
    secondTenant,
  ),
];
