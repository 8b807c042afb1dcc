import { afterAll, beforeAll, describe, expect, inject, test } from "vitest";
import { inspectionAccess } from "../../../../adapters/postgres/index.ts";
import { PlainSecret, randomBytes, randomToken } from "../../../../core/index.ts";
import { type TestDatabase, testDatabase } from "../../../../testing/index.ts";
import { pgbouncerMissing, startPgBouncer, type TestPgBouncer } from "../../../../testing/servers/index.ts";
import type { SqlAccess, SqlSession } from "../../session.ts";
import { type ContextEntry, settingEntry } from "../context.ts";
import { SESSION_CHECKS } from "./checks.ts";
import type { SessionFindings } from "./examination.ts";
import { probeSessions } from "./sessions.ts";

const SETTING = "shop.tenant";
const TENANTS = ["tenant-of-a", "tenant-of-b"] as const;
const entry = settingEntry(SETTING);
const suffix = randomBytes(4).toString("hex");
const [login, group] = [`rw_login_${suffix}`, `rw_group_${suffix}`];
const password = randomToken();

let stage: TestDatabase;
let direct: SqlAccess;
beforeAll(async () => {
  stage = await testDatabase();
  await stage.owner.query(`create role ${login} login noinherit password '${password}'`);
  await stage.owner.query(`create role ${group} nologin`);
  await stage.owner.query(`grant connect, temporary on database ${stage.name} to ${login}`);
  await stage.owner.query("create table public.held (tenant_id text)");
  await stage.owner.query(`alter table public.held owner to ${group}`);
  direct = through({});
});
afterAll(async () => {
  await stage.owner.query("drop table public.held");
  await stage.owner.query(`drop owned by ${login}, ${group}`);
  await stage.owner.query(`drop role ${login}, ${group}`);
  await stage.close();
});

const through = (place: { host?: string; port?: number }, pooled = false): SqlAccess =>
  inspectionAccess(
    { ...stage.target("postgres"), user: login, credential: async () => new PlainSecret(password), ...place },
    { writes: true, pooled },
  );
const probe = async (app: SqlAccess, how: ContextEntry = entry): Promise<SessionFindings> =>
  await probeSessions({ app, entry: how, tenants: TENANTS });
const checks = ({ findings }: SessionFindings): string[] => findings.map(({ check }) => check).toSorted();

/** One connection for everybody, never put right between them, and given to several at once: the worst of pools. */
async function careless(): Promise<{ app: SqlAccess; close: () => Promise<void> }> {
  const session = await direct.connect();
  const lent: SqlSession = { query: async (text, values) => await session.query(text, values), close: async () => {} };
  return { app: { connect: async () => lent }, close: async () => await session.close() };
}

test("a login of its own, straight to the server, is left nothing by anybody", async () => {
  const report = await probe(direct);
  expect(report.findings.map(({ check, message }) => [check, message])).toEqual([]);
  expect(report.skipped).toEqual([]);
  expect(report.ran.toSorted()).toEqual(
    Object.values(SESSION_CHECKS)
      .map(({ id }) => id)
      .toSorted(),
  );
});

describe("roles", () => {
  test("a login that takes a weak role on can take it off", async () => {
    await stage.owner.query(`alter table public.held owner to ${login}`);
    await stage.owner.query(`grant ${group} to ${login}`);
    await stage.owner.query(`alter role ${login} set role = ${group}`);
    try {
      expect(checks(await probe(direct))).toContain("probe-reset-role");
    } finally {
      await stage.owner.query(`alter role ${login} reset role`);
      await stage.owner.query(`revoke ${group} from ${login}`);
      await stage.owner.query(`alter table public.held owner to ${group}`);
    }
  });
  test("a member of the owner becomes it", async () => {
    await stage.owner.query(`grant ${group} to ${login}`);
    try {
      const report = await probe(direct);
      expect(checks(report)).toEqual(["probe-set-role"]);
      expect(report.findings[0]?.evidence?.sql).toBe(`set local role "${group}"`);
    } finally {
      await stage.owner.query(`revoke ${group} from ${login}`);
    }
  });
  test("a tenant that the login has from the start", async () => {
    await stage.owner.query(`alter role ${login} set ${SETTING} = 'tenant-of-a'`);
    try {
      expect(checks(await probe(direct))).toEqual(["probe-standing-context"]);
    } finally {
      await stage.owner.query(`alter role ${login} reset ${SETTING}`);
    }
  });
});

test("a context that is set for the session survives every end of a transaction", async () => {
  const lasting: ContextEntry = {
    ...entry,
    async enter(session, tenant) {
      // What an application does that sets its context before it begins.
      await session.query("commit");
      await session.query("select set_config($1, $2, false)", [SETTING, tenant]);
      await session.query("begin");
    },
  };
  expect(checks(await probe(direct, lasting))).toEqual([
    "probe-context-after-abort",
    "probe-context-after-cancel",
    "probe-context-after-commit",
  ]);
});

const LEFT = [
  "probe-advisory-lock-survives",
  "probe-held-cursor",
  "probe-listen-survives",
  "probe-prepared-survives",
  "probe-setting-survives",
  "probe-temp-table-survives",
];

test("a pool that gives one connection to everybody at once is found out, and is left as it was", async () => {
  const pool = await careless();
  try {
    expect(checks(await probe(pool.app))).toEqual(expect.arrayContaining(["probe-interleaved", ...LEFT]));
    const session = await pool.app.connect();
    const [left] =
      await session.query(`select (select count(*) from pg_cursors where name like 'rw_probe%')::int as cursors, (select count(*) from pg_prepared_statements where name like 'rw_probe%')::int as prepared,
      (select count(*) from pg_class where relname like 'rw\\_probe%')::int as tables, (select count(*) from pg_listening_channels())::int as channels, current_setting('${SETTING}', true) as context`);
    expect(left).toEqual({ cursors: 0, prepared: 0, tables: 0, channels: 0, context: "" });
  } finally {
    await pool.close();
  }
});

const missing = pgbouncerMissing();
describe.skipIf(missing !== undefined)(
  `PgBouncer in transaction mode${missing === undefined ? "" : ` (${missing})`}`,
  () => {
    let pooler: TestPgBouncer;
    beforeAll(async () => {
      const server = inject("ringwallPostgres");
      pooler = await startPgBouncer(
        { ...server, passwords: { ...server.passwords, [login]: password } },
        { serverConnections: 1 },
      );
    });
    afterAll(async () => await pooler.stop());

    test("what one client leaves for the session is there for the next", async () => {
      const report = await probe(through({ host: pooler.host, port: pooler.port }, true));
      expect(report.skipped).toEqual([]);
      // PgBouncer itself keeps clients apart in everything that belongs to a transaction.
      expect(checks(report)).toEqual(LEFT);
    });
  },
);
