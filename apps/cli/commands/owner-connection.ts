import { readFileSync } from "node:fs";
import { Kysely, PostgresDialect } from "kysely";
import { Pool } from "pg";
import type { PlainSecret } from "ringwall/core";

/** Where to connect as an owner: superuser or ringwall_migrate. Used for a moment, by migrations and checks. */
export interface OwnerTarget {
  /** The folder of a unix socket, or a host name. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  readonly password: PlainSecret;
  /** The authority that signed the server's certificate. Required wherever the host is not a socket or this machine. */
  readonly caFile?: string;
}

const CONNECT_MS = 5_000;

/** Runs `work` on one connection of its own, and closes it. Migrations have no statement timeout. */
export async function asOwner<T>(target: OwnerTarget, work: (db: Kysely<unknown>) => Promise<T>): Promise<T> {
  const local = target.host.startsWith("/") || target.host === "localhost" || target.host.startsWith("127.");
  const ca = target.caFile === undefined ? undefined : readFileSync(target.caFile, "utf8");
  const pool = new Pool({
    host: target.host,
    port: target.port,
    database: target.database,
    user: target.user,
    password: target.password.open(),
    // Written out: a connection beyond this machine is verified, certificate and host name, or is not made.
    ssl:
      local && ca === undefined
        ? false
        : { rejectUnauthorized: true, minVersion: "TLSv1.2", ...(ca === undefined ? {} : { ca }) },
    application_name: "ringwall owner",
    connectionTimeoutMillis: CONNECT_MS,
    // Two: the advisory lock's connection, and none that waits for it.
    max: 2,
  });
  pool.on("error", () => {});
  const db = new Kysely<unknown>({ dialect: new PostgresDialect({ pool }) });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
