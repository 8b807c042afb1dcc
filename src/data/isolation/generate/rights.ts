import type { Grant, Oid, Relation } from "../catalog/index.ts";
import { quoted } from "../sql-text.ts";
import type { Draft } from "./plan.ts";
import type { Schema } from "./subjects.ts";

/** What no statement of a request needs: TRUNCATE asks no policy, REFERENCES probes keys, TRIGGER runs code as others. */
const NEVER: ReadonlySet<string> = new Set(["TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN"]);
/** SELECT tells the last value, UPDATE sets it: how much all tenants together made. */
const NEVER_OF_SEQUENCES: ReadonlySet<string> = new Set(["SELECT", "UPDATE"]);
const ALL: ReadonlySet<string> = new Set(["SELECT", "INSERT", "UPDATE", "DELETE", ...NEVER]);

/** Takes away from the roles of requests, and from everybody, what they need for nothing. */
export function planRights(schema: Schema, draft: Draft): void {
  for (const relation of schema.catalog.relations.values()) {
    if (relation.extension === undefined && isInScope(schema, relation.schema)) planRelation(schema, relation, draft);
  }
  planSchemas(schema, draft);
  planDatabase(schema, draft);
  planDefaults(schema, draft);
  planContext(schema, draft);
}

function isInScope({ settings }: Schema, name: string): boolean {
  return settings.schemas.length === 0 ? name !== "ringwall" : settings.schemas.includes(name);
}

function planRelation(schema: Schema, relation: Relation, draft: Draft): void {
  const { kind, name } = relation;
  const object = { name: `${relation.schema}.${name}`, sql: quoted(relation.schema, name), grants: relation.grants };
  if (kind === "sequence") {
    keepUsage(schema, relation, draft);
    revoke(schema, { ...object, sql: `sequence ${object.sql}` }, NEVER_OF_SEQUENCES, draft);
    return;
  }
  if (kind === "materialized view" && readsTenants(schema, relation)) {
    if (revoke(schema, object, ALL, draft)) {
      draft.note(
        { kind, schema: relation.schema, name },
        `${object.name} keeps rows of all tenants and no policy holds it, so the logins lose it: give them a narrow ` +
          "function over it instead, or a table with a wall that a job fills",
      );
    }
    return;
  }
  const isChild = schema.subjects.get(relation.oid)?.isChild === true;
  if (!isChild) spreadPublic(schema, relation, draft);
  revoke(schema, object, isChild ? ALL : NEVER, draft);
}

/** Drawing a number needs USAGE or UPDATE; who loses UPDATE keeps drawing. */
function keepUsage(schema: Schema, relation: Relation, draft: Draft): void {
  const holders = (privilege: string): readonly string[] =>
    relation.grants.filter((grant) => grant.privilege === privilege).map(({ grantee }) => grantee);
  for (const grantee of holders("UPDATE")) {
    if (!schema.reached.has(grantee) || holders("USAGE").includes(grantee)) continue;
    const sql = `grant usage on sequence ${quoted(relation.schema, relation.name)} to ${roleName(grantee)}`;
    draft.step("grants", `${relation.schema}.${relation.name}`, sql);
  }
}

/** What everybody may do with tenants' rows becomes what the logins may do. */
function spreadPublic(schema: Schema, relation: Relation, draft: Draft): void {
  if (!schema.subjects.has(relation.oid)) return;
  const held = relation.grants.filter(({ grantee }) => grantee === "public").map(({ privilege }) => privilege);
  const kept = held.filter((privilege) => !NEVER.has(privilege));
  const [name, sql] = [`${relation.schema}.${relation.name}`, quoted(relation.schema, relation.name)];
  if (kept.length === 0) return;
  const words = kept.map((privilege) => privilege.toLowerCase()).join(", ");
  for (const role of schema.settings.appRoles)
    draft.step("grants", name, `grant ${words} on ${sql} to ${quoted(role)}`);
  draft.step("revokes", name, `revoke ${words} on ${sql} from public`, { before: `everybody holds ${words}` });
}

