/**
 * How the database comes to be: roles, schema, context key. Only the migrate process uses it.
 *
 * Forward only: a released migration is never edited. Run `installRoles` and `installDatabase` once as superuser, then
 * `migrate` and `installContextKey` as `ringwall_migrate`; servers call `checkSchema` and refuse another version.
 *
 * @module
 */
export { type RegisteredTable, registerSealedTable } from "../src/data/upkeep/index.ts";
export { type ContentsFacts, checkNeverUsed, exportContents, importContents, type TableFacts } from "./contents.ts";
export { installContextKey, liveContextKeys } from "./context.ts";
export { type ApplicationMigrations, checkSchema, checkServerVersion, MIGRATIONS, migrate } from "./migrate.ts";
export type { Migration } from "./migration.ts";
export {
  closeDatabase,
  installDatabase,
  installRoles,
  type LoginRole,
  type RoleOptions,
  setPassword,
} from "./roles.ts";
export { type SealOptions, sealColumns } from "./sealed.ts";
export { definerFunction, wall } from "./wall.ts";
