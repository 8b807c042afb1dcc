import { once } from "node:events";
import { chmodSync, readFileSync, renameSync, rmSync } from "node:fs";
import { get } from "node:http";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { startEmbeddedPostgres } from "ringwall/adapters/embedded-postgres";
import { openSql } from "ringwall/adapters/postgres";
import { silentLogger } from "ringwall/core";
import { freePort } from "ringwall/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { temporaryFolder } from "../../context.fixture.ts";
import { writePrivateFile } from "../../private-file.ts";
import { type Start, startRingwall } from "./start.fixture.ts";

const folder = temporaryFolder();
const data = join(folder, "data");
const secret = (name: string): string => join(data, "secrets", name);

async function start(): Promise<Start & { readonly port: number }> {
  const port = await freePort();
  return { ...(await startRingwall(["--data", data, "--port", String(port), "--no-example"])), port };
}

/** The reason of a refusal, and that nothing is left running. */
async function refusal(): Promise<string> {
  const { refused, err } = await start();
  expect(refused).toBe(1);
  return err.join("\n");
}

/** What somebody with the superuser's password does to the database while Ringwall is down. */
async function meddle(...statements: readonly string[]): Promise<void> {
  const server = await startEmbeddedPostgres({ dataDir: join(data, "postgres"), log: silentLogger });
  const { host, port, superuser: user } = server;
  const credential = async () => await Promise.resolve(server.superuserPassword());
  const db = openSql({ host, port, database: "ringwall", user, credential });
  for (const text of statements) await sql.raw(text).execute(db);
  await db.destroy();
  await server.stop();
}

beforeAll(async () => {
  // PostgreSQL runs as another account than root, and has to get into its folder.
  chmodSync(folder, 0o711);
});

test("a start that runs answers on localhost by each of its addresses, and for no other host", async () => {
  const { refused, port } = await start();
  expect(refused).toBeUndefined();
  const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === "::1"));
  for (const host of ["127.0.0.1", "localhost", ...(hasIpv6 ? ["[::1]"] : [])]) {
    expect((await fetch(`http://${host}:${port}/readyz`)).status, host).toBe(200);
  }
  const stranger = get({ host: "127.0.0.1", port, path: "/readyz", headers: { host: "evil.example" } });
  const [response]: unknown[] = await once(stranger, "response");
  expect(response).toHaveProperty("statusCode", 421);
  stranger.destroy();
});

describe("is a refusal to start, with the reason and the way out:", () => {
  test("a key or password file that others can read", async () => {
    for (const name of ["context.key", "master.key", "audit.key", "ringwall_app.password"]) {
      chmodSync(secret(name), 0o644);
      expect(await refusal(), name).toMatch(new RegExp(`${name.replace(".", "\\.")} can be read by others.*chmod 600`));
      chmodSync(secret(name), 0o600);
    }
  });

  test("a master key that is gone, another one, or damaged", async () => {
    const file = secret("master.key");
    const own = readFileSync(file, "utf8");
    renameSync(file, `${file}.kept`);
    expect(await refusal()).toMatch(/no master key file.*restore the file/s);
    writePrivateFile(file, own.replace(/[^:]+$/, `${Buffer.alloc(32, 7).toString("base64url")}\n`));
    expect(await refusal()).toMatch(/master key/);
    writePrivateFile(file, own.slice(0, 30));
    expect(await refusal()).toMatch(/master key file/);
    rmSync(file);
    renameSync(`${file}.kept`, file);
  });

  test("a damaged context key", async () => {
    const own = readFileSync(secret("context.key"), "utf8");
    writePrivateFile(secret("context.key"), "garbage");
    expect(await refusal()).toMatch(/context\.key is damaged.*Delete it/s);
    writePrivateFile(secret("context.key"), own);
  });

  test("a schema of a later version, and one that is not Ringwall's", async () => {
    await meddle("insert into ringwall.schema_version (number, name) values (9999, '9999_later')");
    expect(await refusal()).toMatch(/9999_later.*use the version of Ringwall that made it/s);
    await meddle(
      "delete from ringwall.schema_version where number = 9999",
      "alter schema ringwall rename to kept",
      "create schema ringwall",
    );
    expect(await refusal()).toMatch(/did not make; rename it, or use another database/);
    await meddle("drop schema ringwall", "alter schema kept rename to ringwall");
    expect((await start()).refused).toBeUndefined();
  });
});