interface Revocable {
  readonly name: string;
  /** As it stands after ON. */
  readonly sql: string;
  readonly grants: readonly Grant[];
}

/** True when there is something to revoke. */
function revoke(schema: Schema, { grants, name, sql }: Revocable, which: ReadonlySet<string>, draft: Draft): boolean {
  const byGrantee = Map.groupBy(
    grants.filter(({ grantee, privilege }) => which.has(privilege) && mayLose(schema, grantee)),
    ({ grantee }) => grantee,
  );
  for (const [grantee, held] of byGrantee) {
    const words = held.map(({ privilege }) => privilege.toLowerCase()).join(", ");
    draft.step("revokes", name, `revoke ${words} on ${sql} from ${roleName(grantee)}`, {
      before: `${grantee} holds ${words}`,
    });
  }
  return byGrantee.size > 0;
}

/** The owner's own grant is not a right that somebody gave. */
function mayLose({ reached, settings }: Schema, grantee: string): boolean {
  return reached.has(grantee) && !settings.ownerRoles.includes(grantee);
}

function roleName(grantee: string): string {
  return grantee === "public" ? "public" : quoted(grantee);
}

/** Whether a view shows tenants' rows, through any number of views. */
export function readsTenants(schema: Schema, relation: Relation, seen: ReadonlySet<Oid> = new Set()): boolean {
  return relation.reads.some((oid) => {
    if (seen.has(oid)) return false;
    if (schema.subjects.has(oid)) return true;
    const next = schema.catalog.relations.get(oid);
    return next !== undefined && readsTenants(schema, next, new Set([...seen, oid, relation.oid]));
  });
}

function planSchemas(schema: Schema, draft: Draft): void {
  for (const { grants, name } of schema.catalog.schemas) {
    if (isInScope(schema, name))
      revoke(schema, { name, sql: `schema ${quoted(name)}`, grants }, new Set(["CREATE"]), draft);
  }
}

function planDatabase(schema: Schema, draft: Draft): void {
  const { database, databaseGrants } = schema.catalog.server;
  const object = { name: database, sql: `database ${quoted(database)}`, grants: databaseGrants };
  revoke(schema, object, new Set(["CREATE", "TEMPORARY"]), draft);
}

function planDefaults(schema: Schema, draft: Draft): void {
  for (const { grants, objects, owner, schema: place } of schema.catalog.server.defaultPrivileges) {
    if (objects !== "tables" && objects !== "sequences") continue;
    if (place !== undefined && !isInScope(schema, place)) continue;
    for (const grantee of new Set(grants.map((grant) => grant.grantee).filter((name) => name !== owner))) {
      if (!mayLose(schema, grantee)) continue;
      const where = place === undefined ? "" : ` in schema ${quoted(place)}`;
      draft.step(
        "revokes",
        place ?? owner,
        `alter default privileges for role ${quoted(owner)}${where} revoke all on ${objects} from ${roleName(grantee)}`,
        { before: `${grantee} gets every future one of ${owner}'s ${objects}` },
      );
    }
  }
}

/** Whoever meets the wall has to be able to ask whose the transaction is. */
function planContext({ catalog, settings, subjects }: Schema, draft: Draft): void {
  if (settings.context.kind !== "ringwall") return;
  const isThere = [...catalog.routines.values()].some(({ name, schema }) => schema === "ringwall" && name === "tenant");
  if (!isThere) {
    draft.decide(
      { kind: "function", schema: "ringwall", name: "tenant" },
      "ringwall.tenant() is not in this database, and the walls ask it: run ringwall migrate first, or name a setting as the context",
    );
    return;
  }
  const owners = [...subjects.values()].map(({ relation }) => relation.owner);
  for (const role of new Set([...settings.appRoles, ...settings.ownerRoles, ...owners])) {
    const known = catalog.roles.find(({ name }) => name === role);
    if (known === undefined || known.superuser || catalog.access.reach(role).has("ringwall_client")) continue;
    if (role.startsWith("ringwall_")) continue;
    draft.step("roles", role, `grant ringwall_client to ${quoted(role)}`, { before: "cannot ask for the tenant" });
  }
}
