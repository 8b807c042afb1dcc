import { Kysely, PostgresDialect } from "kysely";
import pg from "pg";
import type { Target } from "./connect.ts";
import { openClient } from "./connect.ts";

/**
 * A plain connection for migrations, start-up checks and the setting up of roles: one at a time, no tenant context, no
 * statement timeout. Not for requests. Call `destroy()` when done.
 */
export function openSql(target: Target): Kysely<unknown> {
  let client: pg.Client | undefined;
  // Kysely wants a pool; here it is one connection, opened by the same rules as every other.
  const pool = {
    async connect() {
      client ??= await openClient(target, false);
      return Object.assign(client, { release() {} });
    },
    async end() {
      await client?.end();
      client = undefined;
    },
    options: {},
  };
  return new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
}
