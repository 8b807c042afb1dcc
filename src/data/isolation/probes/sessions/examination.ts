import type { CheckInfo, Finding, ObjectName } from "../../finding.ts";
import { type SqlAccess, SqlRefusal, type SqlSession } from "../../session.ts";
import type { Sql } from "../../sql.ts";
import type { ContextEntry } from "../context.ts";
import { shortened } from "../stage.ts";

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

/** What has been found so far, and how to come by a client. */
export class Examination {
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

export const run = async <Row extends object = Record<string, unknown>>(
  session: SqlSession,
  statement: Sql,
): Promise<readonly Row[]> => await session.query<Row>(statement.text);

/** What the setting says, as anybody may read it. */
export async function contextOf(session: SqlSession, setting: string): Promise<string> {
  const [row] = await session.query<{ context: string | null }>("select current_setting($1, true) as context", [
    setting,
  ]);
  return row?.context ?? "";
}

/** Nothing where PostgreSQL refuses: the attack is not possible. */
export function ignoreRefusal(error: unknown): readonly object[] {
  if (error instanceof SqlRefusal) return [];
  throw error;
}
