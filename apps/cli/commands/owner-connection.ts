import { readFileSync } from "node:fs";
import { openSql } from "ringwall/adapters/postgres";
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

type Owner = ReturnType<typeof openSql>;

/** Runs `work` on one connection of its own, and closes it. */
export async function asOwner<T>(target: OwnerTarget, work: (db: Owner) => Promise<T>): Promise<T> {
  const { password, caFile, ...place } = target;
  const db = openSql({
    ...place,
    credential: async () => await Promise.resolve(password),
    ...(caFile === undefined ? {} : { tls: { ca: readFileSync(caFile, "utf8") } }),
  });
  try {
    return await work(db);
  } finally {
    await db.destroy();
  }
}
