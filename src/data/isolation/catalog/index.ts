/**
 * What PostgreSQL's catalog says of a database: objects, rights, and who can act as whom.
 *
 * Guards nothing; it is what the checks stand on. Reads with any login in one read-only snapshot, with a constant
 * number of statements; never calls a function of the schema and never puts a name into a statement.
 *
 * Limits: PostgreSQL 15 and later; PostgreSQL's own schemas are left out, except for rights given on them afterwards.
 * Fails with `SqlRefusal`; what a login may not see is named in `unreadable`, never taken as absent.
 *
 * @module
 */
export type {
  Catalog,
  Column,
  Constraint,
  ForeignKeyAction,
  Index,
  Oid,
  Policy,
  Relation,
  RelationKind,
  Routine,
  Rule,
  Schema,
  Trigger,
  UnreadablePart,
} from "./model.ts";
export {
  type Access,
  accessOf,
  type Grant,
  type Membership,
  PUBLIC,
  type Reach,
  type Role,
  type Way,
} from "./principals.ts";
export { readCatalog, readCatalogWithin } from "./read.ts";
export type {
  DefaultPrivilege,
  HbaRule,
  Publication,
  RoleSetting,
  Server,
  SystemGrant,
} from "./server-model.ts";
