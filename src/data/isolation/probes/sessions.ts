import { randomBytes } from "../../../core/index.ts";
import type { CheckInfo, Finding, ObjectName } from "../finding.ts";
import { type SqlAccess, SqlRefusal, type SqlSession } from "../session.ts";
import { live } from "./check.ts";
import type { ContextEntry } from "./context.ts";
import { literal, name, type Sql, sql } from "./sql.ts";
import { shortened } from "./stage.ts";

const RESET =
  "Work in transactions only, with settings that are local to them; let the pool run DISCARD ALL between clients.";
const MEMBER = "Give the app role no membership in a role that owns tables or bypasses row-level security.";

export const SESSION_CHECKS = {
  reset: live(
    "reset-role",
    "RESET ROLE gives the session a stronger role",
    "A connection that took a weak role on can take it off again: so can injected SQL.",
    { category: "roles", remediation: "Sign in as the app role itself; SET ROLE is no wall." },
  ),
  role: live(
    "set-role",
    "SET ROLE gives the session a stronger role",
    "A member of a group that owns tables or bypasses row-level security becomes it with one statement.",
    { category: "roles", remediation: MEMBER },
  ),
  standing: live(
    "standing-context",
    "A new connection has a tenant already",
    "A setting of the role or the database gives every connection that forgot its context somebody's rows.",
    { category: "session", remediation: "ALTER ROLE ... RESET, ALTER DATABASE ... RESET." },
  ),
  commit: live(
    "context-after-commit",
    "The context survives the commit",
    "The next request on the connection works for the tenant before, when it forgets its own.",
    { category: "session", remediation: RESET },
  ),
  aborted: live(
    "context-after-abort",
    "The context survives an aborted transaction",
    "After an error the next request on the connection works for the tenant before.",
    { category: "session", remediation: RESET },
  ),
  cancelled: live(
    "context-after-cancel",
    "The context survives a cancelled statement",
    "After a timeout the next request on the connection works for the tenant before.",
    { category: "session", remediation: RESET },
  ),
  setting: live(
    "setting-survives",
    "A SET of one client is there for the next",
    "A context that was set for the session, not the transaction, belongs to the next client of the pool.",
    { category: "session", remediation: RESET },
  ),
  cursor: live(
    "held-cursor",
    "A cursor WITH HOLD is there for the next client",
    "It holds rows of the tenant before, and gives them to whoever fetches.",
    { category: "session", remediation: RESET },
  ),
  temporary: live(
    "temp-table-survives",
    "A temporary table is there for the next client",
    "It holds what the tenant before put into it.",
    { category: "session", remediation: "Revoke TEMPORARY on the database from PUBLIC and from the app role." },
  ),
  prepared: live(
    "prepared-survives",
    "A prepared statement is there for the next client",
    "A plan of the tenant before, under a name that the next one uses for something else.",
    { category: "session", level: "warning", remediation: RESET },
  ),
  lock: live(
    "advisory-lock-survives",
    "A session's advisory lock is there for the next client",
    "A lock that nobody gives back holds up every tenant, and tells who works at what.",
    { category: "session", level: "warning", remediation: "Use pg_advisory_xact_lock." },
  ),
  listen: live(
    "listen-survives",
    "A LISTEN of one client is there for the next",
    "Notifications for one tenant arrive at another.",
    { category: "session", level: "warning", remediation: "LISTEN on a connection outside the pool." },
  ),
  interleaved: live(
    "interleaved",
    "Clients at the same time see each other's context",
    "Under load a request works for somebody else's tenant.",
    { category: "session", remediation: RESET },
  ),
} as const;

const CLIENTS = 8;
const ROUNDS = 10;
/** How often another client is asked for, until the pool gives one the connection of the first. */
const TRIES = 6;

/** What the session probes need: the application's own way to the database, and how it says whose a transaction is. */
export interface SessionProbes {
  readonly app: SqlAccess;
  readonly entry: ContextEntry;
  readonly tenants: readonly [string, string];
}

