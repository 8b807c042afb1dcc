import type { Catalog } from "../catalog/index.ts";
import type { CheckContext, Table } from "../checks/index.ts";
import type { IsolationSettings } from "../settings.ts";
import { isWritten, wallExpression } from "./expression.ts";

/**
 * Tables that have the very wall that this module writes: forced, restrictive, for every command and role, to the letter.
 * An app role that is held by no policy has no walled table at all. Sound, and narrow: a wall in other words is for the
 * analysis of expressions to judge.
 */
export function wallsWritten({ catalog, settings, tenantTables }: CheckContext): ReadonlyMap<string, string> {
  if (settings.appRoles.some((role) => isAbove(catalog, role))) return new Map();
  return new Map(
    tenantTables
      .filter((table) => isWalled(table, catalog, settings))
      .map(({ name }) => [name, "forced row-level security with a restrictive wall that names no role"] as const),
  );
}

function isAbove({ access, roles }: Catalog, role: string): boolean {
  const reached = access.reach(role);
  return roles.some(({ bypassRls, name, superuser }) => (superuser || bypassRls) && reached.has(name));
}

function isWalled(
  { relation, tenantColumn }: Table,
  { access, policies }: Catalog,
  settings: IsolationSettings,
): boolean {
  if (tenantColumn === undefined || !relation.rowSecurity || !relation.forced) return false;
  if (settings.appRoles.some((role) => access.isOwner(role, relation.owner))) return false;
  const wanted = wallExpression(settings, tenantColumn);
  return policies.some(
    ({ check, command, permissive, roles, table, using }) =>
      table === relation.oid &&
      !permissive &&
      command === "ALL" &&
      roles.join() === "public" &&
      isWritten(using, wanted) &&
      (check === undefined || isWritten(check, wanted)),
  );
}
