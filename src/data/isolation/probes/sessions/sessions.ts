import type { CheckInfo, ObjectName } from "../../finding.ts";
import { SqlRefusal, type SqlSession } from "../../session.ts";
import { literal, name, sql } from "../../sql.ts";
import type { ContextEntry } from "../context.ts";
import { SESSION_CHECKS } from "./checks.ts";
import { contextOf, Examination, ignoreRefusal, run, type SessionFindings, type SessionProbes } from "./examination.ts";
import { LEFTOVERS, probeLeftover } from "./leftovers.ts";

const CLIENTS = 8;
const ROUNDS = 10;

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
  readonly end: (session: SqlSession) => Promise<void>;
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

async function probeContextLife(examination: Examination): Promise<void> {
  const { entry, tenants } = examination;
  const reading = sql`select current_setting(${literal(entry.setting)}, true)`.text;
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
