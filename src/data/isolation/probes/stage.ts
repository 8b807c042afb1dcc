import type { CheckInfo, Evidence, Finding, ObjectName } from "../finding.ts";
import { SqlRefusal, type SqlSession } from "../session.ts";
import type { IsolationSettings } from "../settings.ts";
import { list, name, type Sql, sql } from "../sql.ts";
import type { ContextEntry } from "./context.ts";
import {
  type Garden,
  type Planted,
  type PlantedRow,
  type Relation,
  type Schema,
  type Tenant,
  tableName,
  typed,
} from "./planting/index.ts";

/** What came of something that PostgreSQL may refuse. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: SqlRefusal };

/** What came of a statement that ran inside the server. */
export interface Tried {
  readonly rows?: number;
  readonly sqlstate?: string;
  readonly message?: string;
}

/** So many share the time limit of one statement. */
const STATEMENTS_PER_TRIP = 200;

/**
 * A temporary function of the transaction: runs statements as its caller, each in a subtransaction that always fails in
 * the end, so that nothing of it stays. A cancelled statement is no error that it catches.
 */
export const EACH_FUNCTION = sql`create function pg_temp.rw_probe_each(statements text[], counting boolean) returns jsonb
  language plpgsql volatile security invoker as $each$
  declare one text; touched bigint; tried jsonb := '[]';
  begin
    foreach one in array statements loop
      begin
        if counting then execute one into touched; else execute one; get diagnostics touched = row_count; end if;
        raise exception using errcode = 'RWOK0', message = coalesce(touched, 0)::text;
      exception when others then
        tried := tried || case when sqlstate = 'RWOK0' then jsonb_build_object('rows', sqlerrm::float8)
          else jsonb_build_object('sqlstate', sqlstate, 'message', sqlerrm) end;
      end;
    end loop;
    return tried;
  end $each$`;
const EACH_CALL = sql`select pg_temp.rw_probe_each($1, $2) as tried`;

const EVIDENCE_ROWS_MAX = 5;
const EVIDENCE_CHARS_MAX = 40;
const EVIDENCE_COLUMNS_MAX = 12;
const SQL_CHARS_MAX = 600;
/** A report with more is not read, and one fault in a policy that every table has would fill the memory. */
const FINDINGS_MAX = 20_000;

type Row = Readonly<Record<string, unknown>>;

/** How the planting connection becomes the app role, and back, inside a transaction. */
export interface Disguise {
  readonly become: Sql;
  readonly drop: Sql;
}

export interface Setting {
  readonly session: SqlSession;
  readonly settings: IsolationSettings;
  readonly entry: ContextEntry;
  readonly schema: Schema;
  readonly garden: Garden;
  readonly role: string;
  readonly disguise: Disguise;
  readonly a: Tenant;
  readonly b: Tenant;
  /** Has no rows. */
  readonly nobody: Tenant;
}

/** An open transaction with rows of two tenants in it, seen by the app role as tenant A. Collects what is found. */
export class Stage {
  readonly session: SqlSession;
  readonly settings: IsolationSettings;
  readonly entry: ContextEntry;
  readonly schema: Schema;
  readonly garden: Garden;
  readonly role: string;
  readonly disguise: Disguise;
  readonly a: Tenant;
  readonly b: Tenant;
  readonly nobody: Tenant;
  readonly planted: { readonly a: Planted; readonly b: Planted } = { a: new Map(), b: new Map() };
  readonly findings: Finding[] = [];
  readonly ran = new Set<string>();
  readonly skipped = new Map<string, string>();
  /** Tables in which tenant A sees its own row, so that not seeing B's says something. */
  readonly proven = new Set<number>();
  /** How many rows of its own tenant A sees, by table. */
  readonly own = new Map<number, number>();
  /** What a refusal says must not be more than what the statement said itself. */
  readonly #leaks = new Map<string, Evidence>();
  readonly #seen = new Set<string>();
  #last = "";
  #number = 0;
  /** Attempts that are under way inside each other, and how many of their savepoints stand. */
  #depth = 0;
  #savepoints = 0;

  constructor(setting: Setting) {
    this.session = setting.session;
    this.settings = setting.settings;
    this.entry = setting.entry;
    this.schema = setting.schema;
    this.garden = setting.garden;
    this.role = setting.role;
    this.disguise = setting.disguise;
    this.a = setting.a;
    this.b = setting.b;
    this.nobody = setting.nobody;
  }

