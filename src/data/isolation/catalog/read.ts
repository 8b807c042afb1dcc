import type { SqlSession } from "../session.ts";
import type { Catalog, Schema } from "./model.ts";
import { readMeanings } from "./operators.ts";
import { accessOf } from "./principals.ts";
import { SCHEMAS } from "./queries.ts";
import { readLeakproofTypes, readRelations } from "./relations.ts";
import { readRoutines } from "./routines.ts";
import { type GrantRows, grantsOf } from "./rows.ts";
import { readRoles, readServer } from "./server.ts";
import { readTableParts } from "./table-parts.ts";

/**
 * Reads everything about the database that the session is connected to, in one read-only snapshot. The number of
 * statements is constant. Any login may do it: PostgreSQL shows its catalog to everyone, and what it hides from this
 * login is listed in `unreadable`.
 *
 * The session must not be in a transaction; it is not in one afterwards.
 *
 * @throws SqlRefusal when PostgreSQL refuses: a catalog that was locked away, a statement that took too long, an object
 * that was dropped meanwhile.
 */
export async function readCatalog(session: SqlSession): Promise<Catalog> {
  await session.query("begin isolation level repeatable read read only");
  try {
    return await readCatalogWithin(session);
  } finally {
    await session.query("rollback");
  }
}

/** The same inside a transaction of the caller's: sees what was made in it, and leaves its settings as they were. */
export async function readCatalogWithin(session: SqlSession): Promise<Catalog> {
  await session.query("savepoint ringwall_catalog");
  // The temporary schema comes last by name, so that nothing in it stands for something of PostgreSQL's; with no other
  // schema in the path PostgreSQL writes every name of ours qualified in the expressions it gives back.
  await session.query("set local search_path = pg_catalog, pg_temp");
  await session.query("set local quote_all_identifiers = off");
  const catalog = await readAll(session);
  await session.query("rollback to savepoint ringwall_catalog");
  await session.query("release savepoint ringwall_catalog");
  return catalog;
}

async function readAll(session: SqlSession): Promise<Catalog> {
  const { server, may, unreadable } = await readServer(session);
  const roles = await readRoles(session);
  const relations = await readRelations(session);
  const parts = await readTableParts(session);
  const routines = await readRoutines(session, may);
  const schemas = await readSchemas(session);
  const leakproofTypes = await readLeakproofTypes(session);
  const meanings = await readMeanings(session);
  const access = accessOf(roles, server.version);
  return { server, roles, access, schemas, relations, ...parts, routines, leakproofTypes, meanings, unreadable };
}

async function readSchemas(session: SqlSession): Promise<readonly Schema[]> {
  const rows = await session.query<{ name: string; owner: string; grants: GrantRows }>(SCHEMAS);
  return rows.map(
    ({ name, owner, grants }): Schema => ({
      name,
      owner,
      grants: grantsOf(grants),
    }),
  );
}
