import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../core/index.ts";
import { opensslMissing, type TestAuthority, testAuthority } from "../../testing/certificates.ts";
import { freePort } from "../../testing/free-port.ts";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../embedded-postgres/index.ts";
import { configuredTarget, openSql } from "./index.ts";

const missing = opensslMissing();
const SMALL = { fsync: "off", full_page_writes: "off", shared_buffers: "16MB", max_connections: "20" };

describe.skipIf(missing !== undefined)(
  `PostgreSQL over TLS${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    let folder = "";
    let server: EmbeddedPostgres;
    let authority: TestAuthority;
    let other: TestAuthority;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "rw-tls-"));
      chmodSync(folder, 0o755);
      authority = testAuthority(folder, "own");
      other = testAuthority(folder, "other");
      const port = await freePort();
      const tls = authority.issue(["DNS:localhost"]);
      const dataDir = join(folder, "data");
      server = await startEmbeddedPostgres({ dataDir, settings: SMALL, port, tls, log: silentLogger });
    });
    afterAll(async () => {
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    });

    async function encrypted(host: string, caFile: string | undefined, port = server.port): Promise<boolean> {
      const place = { host, port, database: "postgres", caFile };
      const target = await configuredTarget(place, server.superuser, async () => server.superuserPassword());
      const db = openSql(target);
      try {
        const { rows } = await sql<{ ssl: boolean }>`
        select ssl from pg_stat_ssl where pid = pg_backend_pid()`.execute(db);
        return rows[0]?.ssl === true;
      } finally {
        await db.destroy();
      }
    }

    const refusal = (reason: RegExp) => ({
      code: "database.unavailable",
      detail: { stage: "connect", reason: expect.stringMatching(reason) },
    });

    test("is encrypted where the authority signed the name that was asked for", async () => {
      expect(await encrypted("localhost", authority.caFile)).toBe(true);
    });

    test("is refused under a name or an address that the certificate does not hold", async () => {
      // The driver passes no address on, and Node would compare the certificate with "localhost" then.
      await expect(encrypted("127.0.0.1", authority.caFile)).rejects.toMatchObject(
        refusal(/ERR_TLS_CERT_ALTNAME_INVALID/),
      );
    });

    test("is refused when another authority signed, or none that Node knows", async () => {
      await expect(encrypted("localhost", other.caFile)).rejects.toMatchObject(refusal(/certificate was refused/));
      const known = openSql({
        host: "localhost",
        port: server.port,
        database: "postgres",
        user: server.superuser,
        credential: async () => server.superuserPassword(),
        tls: {},
      });
      await expect(sql`select`.execute(known)).rejects.toMatchObject(refusal(/certificate was refused/));
      await known.destroy();
    });

    test("is refused when the server speaks none, and when the server wants it and we do not", async () => {
      await expect(encrypted("127.0.0.1", undefined)).rejects.toMatchObject(refusal(/does not let this role connect/));
      const port = await freePort();
      const plain = await startEmbeddedPostgres({
        dataDir: join(folder, "plain"),
        settings: SMALL,
        port,
        log: silentLogger,
      });
      try {
        await expect(encrypted("localhost", authority.caFile, port)).rejects.toMatchObject(
          refusal(/does not speak TLS/),
        );
      } finally {
        await plain.stop();
      }
    });

    test("of an authorities' file that is missing, open to others or something else is a configuration error", async () => {
      const wrong = join(folder, "wrong.pem");
      const error = (message: RegExp) => ({ code: "config.invalid", message: expect.stringMatching(message) });
      await expect(encrypted("localhost", wrong)).rejects.toMatchObject(error(/caFile: .* cannot be read/));
      writeFileSync(wrong, "not a certificate");
      await expect(encrypted("localhost", wrong)).rejects.toMatchObject(error(/holds no certificate/));
      chmodSync(wrong, 0o666);
      await expect(encrypted("localhost", wrong)).rejects.toMatchObject(error(/written by others/));
    });
  },
);

test("beyond this machine there is TLS, whether or not an authority was named", async () => {
  const place = { port: 5432, database: "app" };
  const credential = () => Promise.reject(new Error("not asked for"));
  expect(await configuredTarget({ ...place, host: "db.internal" }, "ringwall_app", credential)).toMatchObject({
    tls: {},
  });
  for (const host of ["localhost", "127.0.0.1", "::1", "/run/postgresql"]) {
    expect(await configuredTarget({ ...place, host }, "ringwall_app", credential)).not.toHaveProperty("tls");
  }
});
