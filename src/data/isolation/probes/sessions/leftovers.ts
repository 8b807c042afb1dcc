import { randomBytes } from "../../../../core/index.ts";
import type { CheckInfo } from "../../finding.ts";
import { literal, name, type Sql, sql } from "../../sql.ts";
import { SESSION_CHECKS } from "./checks.ts";
import { type Examination, ignoreRefusal, run } from "./examination.ts";

/** How often another client is asked for, until the pool gives one the connection of the first. */
const TRIES = 6;

/** What one client leaves on a connection, and how the next one finds it. */
export interface Leftover {
  readonly check: CheckInfo;
  leave(mark: string, setting: string): readonly Sql[];
  find(mark: string, setting: string): Sql;
  remove(mark: string, setting: string): Sql;
}

export const LEFTOVERS: readonly Leftover[] = [
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
export async function probeLeftover(examination: Examination, leftover: Leftover): Promise<void> {
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
