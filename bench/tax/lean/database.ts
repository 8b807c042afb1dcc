import { Pool } from "../../../src/adapters/postgres/pool.ts";
import type { Step, StepResult } from "../../../src/adapters/postgres/wire.ts";
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

/** Trips over our own pool and wire, with what each carries and no tenant. */
export interface LeanWire {
  /**
   * Sends one trip after another over one connection: a leased one, or one that reads share.
   * @param how.answer - The trip, counted from 0, whose last step's rows are counted.
   */
  send(
    trips: readonly (readonly Step[])[],
    how: { readonly leases: boolean; readonly answer: number },
  ): Promise<number>;
  close(): Promise<void>;
}

export type { Step } from "../../../src/adapters/postgres/wire.ts";

function openPool(access: Access, sizeMax: number): Pool {
  return new Pool({
    target: targetOf(access),
    clock: systemClock,
    sizeMax,
    signer: { kid: "none", sign: noContext, sealNotice: noContext, openNotice: noContext },
  });
}

export function leanWire(access: Access, sizeMax: number): LeanWire {
  const pool = openPool(access, sizeMax);
  return {
    async send(trips, { answer, leases }) {
      const found = leases ? pool.lease() : pool.shared();
      const member = found instanceof Promise ? await found : found;
      try {
        let rows = 0;
        for (const [trip, steps] of trips.entries()) {
          const results = await new Promise<readonly StepResult[]>((done, failed) => {
            member.wire.send(steps, done, failed);
          });
          if (trip === answer) rows = results.at(-1)?.rows.length ?? 0;
        }
        return rows;
      } finally {
        pool.release(member);
      }
    },
    close: () => pool.close(),
  };
}

export function leanDatabase(access: Access, sizeMax: number): LeanDatabase {
  const pool = openPool(access, sizeMax);
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
