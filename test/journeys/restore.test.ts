import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { postgresDatabase } from "../../src/adapters/postgres/index.ts";
import { silentLogger, systemClock, tenantId } from "../../src/core/index.ts";
import { openInstallation } from "../../src/installation.ts";
import { createRingwall } from "../../src/ringwall.ts";
import { opensslMissing } from "../../src/testing/index.ts";
import { enrolAdministrator } from "./administrator.ts";
import { at, query, run, type Side, side } from "./own-installation.ts";
import { type Running, ringwall, start } from "./own-postgres.ts";

// An installation on somebody's own PostgreSQL is backed up, then a tenant of it is erased; a second PostgreSQL, which has
// never seen it, gets the backup. Erased stays erased, because the ledger is not part of what was put back.

const missing = opensslMissing();

let first: Side;
let second: Side;
let running: Running | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  first = await side();
  second = await side();
}, 180_000);

afterAll(async () => {
  if (missing !== undefined) return;
  await running?.stop();
  await second.own.stop();
  await first.own.stop();
}, 60_000);

async function serve(of: Side): Promise<void> {
  const words = ["--data", of.data, "--no-example", "--port", String(of.port)];
  running = await start(of.own.folder, [...words, "--bootstrap-file", at(of, "bootstrap.link")]);
}

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

/** A tenant's secret as its application reads it, or the code of why not. */
async function secretOf(of: Side, tenant: string): Promise<string> {
  const place = { configFile: at(of, "ringwall.config.json"), dataDir: of.data, uid: process.getuid?.() };
  const installation = await openInstallation({ ...place, log: silentLogger });
  const opened = await createRingwall(installation.config, { ...installation.parts, clock: systemClock });
  try {
    const actor = { type: "service", tenant: tenantId(tenant), name: "shop" } as const;
    return (await opened.secrets.getFresh("shop/mail", { actor, tenant: actor.tenant })).open();
  } catch (error) {
    return error instanceof Error && "code" in error ? String(error.code) : "another error";
  } finally {
    await opened.close();
    await installation.close();
  }
}

const LIVE_KEYS =
  "select count(*)::int as live from ringwall.tenant_key where tenant_id = 'doomed' and wrapped is not null";

describe.skipIf(missing !== undefined)(
  `restoring into a PostgreSQL of one's own${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 240_000 },
  () => {
    test("a backup is made, and then a tenant is erased", async () => {
      await run(first, `migrate --admin-password ${first.own.adminPassword} --client shop_app`);
      await serve(first);
      const credential = at(first, "root.key");
      await enrolAdministrator(first.port, { link: at(first, "bootstrap.link"), credential });
      for (const tenant of ["doomed", "kept"]) {
        await run(first, `tenants create ${tenant}`);
        writeFileSync(at(first, "value"), `the mail password of ${tenant}`, { mode: 0o600 });
        await run(first, `secrets set shop/mail --tenant ${tenant} --file value`);
      }
      expect(await secretOf(first, "doomed")).toBe("the mail password of doomed");
      await run(first, `backup --out before.tar --admin-password ${first.own.adminPassword}`);
      const shred = ["keys", "shred", "doomed", "--reason", "the contract ended", "--certificate-file", "doomed.json"];
      const remote = ["--url", `http://localhost:${first.port}`, "--credential", credential];
      const shredded = await ringwall(first.own.folder, [...shred, ...remote], ["doomed"]);
      expect([shredded.code, shredded.said]).toEqual([0, expect.stringContaining("every key of doomed is destroyed")]);
      expect(await secretOf(first, "doomed")).toMatch(/^keys\.|^access\./);
      await stop();
    });

    test("a database that has been used is not written over, and its roles keep their passwords", async () => {
      const verifiers = "select rolname, rolpassword from pg_authid where rolpassword is not null order by rolname";
      const before = await query(first, verifiers);
      const words = [
        "restore",
        "before.tar",
        "--data",
        at(first, "again"),
        "--admin-password",
        first.own.adminPassword,
      ];
      const { code, said } = await ringwall(first.own.folder, words);
      expect([code, said]).toEqual([1, expect.stringContaining("has been used; restore into a new one")]);
      expect(existsSync(at(first, "again/secrets"))).toBe(false);
      expect(await query(first, verifiers)).toEqual(before);
    });

    test("a new PostgreSQL gets everything of the backup, the erased tenant's keys with it", async () => {
      copyFileSync(at(first, "before.tar"), at(second, "before.tar"));
      const ledger = join(first.data, "erasures", "erasures.jsonl");
      const password = second.own.adminPassword;
      const nowhere = ["restore", "before.tar", "--data", second.data, "--erasures", "none.jsonl"];
      expect((await ringwall(second.own.folder, nowhere)).said).toContain("none.jsonl cannot be read");
      expect(existsSync(second.data)).toBe(false);
      const said = await run(second, `restore before.tar --admin-password ${password} --erasures ${ledger}`);
      expect(said).toContain("sessions and links ended");
      expect(said).not.toContain("No --erasures");
      expect(await query(second, LIVE_KEYS)).not.toEqual([{ live: 0 }]);
      expect(
        await query(second, "select tenant_id from ringwall.tenant where tenant_id in ('doomed', 'kept')"),
      ).toHaveLength(2);
      // The configuration of the one that was backed up names its database, which is not this one.
      expect(existsSync(join(second.data, "ringwall.config.json"))).toBe(false);
      expect(statSync(join(second.data, "erasures", "erasures.jsonl")).mode & 0o777).toBe(0o600);
    });

    test("its first start erases again what was erased after the backup, and the rest opens", async () => {
      await serve(second);
      expect(await query(second, LIVE_KEYS)).toEqual([{ live: 0 }]);
      expect(await secretOf(second, "doomed")).toMatch(/^keys\.|^access\./);
      expect(await secretOf(second, "kept")).toBe("the mail password of kept");
      const listed = JSON.parse(await run(second, "tenants list --json")) as { id: string; status: string }[];
      expect(listed.map(({ id, status }) => [id, status])).toEqual([
        ["doomed", "suspended"],
        ["kept", "active"],
        ["platform", "active"],
      ]);
      expect(await run(second, "audit verify")).toContain("the audit log is whole");
      expect(await run(second, "erasures list --tenant doomed")).toContain("the contract ended");
      await stop();
    });

    test("the application's role has the password that it had", async () => {
      const password = readFileSync(join(first.data, "secrets", "shop_app.password"), "utf8");
      expect(readFileSync(join(second.data, "secrets", "shop_app.password"), "utf8")).toBe(password);
      const place = { configFile: at(second, "ringwall.config.json"), dataDir: second.data, uid: process.getuid?.() };
      const installation = await openInstallation({ ...place, log: silentLogger });
      const target = await installation.targetOf("shop_app");
      const database = postgresDatabase({ target, signer: installation.parts.signer, clock: systemClock });
      await database.ping();
      await database.close();
      await installation.close();
    });
  },
);
