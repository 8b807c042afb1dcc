import { Pool } from "../../../src/adapters/postgres/pool.ts";
import type { StepResult } from "../../../src/adapters/postgres/wire.ts";
import { RingwallError, type SqlValue, type Statement, systemClock } from "../../../src/core/index.ts";
import type { Access } from "../cluster.ts";
import { targetOf } from "../ringwall/database.ts";

/** Our own pool and wire, with no tenant: what the `Database` port never gives. */
export interface LeanDatabase {
  /** A read beside others on a shared connection. */
  read<Row extends object>(statement: Statement<Row>, values: readonly SqlValue[]): Promise<readonly Row[]>;
  /** One statement that changes something, in a transaction of its own on a connection of its own. */
  write<Row extends object>(statement: Statement<Row>, values: readonly SqlValue[]): Promise<readonly Row[]>;
}

function noContext(): never {
  throw new RingwallError("internal", { detail: { what: "a context was asked for" } });
}

export function leanDatabase(access: Access, sizeMax: number): LeanDatabase {
  const pool = new Pool({
    target: targetOf(access),
    clock: systemClock,
    sizeMax,
    signer: { kid: "none", sign: noContext, sealNotice: noContext, openNotice: noContext },
  });
  const alone =
    (leases: boolean): LeanDatabase["read"] =>
    async <Row extends object>(statement: Statement<Row>, values: readonly SqlValue[]) => {
      const found = leases ? pool.lease() : pool.shared();
      const member = found instanceof Promise ? await found : found;
      try {
        const results = await new Promise<readonly StepResult[]>((done, failed) => {
          member.wire.send([{ statement, values }], done, failed);
        });
        // The statement declares its row type; the columns are PostgreSQL's.
        return (results[0]?.rows ?? []) as readonly Row[];
      } finally {
        pool.release(member);
      }
    };
  return { read: alone(false), write: alone(true) };
}
