import { RingwallError } from "../../../core/index.ts";
import type { Catalog, Column, Oid, Relation } from "../catalog/index.ts";
import type { ObjectName } from "../finding.ts";
import type { IsolationSettings } from "../settings.ts";
import { type Right, relationRights } from "./rights.ts";

/** A relation that holds or shows rows, with what the settings say of it. */
export interface Table {
  readonly relation: Relation;
  /** `schema.name`, unquoted: how reports and settings name it. */
  readonly name: string;
  /** The first of the settings' tenant columns that it has. */
  readonly tenantColumn: Column | undefined;
  /** Why it holds no tenant's rows, when the settings say so. */
  readonly global: string | undefined;
  /** What the app roles can do with it in the end, each right with the first way to it. */
  readonly rights: ReadonlyMap<string, Right>;
}

/** What a check looks at. Worked out once for all of them. */
export interface CheckContext {
  readonly catalog: Catalog;
  readonly settings: IsolationSettings;
  /** Tables, partitioned and foreign tables, views and materialized views of the schemas in question. No extension's. */
  readonly tables: readonly Table[];
  /** Of `tables`, those that store rows of tenants: a tenant column, not global, no view. */
  readonly tenantTables: readonly Table[];
  /** Every relation of the database, in question or not. */
  table(oid: Oid): Table | undefined;
  /** Partitions and inheriting tables, directly below. */
  children(oid: Oid): readonly Table[];
}

/**
 * @throws RingwallError `config.invalid` when the settings name a role, schema or global table that is not there, or when
 * there is nothing to look at: a run that looked at nothing must not end well.
 */
export function checkContext(catalog: Catalog, settings: IsolationSettings): CheckContext {
  checkNames(catalog, settings);
  const globals = new Map(settings.globalTables.map(({ table, reason }) => [table, reason]));
  const all = new Map<Oid, Table>();
  const children = new Map<Oid, Table[]>();
  for (const relation of catalog.relations.values()) {
    if (relation.kind === "sequence") continue;
    const table = tableOf(catalog, settings, globals, relation);
    all.set(relation.oid, table);
    for (const parent of relation.parents) {
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [table]);
      else siblings.push(table);
    }
  }
  const inScope = schemaFilter(settings);
  const tables = [...all.values()].filter(
    ({ relation }) => inScope(relation.schema) && relation.extension === undefined,
  );
  if (tables.length === 0) {
    throw new RingwallError("config.invalid", {
      message: `database ${catalog.server.database} has no table in the schemas to verify: is it the right database?`,
    });
  }
  return {
    catalog,
    settings,
    tables,
    tenantTables: tables.filter(storesTenants),
    table: (oid) => all.get(oid),
    children: (oid) => children.get(oid) ?? [],
  };
}

/** Whether a schema is one to look at. */
export function schemaFilter({ schemas }: IsolationSettings): (schema: string) => boolean {
  const wanted = new Set(schemas);
  return (schema) => wanted.size === 0 || wanted.has(schema);
}

function storesTenants({ relation, tenantColumn, global }: Table): boolean {
  return tenantColumn !== undefined && global === undefined && relation.kind !== "view";
}

function tableOf(
  catalog: Catalog,
  settings: IsolationSettings,
  globals: ReadonlyMap<string, string>,
  relation: Relation,
): Table {
  const name = `${relation.schema}.${relation.name}`;
  const rights = new Map<string, Right>();
  for (const role of settings.appRoles) {
    for (const [privilege, right] of relationRights(catalog, role, relation)) {
      if (!rights.has(privilege)) rights.set(privilege, right);
    }
  }
  return { relation, name, tenantColumn: tenantColumnOf(settings, relation), global: globals.get(name), rights };
}

/** The first of the settings' columns that a relation has. */
export function tenantColumnOf({ tenantColumns }: IsolationSettings, { columns }: Relation): Column | undefined {
  for (const wanted of tenantColumns) {
    const column = columns.find(({ name }) => name === wanted);
    if (column !== undefined) return column;
  }
  return undefined;
}

/** How a finding names a table or view. */
export function tableName({ relation }: Table): ObjectName {
  const kind = relation.kind === "view" || relation.kind === "materialized view" ? relation.kind : ("table" as const);
  return { kind, schema: relation.schema, name: relation.name };
}

function checkNames(catalog: Catalog, settings: IsolationSettings): void {
  const roles = new Set(catalog.roles.map(({ name }) => name));
  const schemas = new Set(catalog.schemas.map(({ name }) => name));
  const tables = new Set([...catalog.relations.values()].map(({ schema, name }) => `${schema}.${name}`));
  const missing = (what: string, names: readonly string[], known: ReadonlySet<string>): void => {
    const name = names.find((candidate) => !known.has(candidate));
    if (name === undefined) return;
    const message = `the settings name the ${what} ${JSON.stringify(name)}, which ${catalog.server.database} does not have`;
    throw new RingwallError("config.invalid", { message });
  };
  missing("role", [...settings.appRoles, ...settings.ownerRoles], roles);
  missing("schema", settings.schemas, schemas);
  missing(
    "global table",
    settings.globalTables.map(({ table }) => table),
    tables,
  );
}
