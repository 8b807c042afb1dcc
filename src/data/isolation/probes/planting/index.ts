/**
 * Layer 4, isolation, planting: what the probes need to know of a schema, and rows of made-up tenants in it.
 *
 * Guards nothing. Values are tried until PostgreSQL takes a row, references first, as the tables' own rules say.
 *
 * Limits: 40 tries for a row; what no value was found for is said to be unplanted. Takes no number of a sequence.
 *
 * @module
 */
export {
  draftRow,
  type Garden,
  inOrder,
  insertable,
  insertSql,
  type Planted,
  type PlantedRow,
  plantRow,
  relationName,
  typed,
} from "./plant.ts";
export { type Key, type Reference, type Relation, type Routine, readSchema, type Schema, tableName } from "./schema.ts";
export { madeTenant, ownerColumns, probedTables, tenantsFor } from "./tenants.ts";
export { type Tenant } from "./values.ts";
