import type { Catalog, Column, Grant, Relation } from "../catalog/index.ts";

/** How a login comes to a right. */
export interface Right {
  /** The login that serves requests. */
  readonly role: string;
  /** Whose right it is: the login, a role that it can act as, or `public`. */
  readonly grantee: string;
  /** `grant`; or that the grantee owns the object, is superuser, or reads and writes everything as a predefined role. */
  readonly by: "grant" | "owner" | "superuser" | "predefined";
}

const TABLE_PRIVILEGES = ["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] as const;
const MAINTAIN_SINCE = 170_000;
/** What PostgreSQL's own roles may do with every table and sequence, without a grant. */
const PREDEFINED: readonly (readonly [string, readonly string[]])[] = [
  ["pg_read_all_data", ["SELECT"]],
  ["pg_write_all_data", ["INSERT", "UPDATE", "DELETE"]],
  ["pg_maintain", ["MAINTAIN"]],
];

/** Every right that `role` can use on something with `grants` and `owner`, whichever chain of roles it takes. */
export function rightsOf(
  catalog: Catalog,
  role: string,
  object: { readonly owner: string; readonly grants: readonly Grant[] },
  all: readonly string[],
): ReadonlyMap<string, Right> {
  const superuser = superuserOf(catalog, role);
  if (superuser !== undefined) return everything(all, { role, grantee: superuser, by: "superuser" });
  if (catalog.access.isOwner(role, object.owner)) return everything(all, { role, grantee: object.owner, by: "owner" });
  const rights = new Map<string, Right>();
  for (const [privilege, grantee] of catalog.access.privileges(role, object.grants)) {
    rights.set(privilege, { role, grantee, by: "grant" });
  }
  return rights;
}

/** Rights on a table, view or sequence. Empty when the login may not even enter the schema. */
export function relationRights(catalog: Catalog, role: string, relation: Relation): ReadonlyMap<string, Right> {
  if (!entersSchema(catalog, role, relation.schema)) return new Map();
  const all: string[] =
    relation.kind === "sequence"
      ? ["SELECT", "USAGE", "UPDATE"]
      : [...TABLE_PRIVILEGES, ...(catalog.server.version >= MAINTAIN_SINCE ? ["MAINTAIN"] : [])];
  const rights = new Map(rightsOf(catalog, role, relation, all));
  const reached = catalog.access.reach(role);
  for (const [predefined, privileges] of PREDEFINED) {
    if (!reached.has(predefined)) continue;
    for (const privilege of privileges) {
      if (all.includes(privilege) && !rights.has(privilege)) {
        rights.set(privilege, { role, grantee: predefined, by: "predefined" });
      }
    }
  }
  for (const column of relation.columns) {
    for (const [privilege, right] of columnRights(catalog, role, column)) {
      if (!rights.has(privilege)) rights.set(privilege, right);
    }
  }
  return rights;
}

/** Rights given on one column; those on its table are not among them. */
export function columnRights(catalog: Catalog, role: string, { grants }: Column): ReadonlyMap<string, Right> {
  const rights = new Map<string, Right>();
  if (grants.length === 0) return rights;
  for (const [privilege, grantee] of catalog.access.privileges(role, grants)) {
    rights.set(privilege, { role, grantee, by: "grant" });
  }
  return rights;
}

/** Whether `role` can name what is in a schema: USAGE, through any chain. */
export function entersSchema(catalog: Catalog, role: string, name: string): boolean {
  const schema = catalog.schemas.find((candidate) => candidate.name === name);
  if (schema === undefined) return false;
  const reached = catalog.access.reach(role);
  if (reached.has("pg_read_all_data") || reached.has("pg_write_all_data")) return true;
  return rightsOf(catalog, role, schema, ["USAGE", "CREATE"]).has("USAGE");
}

/** The first superuser that `role` is or can become. */
export function superuserOf(catalog: Catalog, role: string): string | undefined {
  const reached = catalog.access.reach(role);
  return catalog.roles.find(({ name, superuser }) => superuser && reached.has(name))?.name;
}

function everything(privileges: readonly string[], right: Right): ReadonlyMap<string, Right> {
  return new Map(privileges.map((privilege) => [privilege, right]));
}
