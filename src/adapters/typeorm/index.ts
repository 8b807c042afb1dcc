/**
 * TypeORM over the transactions of `ringwall/data/transactions`.
 *
 * Guards and limits are those: a query outside `run` is refused, a transaction of a query runner is a savepoint. An
 * isolation level is given to `run`. What `initialize()` asks (version, database, schema) runs without a tenant and reaches
 * no row. Needs the package `typeorm`, which the application brings.
 *
 * @module
 */
export { TYPEORM_OUTSIDE, typeormOptions } from "./typeorm.ts";
