import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import { openClient, type Target } from "./connect.ts";

/**
 * A query builder on one connection without timeouts, for the migrate process. `destroy()` it when done.
 * @throws RingwallError `database.unavailable`
 */
export function ownerConnection(target: Target): Kysely<unknown> {
  const pool = {
    async connect() {
      const { client } = await openClient(target, false);
      return Object.assign(client, { release: () => void client.end() });
    },
    async end() {},
  };
  // kysely asks of a pool: connect, release, end.
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool: pool as unknown as pg.Pool }) });
}