export interface SessionFindings {
  readonly findings: readonly Finding[];
  readonly ran: readonly string[];
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
}

class Examination {
  readonly findings: Finding[] = [];
  readonly ran = new Set<string>();
  readonly skipped: { check: string; reason: string }[] = [];
  readonly app: SqlAccess;
  readonly entry: ContextEntry;
  readonly tenants: readonly [string, string];

  constructor({ app, entry, tenants }: SessionProbes) {
    this.app = app;
    this.entry = entry;
    this.tenants = tenants;
  }

  found(
    check: CheckInfo,
    object: ObjectName,
    message: string,
    statement: string,
    rows: readonly Record<string, unknown>[],
  ): void {
    if (this.findings.some((one) => one.check === check.id && one.object.name === object.name)) return;
    const evidence = {
      sql: statement,
      as: `tenant ${this.tenants[1]}`,
      reached: `tenant ${this.tenants[0]}`,
      rows: shortened(rows),
    };
    this.findings.push({ check: check.id, level: check.level, object, tables: [], message, evidence });
  }

  /** Runs one probe; a refusal means that the attack is not possible here, a lost connection that nothing is known. */
  async probe(checks: readonly CheckInfo[], body: () => Promise<void>): Promise<void> {
    try {
      await body();
    } catch (error) {
      if (!(error instanceof SqlRefusal)) {
        const reason = `the connection was lost: ${error instanceof Error ? error.message : "unknown"}`;
        this.skipped.push(...checks.map(({ id }) => ({ check: id, reason })));
        return;
      }
    }
    for (const { id } of checks) this.ran.add(id);
  }

  /** A client of the pool, which is given back however the body ends. */
  async client<T>(body: (session: SqlSession) => Promise<T>): Promise<T> {
    const session = await this.app.connect();
    try {
      return await body(session);
    } finally {
      await session.close();
    }
  }
}

const run = async <Row extends object = Record<string, unknown>>(
  session: SqlSession,
  statement: Sql,
): Promise<readonly Row[]> => await session.query<Row>(statement.text);

/** What the setting says, as anybody may read it. */
async function contextOf(session: SqlSession, setting: string): Promise<string> {
  const [row] = await session.query<{ context: string | null }>("select current_setting($1, true) as context", [
    setting,
  ]);
  return row?.context ?? "";
}

const SETTING = (entry: ContextEntry): ObjectName => ({ kind: "setting", name: entry.setting });

/**
 * Attacks through the application's own URL, so through its pooler, too: roles that can be put on, and what one client
 * leaves to the next. Needs no rows and commits none; what is left on a connection is taken back or goes with it.
 */
export async function probeSessions(probes: SessionProbes): Promise<SessionFindings> {
  const examination = new Examination(probes);
  await probeRoles(examination);
  await probeContextLife(examination);
  for (const leftover of LEFTOVERS) await probeLeftover(examination, leftover);
  await probeTogether(examination);
  return { findings: examination.findings, ran: [...examination.ran], skipped: examination.skipped };
}

const POWER = sql`select current_user::text as role, session_user::text as login, r.rolsuper or r.rolbypassrls as free,
  exists (select from pg_catalog.pg_class c join pg_catalog.pg_policy p on p.polrelid = c.oid where c.relowner = r.oid)
  or exists (select from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where c.relowner = r.oid and c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema') as owner
  from pg_catalog.pg_roles r where r.rolname = current_user`;

interface Power {
  readonly role: string;
  readonly login: string;
  readonly free: boolean;
  readonly owner: boolean;
}

