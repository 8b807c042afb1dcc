import type { Database, SqlValue, Statement, Tracing, Transaction } from "../../core/index.ts";

const SYSTEM = { "db.system.name": "postgresql" } as const;

/**
 * The same database, with a span for each trip to it. A transaction is a span around those of its statements; what is
 * deferred travels with its commit and is part of it. Values are never among the facts.
 */
export function tracedDatabase(database: Database, tracing: Tracing): Database {
  return {
    forTenant: (tenant, actor, work) =>
      tracing.trace("database.transaction", SYSTEM, () =>
        database.forTenant(tenant, actor, (tx) => work(tracedTransaction(tx, tracing))),
      ),
    once: (tenant, actor, statement, values) =>
      tracing.trace("database.statement", facts(statement), () => database.once(tenant, actor, statement, values)),
    lookup: (name, values) =>
      tracing.trace("database.lookup", { ...SYSTEM, "db.operation.name": name }, () => database.lookup(name, values)),
    close: () => database.close(),
  };
}

function tracedTransaction(tx: Transaction, tracing: Tracing): Transaction {
  return {
    tenant: tx.tenant,
    actor: tx.actor,
    run: <Row extends object>(statement: Statement<Row>, values?: readonly SqlValue[]) =>
      tracing.trace("database.statement", facts(statement), () => tx.run(statement, values)),
    defer: (statement, values) => tx.defer(statement, values),
    invalidate: (message) => tx.invalidate(message),
  };
}

function facts({ name }: Pick<Statement, "name">): Readonly<Record<string, string>> {
  return { ...SYSTEM, "db.operation.name": name };
}
