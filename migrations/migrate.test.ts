import { type Kysely, sql } from "kysely";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openSql, scramVerifier } from "../src/adapters/postgres/index.ts";
import { PlainSecret } from "../src/core/index.ts";
import { type TestDatabase, testDatabase } from "../src/testing/index.ts";
import { checkSchema, MIGRATIONS, type Migration, migrate } from "./index.ts";
import { refuseOldServer } from "./migrate.ts";

let data: TestDatabase;
let owner: Kysely<unknown>;
let app: Kysely<unknown>;
let other: Kysely<unknown> | undefined;

beforeEach(async () => {
  data = await testDatabase();
  owner = openSql(data.target("ringwall_migrate"));
  app = openSql(data.target("ringwall_app"));
});
afterEach(async () => {
  await owner.destroy();
  await app.destroy();
  await other?.destroy();
  other = undefined;
  await data.close();
});

/** A second process that migrates; it ends with the database. */
function openOnce(): Kysely<unknown> {
  other = openSql(data.target("ringwall_migrate"));
  return other;
}

const extra: Migration = {
  name: "9999_extra",
  async up(db) {
    await sql`create table ringwall.extra (id integer)`.execute(db);
  },
};

describe("migrating", () => {
  test("again does nothing", async () => {
    expect(await migrate(owner)).toEqual([]);
    await expect(checkSchema(app)).resolves.toBeUndefined();
  });

  test("twice at once applies each migration once", async () => {
    const other = openSql(data.target("ringwall_migrate"));
    const done = await Promise.all([migrate(owner, [...MIGRATIONS, extra]), migrate(other, [...MIGRATIONS, extra])]);
    expect(done.flat()).toEqual(["9999_extra"]);
    await other.destroy();
  });

  test("that fails leaves nothing of the failing one, and is continued by the next", async () => {
    const broken: Migration = {
      name: "9999_extra",
      async up(db) {
        await extra.up(db);
        throw new Error("power cut");
      },
    };
    await expect(migrate(owner, [...MIGRATIONS, broken])).rejects.toThrow("power cut");
    await expect(checkSchema(app)).resolves.toBeUndefined();
    expect(await migrate(owner, [...MIGRATIONS, extra])).toEqual(["9999_extra"]);
  });

  test("an empty database makes the whole schema", async () => {
    await sql`drop schema ringwall cascade`.execute(owner);
    await expect(checkSchema(app)).rejects.toMatchObject({ code: "database.schema_mismatch" });
    expect(await migrate(owner)).toEqual(MIGRATIONS.map(({ name }) => name));
    await expect(checkSchema(app)).resolves.toBeUndefined();
  });
});

describe("a host application's migrations", () => {
  const table: Migration = {
    name: "0001_shop",
    async up(db) {
      await sql`create schema shop`.execute(db);
    },
  };
  const second: Migration = { name: "0002_more", up: async () => {} };

  test("run once after Ringwall's, are counted apart, and do not make the schema another one", async () => {
    const shop = { application: "shop", migrations: [table] };
    const atOnce = async (app: typeof shop): Promise<string[]> =>
      (await Promise.all([migrate(owner, MIGRATIONS, [app]), migrate(openOnce(), MIGRATIONS, [app])])).flat();
    // Two processes of one version at the same time: whoever comes second finds everything done.
    expect(await atOnce(shop)).toEqual(["shop/0001_shop"]);
    expect(await atOnce({ ...shop, migrations: [table, second] })).toEqual(["shop/0002_more"]);
    await expect(checkSchema(app)).resolves.toBeUndefined();
    expect(await migrate(owner, MIGRATIONS, [{ application: "other", migrations: [second] }])).toEqual([
      "other/0002_more",
    ]);
  });

  test("that another version has run are refused with the way out", async () => {
    await migrate(owner, MIGRATIONS, [{ application: "shop", migrations: [table] }]);
    await expect(migrate(owner, MIGRATIONS, [{ application: "shop", migrations: [second] }])).rejects.toMatchObject({
      code: "database.schema_mismatch",
      message: expect.stringContaining("0001_shop"),
    });
  });
});

describe("a schema that does not fit is refused with the way out", () => {
  test("older", async () => {
    await expect(checkSchema(app, [...MIGRATIONS, extra])).rejects.toMatchObject({
      code: "database.schema_mismatch",
      message: expect.stringContaining("ringwall migrate"),
    });
  });

  test("newer", async () => {
    await migrate(owner, [...MIGRATIONS, extra]);
    const newer = { code: "database.schema_mismatch", message: expect.stringContaining("9999_extra") };
    await expect(checkSchema(app)).rejects.toMatchObject(newer);
    await expect(migrate(owner)).rejects.toMatchObject(newer);
  });

  test("foreign", async () => {
    await sql`drop schema ringwall cascade`.execute(owner);
    await sql`create schema ringwall`.execute(owner);
    const foreign = { code: "database.schema_mismatch", message: expect.stringContaining("did not make") };
    await expect(migrate(owner)).rejects.toMatchObject(foreign);
    await expect(checkSchema(app)).rejects.toMatchObject(foreign);
  });
});

