/**
 * Layer 4, blind indexes: finding a sealed value by equality without opening every row.
 *
 * A tag is a truncated HMAC of the normalised value, under a key for one tenant, table, column, index, normaliser and
 * version that hangs on the tenant's `index` key. Tags of two tenants, columns or indexes have nothing in common. A
 * search asks for the tags of a value, opens what it gets and keeps what really matches, because truncated tags hit
 * rows of other values on purpose: `planIndexes` cuts them so that no set of tags names one row.
 *
 * Guards against whoever reads the database without keys: they see which rows may be equal, and no more than
 * `measureLeakage` says. Does not guard against somebody who also holds the `index` key (values of few possibilities are
 * then tried one by one), who can ask the application to search, or who writes the database: tags can be copied from row
 * to row, so nothing may be trusted because a tag matched. A unique index is stored in full and tells equality.
 *
 * Limits: 16 rows at least for each tenant, 128 bits, 64 partitions, versions 1 to 255, 2 key versions in a search.
 * Fails closed: an unsafe plan is `config.invalid`, and a search without the key is an error, not an empty answer.
 *
 * @module
 */
export { type Leakage, measureLeakage, type Observation, shareAlone } from "./leakage.ts";
export { NORMALISER_NAMES, type NormaliserName, normalise, normaliserId } from "./normalise.ts";
export { type IndexPlan, type PlannedIndex, type PlannedInput, planIndexes } from "./planner.ts";
export { checkIndex, type IndexSpec, randomTag, TAG_HEADER_BYTES, tagBytes, tagOf, tagsFor } from "./tag.ts";