  async run<R extends object = Row>(statement: Sql, values?: readonly unknown[]): Promise<readonly R[]> {
    this.#last = statement.text;
    return await this.session.query<R>(statement.text, values);
  }

  async enter(tenant: Tenant): Promise<void> {
    await this.entry.enter(this.session, tenant.id);
  }

  /**
   * Runs the body and takes back whatever it did, settings and roles too. The savepoint stays for the next attempt, which
   * saves most of the round trips: between attempts nothing may be done that has to last.
   */
  async attempt<T>(body: () => Promise<T>): Promise<Outcome<T>> {
    const depth = this.#depth;
    const savepoint = `rw_probe_${depth}`;
    if (this.#savepoints <= depth) await this.session.query(`savepoint ${savepoint}`);
    this.#savepoints = depth + 1;
    this.#depth = depth + 1;
    let outcome: Outcome<T>;
    try {
      outcome = { ok: true, value: await body() };
    } catch (error) {
      if (!(error instanceof SqlRefusal)) throw error;
      this.#noteRefusal(error);
      outcome = { ok: false, refusal: error };
    } finally {
      this.#depth = depth;
    }
    await this.session.query(`rollback to savepoint ${savepoint}`);
    this.#savepoints = depth + 1;
    return outcome;
  }

  /**
   * Runs each statement by itself, inside the server and in one round trip, and takes back what it did. As many rows as
   * it touched, or with `counting` the number that it answered; or why it was refused.
   */
  async each(statements: readonly Sql[], counting = false): Promise<readonly Tried[]> {
    const answers: Tried[] = [];
    for (let start = 0; start < statements.length; start += STATEMENTS_PER_TRIP) {
      answers.push(...(await this.#eachOf(statements.slice(start, start + STATEMENTS_PER_TRIP), counting)));
    }
    return answers;
  }

  async #eachOf(statements: readonly Sql[], counting: boolean): Promise<readonly Tried[]> {
    const texts = statements.map(({ text }) => text);
    const outcome = await this.attempt(
      async () => await this.run<{ tried: readonly Tried[] }>(EACH_CALL, [texts, counting]),
    );
    if (outcome.ok) {
      const tried = outcome.value[0]?.tried ?? [];
      for (const [index, { message, sqlstate }] of tried.entries()) {
        this.#last = texts[index] ?? "";
        if (sqlstate !== undefined) this.#noteRefusal(new SqlRefusal(sqlstate, message ?? ""));
      }
      return tried;
    }
    // One of them ran into a limit of the whole trip: asked again in smaller parts, and the one alone is refused.
    if (statements.length === 1) return [{ sqlstate: outcome.refusal.sqlstate, message: outcome.refusal.message }];
    const half = Math.ceil(statements.length / 2);
    const first = await this.#eachOf(statements.slice(0, half), counting);
    return [...first, ...(await this.#eachOf(statements.slice(half), counting))];
  }

  /** Runs the body in another tenant's context. Attempts in it take nothing of the context back. */
  async as(tenant: Tenant, body: () => Promise<void>): Promise<void> {
    await this.attempt(async () => {
      await this.enter(tenant);
      await body();
    });
  }

  /** Runs the body between savepoints of its own, as the app role; what it did is taken back. */
  async within<T>(body: () => Promise<T>): Promise<T> {
    await this.session.query("savepoint rw_app");
    this.#savepoints = 0;
    await this.asApp();
    const value = await body();
    await this.session.query("rollback to savepoint rw_app");
    await this.session.query("release savepoint rw_app");
    this.#savepoints = 0;
    return value;
  }

  /** The rows of the statement, taken back afterwards; none when it is refused. */
  async tried<R extends object = Row>(statement: Sql): Promise<readonly R[]> {
    const outcome = await this.attempt(async () => await this.run<R>(statement));
    return outcome.ok ? outcome.value : [];
  }

  /** As whoever planted: for looking at what an attack has done. Only inside `attempt`, which takes it back. */
  async asPlanter(): Promise<void> {
    await this.session.query(this.disguise.drop.text);
  }

  async asApp(): Promise<void> {
    await this.session.query(this.disguise.become.text);
  }

  /** For names that live as long as the connection. */
  nextNumber(): number {
    this.#number += 1;
    return this.#number;
  }

  row(tenant: "a" | "b", relation: Relation): PlantedRow | undefined {
    return this.planted[tenant].get(relation.oid)?.[0];
  }

  /** Which of the rows are the tenant's, by columns that the app role may read; undefined when it can read none of them. */
  rowsOf(tenant: "a" | "b", relation: Relation, readable: boolean): Sql | undefined {
    const [owner] = this.garden.owners.get(relation.oid) ?? [];
    const column = relation.columns.find((one) => one.name === owner);
    if (column !== undefined && (!readable || column.readable))
      return sql`${name(column.name)} = ${typed(column, this[tenant].id)}`;
    return this.byKey(tenant, relation, readable);
  }

  /** The planted row by its key. */
  byKey(tenant: "a" | "b", relation: Relation, readable = true): Sql | undefined {
    const row = this.row(tenant, relation);
    if (row === undefined) return undefined;
    for (const { columns } of relation.keys) {
      const parts = columns.flatMap((key) => {
        const column = relation.columns.find((one) => one.name === key);
        const usable = column !== undefined && (column.readable || !readable) && typeof row[key] === "string";
        return usable ? [sql`${name(key)} = ${typed(column, row[key] ?? null)}`] : [];
      });
      if (parts.length > 0 && parts.length === columns.length) return list(parts, " and ");
    }
    return undefined;
  }

  found(check: CheckInfo, where: Where, message: string, evidence?: Evidence, level = check.level): void {
    if (this.findings.length >= FINDINGS_MAX) return;
    const { object, tables } = placeOf(where);
    const key = JSON.stringify([check.id, object]);
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.findings.push({
      check: check.id,
      level,
      object,
      tables,
      message,
      ...(evidence === undefined ? {} : { evidence }),
    });
  }

  /** Neither answer is safe: a strict run fails. */
  unknown(check: CheckInfo, where: Where, message: string): void {
    const { object, tables } = placeOf(where);
    this.findings.push({ check: check.id, level: check.level, object, tables, message, unknown: true });
  }

  isRefusal(error: unknown): error is SqlRefusal {
    return error instanceof SqlRefusal;
  }

  /** What proves it, read as tenant A by the app role. */
  evidence(rows: readonly Row[], statement?: Sql): Evidence {
    return {
      sql: (statement?.text ?? this.#last).slice(0, SQL_CHARS_MAX),
      as: `${this.role}, in the context of tenant ${this.a.id}`,
      reached: `tenant ${this.b.id}`,
      rows: shortened(rows),
    };
  }

  /** Refusals that named the other tenant's values without having been given them. */
  get leaks(): ReadonlyMap<string, Evidence> {
    return this.#leaks;
  }

  #noteRefusal(refusal: SqlRefusal): void {
    const said = `${refusal.message} ${refusal.detail ?? ""}`;
    const told = [this.b.id, this.b.marker].find((value) => said.includes(value));
    if (told === undefined || this.#last.includes(this.b.id) || this.#last.includes(this.b.marker)) return;
    this.#leaks.set(refusal.sqlstate, this.evidence([{ message: refusal.message, detail: refusal.detail ?? null }]));
  }
}

/** Where something was found: a table, or an object with the tables it opens. */
export type Where = Relation | { readonly object: ObjectName; readonly tables: readonly string[] };

function placeOf(where: Where): { object: ObjectName; tables: readonly string[] } {
  if ("object" in where) return where;
  const kind = where.kind === "v" ? "view" : where.kind === "m" ? "materialized view" : "table";
  return {
    object: { kind, schema: where.schema, name: where.name },
    tables: kind === "table" ? [tableName(where)] : [],
  };
}

/** Five rows, values as text and cut: enough to recognise a row, too little to carry it away. */
export function shortened(rows: readonly Row[]): Evidence["rows"] {
  return rows.slice(0, EVIDENCE_ROWS_MAX).map((row) =>
    Object.fromEntries(
      Object.entries(row)
        .slice(0, EVIDENCE_COLUMNS_MAX)
        .map(([key, value]) => [key, value === null || value === undefined ? null : cut(value)]),
    ),
  );
}

function cut(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return text.length > EVIDENCE_CHARS_MAX ? `${text.slice(0, EVIDENCE_CHARS_MAX)}...` : text;
}
