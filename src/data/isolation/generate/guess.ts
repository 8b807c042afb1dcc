import type { Catalog, Relation } from "../catalog/index.ts";
import { visible } from "../report/index.ts";
import { IsolationSettings } from "../settings.ts";

/** Names that teams give the column; a guess is made of these alone, the most frequent in the schema first. */
const TENANT_NAMES =
  /^(?:tenant|organi[sz]ation|org|workspace|account|company|customer|merchant|shop|store|team|client|site)_?(?:id|uuid|ref|key)$/i;
/** One that no two tables share says little about the schema. */
const COLUMNS_MAX = 3;

/** Settings to begin with, and what to look at in them. */
export interface SettingsGuess {
  readonly settings: IsolationSettings;
  readonly notes: readonly string[];
}

/**
 * Settings for a database that nobody has described yet.
 *
 * The tenant column is the name of a known form that most tables have; the logins that serve requests are those with
 * rights on the tables that own none. The rest of the settings is left for a person.
 */
export function guessSettings(catalog: Catalog): SettingsGuess {
  const tables = [...catalog.relations.values()].filter(
    ({ extension, kind, schema }) =>
      (kind === "table" || kind === "partitioned table") && extension === undefined && schema !== "ringwall",
  );
  const columns = tenantColumns(tables);
  const owners = new Set(tables.map(({ owner }) => owner));
  const logins = catalog.roles.filter(({ login, name, superuser }) => login && !superuser && !owners.has(name));
  const serving = logins.filter(({ name }) => tables.some((table) => mayRead(catalog, name, table)));
  const hasContext = [...catalog.routines.values()].some(
    ({ name, schema }) => schema === "ringwall" && name === "tenant",
  );
  const settings = IsolationSettings.parse({
    schemas: [...new Set(tables.map(({ schema }) => schema))].toSorted(),
    tenantColumns: columns.length === 0 ? ["tenant_id"] : columns,
    context: hasContext ? { kind: "ringwall" } : { kind: "setting", name: settingOf(catalog) },
    appRoles: serving.length === 0 ? ["app"] : serving.map(({ name }) => name),
    ownerRoles: catalog.roles.filter(({ name, superuser }) => !superuser && owners.has(name)).map(({ name }) => name),
  });
  const bare = tables.filter((table) => !table.columns.some(({ name }) => settings.tenantColumns.includes(name)));
  return {
    settings,
    notes: [
      ...(columns.length === 0 ? ["no column looks like a tenant's: set tenantColumns"] : []),
      ...(serving.length === 0 ? ["no login has rights on the tables: set appRoles"] : []),
      ...bare.map(({ name, schema }) => `${visible(`${schema}.${name}`)} has no tenant column: whose rows are these?`),
    ],
  };
}

function tenantColumns(tables: readonly Relation[]): readonly string[] {
  const counts = new Map<string, number>();
  for (const { columns } of tables) {
    for (const { name } of columns) if (TENANT_NAMES.test(name)) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  const found = [...counts].toSorted(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  const most = found[0]?.[1] ?? 0;
  // A schema of customers has customer_id in a few tables; what counts is what nearly as many have as the first.
  return found
    .filter(([, count]) => count * 2 > most)
    .slice(0, COLUMNS_MAX)
    .map(([name]) => name);
}

function mayRead({ access }: Catalog, role: string, { columns, grants }: Relation): boolean {
  return access.privileges(role, [...grants, ...columns.flatMap((column) => column.grants)]).size > 0;
}

/** The setting that the policies there are ask for. */
function settingOf({ policies }: Catalog): string {
  const asked = policies.flatMap(({ check = "", using = "" }) => [
    ...`${using} ${check}`.matchAll(/current_setting\('([a-z_]\w*(?:\.[a-z_]\w*)+)'/gi),
  ]);
  return asked[0]?.[1] ?? "app.tenant_id";
}