async function probeRoles(examination: Examination): Promise<void> {
  const object = (role: string): ObjectName => ({ kind: "role", name: role });
  await examination.probe([SESSION_CHECKS.reset], async () => {
    await examination.client(async (session) => {
      const [before] = await run<Power>(session, POWER);
      await session.query("begin");
      for (const statement of ["reset role", "set role none", "set session authorization default"]) {
        await session.query(statement);
        const [after] = await run<Power>(session, POWER);
        if (after !== undefined && before !== undefined && after.role !== before.role && (after.free || after.owner))
          examination.found(
            SESSION_CHECKS.reset,
            object(after.role),
            `${statement} made ${before.role} into ${after.role}`,
            statement,
            [{ ...after }],
          );
      }
      await session.query("rollback");
    });
  });
  await examination.probe([SESSION_CHECKS.role], async () => {
    await examination.client(async (session) => {
      const roles = await run<{ role: string }>(
        session,
        sql`select rolname::text as role from pg_catalog.pg_roles where pg_has_role(session_user, oid, 'member') and rolname <> session_user
          and not (select rolsuper from pg_catalog.pg_roles where rolname = session_user) order by 1 limit 100`,
      );
      for (const { role } of roles) {
        await session.query("begin");
        const statement = sql`set local role ${name(role)}`;
        try {
          await run(session, statement);
          const [power] = await run<Power>(session, POWER);
          if (power !== undefined && (power.free || power.owner))
            examination.found(
              SESSION_CHECKS.role,
              object(role),
              `${power.login} becomes ${role}, which ${power.free ? "bypasses row-level security" : "owns tables"}`,
              statement.text,
              [{ ...power }],
            );
        } catch (error) {
          if (!(error instanceof SqlRefusal)) throw error;
        } finally {
          await session.query("rollback");
        }
      }
    });
  });
}

/** Ways for a transaction to end, after which the context has to be gone. */
const ENDINGS: readonly {
  readonly check: CheckInfo;
  readonly said: string;
  end(session: SqlSession): Promise<void>;
}[] = [
  { check: SESSION_CHECKS.commit, said: "a commit", end: async (session) => void (await session.query("commit")) },
  {
    check: SESSION_CHECKS.aborted,
    said: "an aborted transaction",
    async end(session) {
      await session.query("select 1 / 0").catch(ignoreRefusal);
      await session.query("commit");
    },
  },
  {
    check: SESSION_CHECKS.cancelled,
    said: "a cancelled statement",
    async end(session) {
      await session.query("set local statement_timeout = '50ms'");
      await session.query("select pg_sleep(5)").catch(ignoreRefusal);
      await session.query("rollback");
    },
  },
];

function ignoreRefusal(error: unknown): readonly object[] {
  if (error instanceof SqlRefusal) return [];
  throw error;
}

async function probeContextLife(examination: Examination): Promise<void> {
  const { entry, tenants } = examination;
  const reading = `select current_setting(${literal(entry.setting).text}, true)`;
  await examination.probe([SESSION_CHECKS.standing], async () => {
    await examination.client(async (session) => {
      const context = await contextOf(session, entry.setting);
      if (context !== "")
        examination.found(
          SESSION_CHECKS.standing,
          SETTING(entry),
          `a new connection has the context ${JSON.stringify(context.slice(0, 20))} before it was given one`,
          reading,
          [{ context }],
        );
    });
  });
  for (const { check, end, said } of ENDINGS) {
    await examination.probe([check], async () => {
      await examination.client(async (session) => {
        const before = await contextOf(session, entry.setting);
        await session.query("begin");
        await entry.enter(session, tenants[0]);
        await end(session);
        const after = await contextOf(session, entry.setting);
        if (after !== "" && after !== before)
          examination.found(check, SETTING(entry), `after ${said} the context is still there`, reading, [
            { context: tenants[0] },
          ]);
      });
    });
  }
}

/** What one client leaves on a connection, and how the next one finds it. */
interface Leftover {
  readonly check: CheckInfo;
  leave(mark: string, setting: string): readonly Sql[];
  find(mark: string, setting: string): Sql;
  remove(mark: string, setting: string): Sql;
}

