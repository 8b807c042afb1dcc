import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, expect, test } from "vitest";
import { silentLogger } from "../../core/index.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "./index.ts";

const KILLS = 20;
const dataDir = mkdtempSync(join(tmpdir(), "ringwall-recovery-"));
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

async function connected(server: EmbeddedPostgres): Promise<Client> {
  const client = new Client({
    host: server.host,
    port: server.port,
    user: server.superuser,
    database: "postgres",
    password: server.superuserPassword().open(),
  });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/** Inserts one number after the other until the connection is gone; returns the last one that was acknowledged. */
async function insertUntilGone(client: Client, from: number): Promise<number> {
  for (let number = from; ; number += 1) {
    try {
      await client.query("insert into counted (n) values ($1)", [number]);
    } catch {
      return number - 1;
    }
  }
}

test("after kill -9 at any moment the next start comes up by itself and every acknowledged row is there", async () => {
  let acknowledged = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    const server = await startEmbeddedPostgres({ dataDir, log: silentLogger });
    const client = await connected(server);
    await client.query("create table if not exists counted (n integer primary key)");
    const { rows } = await client.query<{ last: number; rows: string }>(
      "select coalesce(max(n), 0)::int as last, count(*)::text as rows from counted",
    );
    // One insert may have committed without its answer having arrived; none that was answered may be missing.
    expect(rows[0]?.last).toBeGreaterThanOrEqual(acknowledged);
    expect(Number(rows[0]?.rows)).toBe(rows[0]?.last);
    const inserting = insertUntilGone(client, (rows[0]?.last ?? 0) + 1);
    const other = await connected(server);
    for (let wait = 0; wait < 20 + kill * 7; wait += 1) await other.query("select 1");
    process.kill(server.pid, "SIGKILL");
    acknowledged = await inserting;
    await server.exited;
    await server.stop();
  }
  expect(acknowledged).toBeGreaterThan(KILLS);
});
