import { chmodSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "ringwall/adapters/embedded-postgres";
import { PlainSecret, silentLogger } from "ringwall/core";
import { freePort, opensslMissing, type TestAuthority, testAuthority } from "ringwall/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { writePrivateFile } from "../../private-file.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { asOwner } from "../owner-connection.ts";
import { startRingwall } from "./start.fixture.ts";

const missing = opensslMissing();
const SETTINGS = { fsync: "off", full_page_writes: "off", shared_buffers: "32MB", max_connections: "60" };

describe.skipIf(missing !== undefined)(
  `a PostgreSQL of one's own${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    const folder = temporaryFolder();
    const data = join(folder, "data");
    const config = join(folder, "ringwall.config.json");
    const adminPassword = join(folder, "postgres.password");
    const admin = ["--admin-password", adminPassword];
    let postgres: EmbeddedPostgres;
    let authority: TestAuthority;

    beforeAll(async () => {
      // PostgreSQL runs as another account than root, and has to get into its folder.
      chmodSync(folder, 0o711);
      authority = testAuthority(folder, "own");
      postgres = await startEmbeddedPostgres({
        dataDir: join(folder, "postgres"),
        settings: SETTINGS,
        port: await freePort(),
        tls: authority.issue(["DNS:localhost"]),
        log: silentLogger,
      });
      writePrivateFile(adminPassword, postgres.superuserPassword().open());
      configure({});
    });
    afterAll(async () => {
      await postgres.stop();
    });

    function configure(over: Record<string, unknown>): void {
      const migratePassword = `file:${join(folder, "migrate.password")}`;
      const database = {
        kind: "postgres",
        host: "localhost",
        port: postgres.port,
        caFile: authority.caFile,
        migratePassword,
        ...over,
      };
      writePrivateFile(config, JSON.stringify({ mode: "development", database }));
    }

    async function command(...words: string[]): Promise<{ code: number; said: string }> {
      const { context, out, err } = recorded({ cwd: folder });
      const code = await run(commands, [...words, "--config", config, "--data", data], context);
      return { code, said: [...out, ...err].join("\n") };
    }

    async function start(): ReturnType<typeof startRingwall> {
      return await startRingwall([
        "--config",
        config,
        "--data",
        data,
        "--port",
        String(await freePort()),
        "--no-example",
      ]);
    }

    async function refusal(): Promise<string> {
      const { refused, err } = await start();
      expect(refused).toBe(1);
      return err.join("\n");
    }

    test("is refused by start until it was set up, with the way out", async () => {
      expect(await refusal()).toMatch(/there is no context key.*\n.*ringwall migrate/);
      const { code, said } = await command("migrate");
      expect([code, said]).toEqual([1, expect.stringMatching(/migrate\.password cannot be read/)]);
    });

    test("is set up by one command with a superuser's password, which is kept nowhere, and again changes nothing", async () => {
      const first = await command("migrate", ...admin, "--client", "shop_app");
      expect([first.code, first.said]).toEqual([0, expect.stringContaining("applied 0001_tenants")]);
      const passwords = ["ringwall_app.password", "ringwall_worker.password", "shop_app.password", "context.key"];
      const secrets = (): string[] => passwords.map((name) => readFileSync(join(data, "secrets", name), "utf8"));
      const before = secrets();
      const again = await command("migrate", ...admin, "--client", "shop_app");
      expect([again.code, again.said]).toEqual([0, "nothing to do: the schema is up to date"]);
      expect(secrets()).toEqual(before);
      expect(before.join()).not.toContain(postgres.superuserPassword().open());
      const shop = {
        host: postgres.host,
        port: postgres.port,
        database: "ringwall",
        user: "shop_app",
        credential: async () => new PlainSecret((before[2] ?? "").trim()),
      };
      const members = await asOwner(shop, (db) =>
        db
          .withTables<{ pg_auth_members: { member: unknown } }>()
          .selectFrom("pg_auth_members")
          .select("member")
          .execute(),
      );
      expect(members.length).toBeGreaterThan(0);
    });

    test("runs the host application's migrations after Ringwall's, from a file that only its owner may change", async () => {
      const module = join(folder, "shop.mjs");
      writeFileSync(
        module,
        'export const APPLICATION = "shop"; export const MIGRATIONS = [{ name: "0001_shop", async up() {} }];',
      );
      const { code, said } = await command("migrate", "--with", module);
      expect([code, said]).toEqual([0, "applied shop/0001_shop"]);
      expect((await command("migrate", "--with", module)).said).toContain("nothing to do");
      chmodSync(module, 0o666);
      expect((await command("migrate", "--with", module)).said).toContain("can be written by other users");
    });

    test("serves ringwall start, over TLS, and doctor says that it fits", async () => {
      const port = await freePort();
      const running = await startRingwall(["--config", config, "--data", data, "--port", String(port), "--no-example"]);
      expect([running.refused, running.err.join("\n")]).toEqual([
        undefined,
        expect.stringContaining("server ... ready"),
      ]);
      expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
      const { said } = await command("doctor");
      expect(said).toMatch(/ok +database: localhost:\d+\/ringwall, schema fits/);
      expect(await running.stop()).toBe(0);
    });

    test("is refused under a name that its certificate does not hold, or signed by another authority", async () => {
      configure({ host: "127.0.0.1" });
      expect(await refusal()).toMatch(/certificate was refused \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
      expect((await command("doctor")).said).toMatch(/fail +database: .*certificate was refused/);
      configure({ caFile: testAuthority(folder, "other").caFile });
      expect(await refusal()).toMatch(/certificate was refused/);
      configure({ caFile: join(folder, "none.pem") });
      expect(await refusal()).toMatch(/caFile: .*none\.pem cannot be read/);
      configure({});
    });

    test("is refused with another context key, another password, or another master key", async () => {
      const swap = async (name: string, text: string): Promise<string> => {
        const file = join(data, "secrets", name);
        renameSync(file, `${file}.kept`);
        writePrivateFile(file, text);
        const said = await refusal();
        rmSync(file);
        renameSync(`${file}.kept`, file);
        return said;
      };
      expect(await swap("context.key", `0123456789ab:${"A".repeat(43)}`)).toMatch(/does not know the context key/);
      expect(await swap("context.key", "garbage")).toMatch(/context\.key is damaged/);
      expect(await swap("ringwall_worker.password", "wrong")).toMatch(/as ringwall_worker: the password was refused/);
      expect(await swap("master.key", `ringwall-master-1:${"A".repeat(43)}=\n`)).toMatch(/master key/);
      const { refused } = await start();
      expect(refused).toBeUndefined();
    });

    test("of roles whose password files are gone is not given new passwords", async () => {
      const file = join(data, "secrets", "ringwall_app.password");
      renameSync(file, `${file}.kept`);
      const { code, said } = await command("migrate", ...admin);
      expect([code, said]).toEqual([1, expect.stringMatching(/role ringwall_app exists, and there is no/)]);
      renameSync(`${file}.kept`, file);
    });
  },
);