const LEFTOVERS: readonly Leftover[] = [
  {
    check: SESSION_CHECKS.setting,
    leave: (mark, setting) => [sql`select set_config(${literal(setting)}, ${literal(mark)}, false)`],
    find: (mark, setting) => sql`select 1 as found where current_setting(${literal(setting)}, true) = ${literal(mark)}`,
    remove: (_, setting) => sql`select set_config(${literal(setting)}, '', false)`,
  },
  {
    check: SESSION_CHECKS.cursor,
    leave: (mark) => [
      sql`begin`,
      sql`declare ${name(mark)} cursor with hold for select ${literal(mark)}::text as row_of_a`,
      sql`commit`,
    ],
    find: (mark) => sql`fetch all from ${name(mark)}`,
    remove: (mark) => sql`close ${name(mark)}`,
  },
  {
    check: SESSION_CHECKS.temporary,
    leave: (mark) => [sql`create temporary table ${name(mark)} as select ${literal(mark)}::text as row_of_a`],
    find: (mark) => sql`select * from ${name("pg_temp", mark)}`,
    remove: (mark) => sql`drop table if exists ${name("pg_temp", mark)}`,
  },
  {
    check: SESSION_CHECKS.prepared,
    leave: (mark) => [sql`prepare ${name(mark)} as select ${literal(mark)}::text as row_of_a`],
    find: (mark) => sql`execute ${name(mark)}`,
    remove: (mark) => sql`deallocate ${name(mark)}`,
  },
  {
    check: SESSION_CHECKS.lock,
    leave: (mark) => [sql`select pg_advisory_lock(hashtextextended(${literal(mark)}, 0))`],
    find: (mark) => sql`select 1 as found where pg_advisory_unlock(hashtextextended(${literal(mark)}, 0))`,
    remove: (mark) => sql`select pg_advisory_unlock(hashtextextended(${literal(mark)}, 0))`,
  },
  {
    check: SESSION_CHECKS.listen,
    leave: (mark) => [sql`listen ${name(mark)}`],
    find: (mark) => sql`select 1 as found from pg_listening_channels() c where c = ${literal(mark)}`,
    remove: (mark) => sql`unlisten ${name(mark)}`,
  },
];

/** The first client leaves something and goes; whoever gets its connection next must not find it. */
async function probeLeftover(examination: Examination, leftover: Leftover): Promise<void> {
  const { setting } = examination.entry;
  const mark = `rw_probe_${randomBytes(6).toString("hex")}`;
  await examination.probe([leftover.check], async () => {
    await examination.client(async (session) => {
      for (const statement of leftover.leave(mark, setting)) await run(session, statement);
    });
    for (let attempt = 0; attempt < TRIES; attempt++) {
      const rows = await examination.client(async (session) => {
        const statement = leftover.find(mark, setting);
        const found = await run(session, statement).catch(ignoreRefusal);
        if (found.length > 0) await run(session, leftover.remove(mark, setting)).catch(ignoreRefusal);
        return found;
      });
      if (rows.length === 0) continue;
      examination.found(
        leftover.check,
        { kind: "setting", name: "pool" },
        `${leftover.check.title}: another client found what the first one left`,
        leftover.find(mark, setting).text,
        rows.map((row) => ({ ...row })),
      );
      return;
    }
  });
}

/** Several clients at once: each reads its own context, or none. */
async function probeTogether(examination: Examination): Promise<void> {
  const { entry, tenants } = examination;
  const wrong = (context: string, tenant: string): boolean => context !== "" && !context.includes(tenant);
  await examination.probe([SESSION_CHECKS.interleaved], async () => {
    const clients = Array.from({ length: CLIENTS }, async (_, index) => {
      const tenant = tenants[index % 2] ?? tenants[0];
      for (let round = 0; round < ROUNDS; round++) {
        await examination.client(async (session) => {
          await session.query("begin");
          await entry.enter(session, tenant);
          const context = await contextOf(session, entry.setting);
          await session.query("commit");
          if (wrong(context, tenant))
            examination.found(
              SESSION_CHECKS.interleaved,
              SETTING(entry),
              "under several clients at once a transaction saw another's context",
              "begin; set_config; commit",
              [{ wanted: tenant, context }],
            );
        });
      }
    });
    await Promise.all(clients);
  });
}