test("a PostgreSQL before 15 is refused with what is needed", () => {
  for (const old of [90_624, 120_022, 140_013]) {
    expect(() => refuseOldServer(old)).toThrow(expect.objectContaining({ code: "config.invalid" }));
    expect(() => refuseOldServer(old)).toThrow(/needs 15 or later/);
  }
  for (const fits of [150_000, 150_004, 180_004, 190_000]) expect(() => refuseOldServer(fits)).not.toThrow();
});

describe("roles", () => {
  test("of applications own nothing and may make nothing", async () => {
    const rows = await data.owner.query<{ rolname: string }>(`
      select rolname from pg_roles where rolname in ('ringwall_app', 'ringwall_worker', 'bank_app', 'ringwall_client', 'ringwall_migrate')
        and (rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls)`);
    expect(rows).toEqual([]);
    for (const role of ["ringwall_app", "ringwall_worker", "bank_app"]) {
      const login = openSql(data.target(role));
      for (const attack of [
        "create table public.mine (id integer)",
        "create table ringwall.mine (id integer)",
        "create temporary table mine (id integer)",
        "create schema mine",
        "create function ringwall.tenant() returns text language sql as 'select ''bank-a'''",
        "alter table ringwall.tenant disable row level security",
        "alter table ringwall.tenant owner to current_user",
        "set role ringwall_definer",
        "set role ringwall_migrate",
        "set session authorization postgres",
        "select pg_read_file('/etc/passwd')",
        "copy ringwall.schema_version to program 'id'",
        "select rolpassword from pg_authid",
        "create extension dblink",
      ]) {
        await expect(sql.raw(attack).execute(login), `${role}: ${attack}`).rejects.toThrow();
      }
      const owned = await data.owner.query("select 1 from pg_class where relowner = $1::regrole", [role]);
      expect(owned).toEqual([]);
      await login.destroy();
    }
  });

  test("see the texts of their own backends only", async () => {
    const secret = sql`select 'needle-in-a-statement'`;
    await secret.execute(owner);
    const { rows } = await sql<{ query: string }>`
      select query from pg_stat_activity where usename <> current_user`.execute(app);
    expect(JSON.stringify(rows)).not.toContain("needle");
  });

  test("cannot connect to the cluster's other databases", async () => {
    for (const database of ["postgres", "template1"]) {
      const login = openSql({ ...data.target("bank_app"), database });
      await expect(sql`select 1`.execute(login)).rejects.toMatchObject({ detail: { sqlstate: "42501" } });
      await login.destroy();
    }
  });

  test("every table of the schema is behind forced row-level security, or holds no tenant's rows", async () => {
    const rows = await data.owner.query<{ relname: string }>(`
      select relname from pg_class where relnamespace = 'ringwall'::regnamespace and relkind in ('r', 'p')
        and not (relrowsecurity and relforcerowsecurity) order by relname`);
    expect(rows.map(({ relname }) => relname)).toEqual(["application_version", "context_key", "schema_version"]);
  });
});

describe("a password verifier", () => {
  test("is what PostgreSQL computes itself, so the password signs in", async () => {
    const password = new PlainSecret("correct horse ~ battery 9");
    await data.owner.query("create role verified login");
    await data.owner.query(`grant connect on database ${data.name} to verified`);
    await data.owner.query(`alter role verified password '${scramVerifier(password)}'`);
    const login = openSql({ ...data.target("verified"), credential: async () => password });
    expect((await sql`select 1 as one`.execute(login)).rows).toEqual([{ one: 1 }]);
    await login.destroy();
    await data.owner.query(`revoke connect on database ${data.name} from verified`);
    await data.owner.query("drop role verified");
  });

  test("has PostgreSQL's form for a known salt (RFC 5803)", () => {
    const verifier = scramVerifier(new PlainSecret("pencil"), Buffer.from("W22ZaJ0SNY7soEsUEjb6gQ==", "base64"), 4096);
    expect(verifier).toBe(
      "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
    );
  });

  test("is refused for a password that SASLprep would change", () => {
    for (const text of ["", "naïve", "tab\t", "nul\0"]) {
      expect(() => scramVerifier(new PlainSecret(text))).toThrow(/printable ASCII/);
    }
  });
});
