import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { opensslMissing } from "../../src/testing/index.ts";
import { enrolAdministrator, post } from "./administrator.ts";
import { makeNextVersion, NEXT_MIGRATION } from "./next-version.ts";
import { at, query, run, type Side, side } from "./own-installation.ts";
import { type Running, ringwall, start } from "./own-postgres.ts";

// docs/operating/upgrade.md from one version to the next and back, with both as processes: this checkout, and a copy of it
// with one more migration. Everything is done on a PostgreSQL of somebody's own, as an administrator would.

const missing = opensslMissing();
const PASSWORD = "tide knot 52 ember";

let here: Side;
let folder: string;
let next: string;
let running: Running | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), "rw-next-"));
  next = makeNextVersion(folder);
  here = await side();
}, 180_000);

afterAll(async () => {
  if (missing !== undefined) return;
  await running?.stop();
  await here.own.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

function startWords(of: Side): string[] {
  return ["--data", of.data, "--no-example", "--port", String(of.port), "--bootstrap-file", at(of, "bootstrap.link")];
}

async function serve(of: Side, cli?: string): Promise<void> {
  running = await start(of.own.folder, startWords(of), cli);
}

async function stop(): Promise<void> {
  await running?.stop();
  running = undefined;
}

/** What a start says that ends at once. */
async function refusal(of: Side, cli?: string): Promise<string> {
  const { code, said } = await ringwall(of.own.folder, ["start", ...startWords(of)], [], cli);
  expect([code, said]).toEqual([1, said]);
  return said;
}

async function tenantsOf(of: Side, cli?: string): Promise<string[]> {
  const listed = JSON.parse(await run(of, "tenants list --json", cli)) as { id: string }[];
  return listed.map(({ id }) => id);
}

async function signIn(of: Side, email: string): Promise<string> {
  const body = { tenant: "northbank", email, password: PASSWORD };
  return (await post<{ next: string }>(of.port, "/v1/sign-in", body)).next;
}

async function joinAs(of: Side, email: string): Promise<void> {
  await run(of, `users invite ${email} --tenant northbank --role viewer --link-file ${email}.link`);
  const accept = ["invitations", "accept", "--link-file", `${email}.link`, "--credential", `${email}.key`];
  const { code, said } = await ringwall(of.own.folder, accept, ["Somebody", PASSWORD]);
  expect([code, said]).toEqual([0, said]);
}

describe.skipIf(missing !== undefined)(
  `docs/operating/upgrade.md${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 240_000 },
  () => {
    test("the version before is in use, and is backed up while it serves", async () => {
      await run(here, `migrate --admin-password ${here.own.adminPassword}`);
      await serve(here);
      await enrolAdministrator(here.port, { link: at(here, "bootstrap.link"), credential: at(here, "root.key") });
      await run(here, "tenants create northbank");
      await joinAs(here, "ann@northbank.example");
      writeFileSync(at(here, "value"), "a mail password", { mode: 0o600 });
      await run(here, "secrets set shop/mail --file value");
      await run(here, `backup --out before.tar --admin-password ${here.own.adminPassword}`);
      await stop();
    });

    test("the next version refuses the schema before it, and names the command", async () => {
      expect(await refusal(here, next)).toMatch(
        /older than this version \(1 migrations behind\); run: ringwall migrate/,
      );
      const added =
        "select 1 from information_schema.columns where table_schema = 'ringwall' and column_name = 'region'";
      expect(await query(here, added)).toEqual([]);
    });

    test("it migrates once, and everything is there", async () => {
      expect(await run(here, "migrate", next)).toBe(`applied ${NEXT_MIGRATION}\n`);
      expect(await run(here, "migrate", next)).toContain("nothing to do");
      await serve(here, next);
      expect(await tenantsOf(here, next)).toEqual(["northbank", "platform"]);
      expect(await query(here, "select region from ringwall.tenant where tenant_id = 'northbank'")).toEqual([
        { region: "unknown" },
      ]);
      expect(await signIn(here, "ann@northbank.example")).toBe("done");
      await run(here, "tenants create since-then", next);
      expect(await run(here, "audit verify", next)).toContain("the audit log is whole");
      await stop();
    });

    test("the version before refuses the newer schema, and names both ways out", async () => {
      const said = await refusal(here);
      expect(said).toContain(`the schema has the migration ${NEXT_MIGRATION}, which this version does not know`);
      expect(said).toMatch(/use the version of Ringwall that made it, or a later one; to go back, restore the backup/);
      const migrated = await ringwall(here.own.folder, ["migrate", "--data", here.data]);
      expect([migrated.code, migrated.said]).toEqual([1, expect.stringContaining(NEXT_MIGRATION)]);
    });

    test("rolling back: the version before restores the backup into a new database, rows and audit whole", async () => {
      const back: Side = { ...here, data: at(here, "back") };
      const config = at(here, "back.config.json");
      writeFileSync(
        config,
        JSON.stringify({ ...here.config, database: { ...here.config.database, database: "ringwall_back" } }),
        { mode: 0o600 },
      );
      const named = `--config ${config}`;
      const restore = `restore before.tar ${named} --admin-password ${here.own.adminPassword}`;
      const tooNew = await ringwall(here.own.folder, [...restore.split(" "), "--data", back.data], [], next);
      expect([tooNew.code, tooNew.said]).toEqual([1, expect.stringContaining("Restore with the version that made it")]);
      expect(await query(here, "select 1 from pg_database where datname = 'ringwall_back'")).toEqual([]);
      expect(await run(back, restore)).toContain("sessions and links ended");
      running = await start(here.own.folder, [...startWords(back), "--config", config]);
      expect(await tenantsOf(back)).toEqual(["northbank", "platform"]);
      expect(await signIn(back, "ann@northbank.example")).toBe("done");
      expect(await run(back, "secrets list")).toContain("shop/mail");
      expect(await run(back, `audit verify ${named}`)).toContain("the audit log is whole");
      await stop();
    });
  },
);
