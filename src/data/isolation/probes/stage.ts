import type { CheckInfo, Evidence, Finding, ObjectName } from "../finding.ts";
import { SqlRefusal, type SqlSession } from "../session.ts";
import type { IsolationSettings } from "../settings.ts";
import type { ContextEntry } from "./context.ts";
import type { Garden, Planted, PlantedRow } from "./plant.ts";
import { type Relation, type Schema, tableName } from "./schema.ts";
import { list, literal, name, type Sql, sql } from "./sql.ts";
import type { Tenant } from "./values.ts";

/** What came of something that PostgreSQL may refuse. */
export type Outcome<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly refusal: SqlRefusal };

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
  /** What a refusal says must not be more than what the statement said itself. */
  readonly #leaks = new Map<string, Evidence>();
  readonly #seen = new Set<string>();
  #last = "";
  #number = 0;

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

  /** Runs the body in a savepoint and takes back whatever it did, settings and roles too. */
  async attempt<T>(body: () => Promise<T>): Promise<Outcome<T>> {
    await this.session.query("savepoint rw_probe");
    let outcome: Outcome<T>;
    try {
      outcome = { ok: true, value: await body() };
    } catch (error) {
      if (!(error instanceof SqlRefusal)) throw error;
      this.#noteRefusal(error);
      outcome = { ok: false, refusal: error };
    }
    await this.session.query("rollback to savepoint rw_probe");
    await this.session.query("release savepoint rw_probe");
    return outcome;
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
      return sql`${name(column.name)}::text = ${literal(this[tenant].id)}`;
    return this.byKey(tenant, relation, readable);
  }

  /** The planted row by its key. */
  byKey(tenant: "a" | "b", relation: Relation, readable = true): Sql | undefined {
    const row = this.row(tenant, relation);
    if (row === undefined) return undefined;
    const usable = relation.keys.find(({ columns }) =>
      columns.every(
        (key) => relation.columns.some((one) => one.name === key && (one.readable || !readable)) && row[key] != null,
      ),
    );
    if (usable === undefined || usable.columns.length === 0) return undefined;
    return list(
      usable.columns.map((key) => sql`${name(key)}::text = ${literal(row[key] ?? null)}`),
      " and ",
    );
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
