import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Client } from "pg";
import { expect } from "vitest";
import { freePort } from "../../src/testing/index.ts";
import { type OwnPostgres, ownPostgres, ringwall } from "./own-postgres.ts";

/** One installation: a PostgreSQL of its own, a folder, a configuration and a data directory in it. */
export interface Side {
  readonly own: OwnPostgres;
  readonly data: string;
  readonly port: number;
  readonly config: { readonly mode: string; readonly database: Readonly<Record<string, string | number>> };
}

/** A PostgreSQL that is running, and a configuration for it; nothing of ours is in it yet. */
export async function side(): Promise<Side> {
  const own = await ownPostgres();
  const config = {
    mode: "development",
    database: {
      kind: "postgres",
      host: "localhost",
      port: own.postgres.port,
      caFile: own.authority.caFile,
      migratePassword: `file:${join(own.folder, "secrets", "ringwall_migrate.password")}`,
    },
  };
  mkdirSync(join(own.folder, "secrets"), { mode: 0o700 });
  writeFileSync(join(own.folder, "ringwall.config.json"), JSON.stringify(config), { mode: 0o600 });
  return { own, data: join(own.folder, "data"), port: await freePort(), config };
}

/** A file in an installation's folder. */
export const at = ({ own }: Side, name: string): string => join(own.folder, name);

/** A command of an installation's own. */
export async function run(of: Side, line: string, cli?: string): Promise<string> {
  const { code, said } = await ringwall(of.own.folder, [...line.split(" "), "--data", of.data], [], cli);
  expect([line, code, said]).toEqual([line, 0, said]);
  return said;
}

/** What the superuser of its database sees. */
export async function query(of: Side, text: string): Promise<readonly Record<string, unknown>[]> {
  const ssl = { ca: readFileSync(of.own.authority.caFile, "utf8") };
  const password = of.own.postgres.superuserPassword().open();
  const place = {
    host: "localhost",
    port: of.own.postgres.port,
    user: "postgres",
    database: "ringwall",
    password,
    ssl,
  };
  const client = new Client(place);
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>(text)).rows;
  } finally {
    await client.end();
  }
}
