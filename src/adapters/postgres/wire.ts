import type pg from "pg";
import { AssertionFailed, assert, type SqlValue, type Statement } from "../../core/index.ts";
import { isStatementLost } from "./errors.ts";
import { Frames } from "./frames.ts";
import { type Reader, readerOf } from "./values.ts";

/** The parts of pg's messages that we read. */
interface RowDescription {
  readonly fields: readonly { readonly name: string; readonly dataTypeID: number }[];
}
interface DataRow {
  readonly fields: readonly (string | null)[];
}
interface CommandComplete {
  readonly text: string;
}
interface Ready {
  readonly status: string;
}

interface Column {
  readonly name: string;
  readonly read: Reader;
}

/** A statement on one connection. `known`: the server has it, or will have when what is on its way arrives. */
interface Prepared {
  readonly text: string;
  known: boolean;
  columns: readonly Column[];
}

/** One statement of a unit. */
export interface Step {
  readonly statement: Pick<Statement, "name" | "text">;
  readonly values: readonly SqlValue[];
  /** Bytes of its Bind, when they were written before. */
  readonly bind?: Uint8Array;
}

/** What came back for a step: its rows, and the command tag (`SELECT 1`, `COMMIT`). */
export interface StepResult {
  readonly rows: readonly object[];
  readonly tag: string;
}

/**
 * What is sent with one Sync: all of it runs, or everything from the first failing step on is skipped. Its outcome is
 * told once, when the server is through with all of it, because a step's own answer comes before its commit.
 */
interface Unit {
  readonly steps: readonly Step[];
  readonly done: (results: readonly StepResult[]) => void;
  readonly failed: (error: unknown, step: Step | undefined) => void;
  readonly startedMs: number;
  readonly describing: readonly Prepared[];
  described: number;
  results: StepResult[];
  rows: object[];
  failure: { readonly error: unknown } | undefined;
}

/** The transaction state the server reports: none, open, or failed. */
export type TransactionStatus = "I" | "T" | "E";

/**
 * One connection that speaks the extended protocol in units: several Binds and one Sync, nothing described twice,
 * units of one tick in one write, answers in order.
 *
 * `pg` connects, authenticates and parses messages; from then on the messages come here.
 */
export class Wire {
  readonly pid: number;
  /** The last state the server reported. */
  status: TransactionStatus = "I";
  /** Set when the connection is of no use any more. */
  broken: unknown;
  readonly #client: pg.Client;
  readonly #frames = new Frames();
  readonly #prepared = new Map<string, Prepared>();
  readonly #units: Unit[] = [];
  readonly #now: () => number;
  #flushScheduled = false;
  readonly #onBroken: (wire: Wire) => void;

  constructor(client: pg.Client, pid: number, now: () => number, onBroken: (wire: Wire) => void) {
    this.pid = pid;
    this.#client = client;
    this.#now = now;
    this.#onBroken = onBroken;
    this.#takeOver();
  }

  /** Units sent and not answered. */
  get inFlight(): number {
    return this.#units.length;
  }

  /** How long the oldest unit has been waiting for its answer. */
  waitingMs(): number {
    const oldest = this.#units[0];
    return oldest === undefined ? 0 : this.#now() - oldest.startedMs;
  }

  /** Sends the steps with one Sync. Never throws and answers later: exactly one of the two is called. */
  send(steps: readonly Step[], done: Unit["done"], failed: Unit["failed"]): void {
    assert(steps.length > 0, "a unit has a step");
    if (this.broken !== undefined) {
      queueMicrotask(() => {
        failed(this.broken, undefined);
      });
      return;
    }
    const describing = this.#prepare(steps);
    for (const step of steps) {
      if (step.bind === undefined) this.#frames.bind(step.statement.name, step.values);
      else this.#frames.raw(step.bind);
      this.#frames.execute();
    }
    this.#frames.sync();
    this.#units.push({
      steps,
      done,
      failed,
      startedMs: this.#now(),
      describing,
      described: 0,
      results: [],
      rows: [],
      failure: undefined,
    });
    if (!this.#flushScheduled) {
      this.#flushScheduled = true;
      process.nextTick(() => {
        this.#flush();
      });
    }
  }

  /** Ends the connection at once; what is on its way fails with `reason`. */
  destroy(reason: Error): void {
    this.#break(reason);
    this.#client.connection.stream.destroy();
  }

  /** Says goodbye. Only when nothing is on its way. */
  async end(): Promise<void> {
    assert(this.#units.length === 0, "a connection is closed when nothing is on its way");
    this.broken ??= new Error("the connection was closed");
    await this.#client.end();
  }

  /** Parses come first in a unit, so that a failing statement keeps none of them from being prepared. */
  #prepare(steps: readonly Step[]): readonly Prepared[] {
    let describing: Prepared[] | undefined;
    for (const { statement } of steps) {
      const prepared = this.#prepared.get(statement.name);
      if (prepared?.known === true) {
        assert(prepared.text === statement.text, "one statement name has one text");
        continue;
      }
      if (prepared !== undefined) this.#frames.closeStatement(statement.name);
      const fresh: Prepared = { text: statement.text, known: true, columns: [] };
      this.#prepared.set(statement.name, fresh);
      this.#frames.parse(statement.name, statement.text);
      this.#frames.describe(statement.name);
      describing ??= [];
      describing.push(fresh);
    }
    return describing ?? NOTHING;
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.broken === undefined) this.#client.connection.stream.write(this.#frames.take());
  }

  /** pg's Client keeps its listeners for connecting and for errors of the socket; query messages are ours. */
  #takeOver(): void {
    const { connection } = this.#client;
    // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- each listener names the type of its event
    const listen = <Message>(event: string, listener: (message: Message) => void): void => {
      connection.removeAllListeners(event);
      connection.on(event, listener);
    };
    listen("parseComplete", () => {});
    listen("rowDescription", (message: RowDescription) => {
      this.#describe(message.fields);
    });
    listen("noData", () => {
      this.#describe([]);
    });
    listen("dataRow", (message: DataRow) => {
      this.#row(message.fields);
    });
    listen("commandComplete", (message: CommandComplete) => {
      this.#complete(message.text);
    });
    listen("errorMessage", (error: unknown) => {
      this.#fail(error);
    });
    listen("readyForQuery", (message: Ready) => {
      this.#ready(message.status);
    });
    this.#client.on("error", (error) => {
      this.#break(error);
    });
    this.#client.on("end", () => {
      this.#break(new Error("the connection ended"));
    });
  }

  #describe(fields: RowDescription["fields"]): void {
    const unit = this.#units[0];
    const prepared = unit?.describing[unit.described];
    if (unit === undefined || prepared === undefined) return;
    unit.described += 1;
    prepared.columns = fields.map(({ name, dataTypeID }) => ({ name, read: readerOf(dataTypeID) }));
  }

  #row(fields: DataRow["fields"]): void {
    const unit = this.#units[0];
    const step = unit?.steps[unit.results.length];
    if (unit === undefined || step === undefined || unit.failure !== undefined) return;
    const columns = this.#prepared.get(step.statement.name)?.columns;
    assert(columns?.length === fields.length, "a row has the columns that were described");
    const row: Record<string, unknown> = {};
    try {
      for (const [index, column] of columns.entries()) {
        const text = fields[index];
        row[column.name] = text === null || text === undefined ? null : column.read(text);
      }
    } catch (error) {
      unit.failure = { error };
      return;
    }
    unit.rows.push(row);
  }

  #complete(tag: string): void {
    const unit = this.#units[0];
    const step = unit?.steps[unit.results.length];
    if (unit === undefined || step === undefined || unit.failure !== undefined) return;
    unit.results.push({ rows: unit.rows, tag });
    unit.rows = [];
  }

  #fail(error: unknown): void {
    const unit = this.#units[0];
    if (unit === undefined) {
      // The server ends the connection: a shutdown, an administrator, a timeout.
      this.#break(error);
      return;
    }
    unit.failure ??= { error };
    // What was not described was not prepared, or not certainly so.
    for (const prepared of unit.describing.slice(unit.described)) prepared.known = false;
    if (!isStatementLost(error)) return;
    const step = unit.steps[unit.results.length];
    const prepared = step === undefined ? undefined : this.#prepared.get(step.statement.name);
    if (prepared !== undefined) prepared.known = false;
  }

  #ready(status: string): void {
    const unit = this.#units.shift();
    if (unit === undefined) return;
    this.status = status === "T" || status === "E" ? status : "I";
    if (unit.failure !== undefined) unit.failed(unit.failure.error, unit.steps[unit.results.length]);
    else if (unit.results.length === unit.steps.length) unit.done(unit.results);
    else unit.failed(new AssertionFailed("assertion failed: every step of a unit is answered"), undefined);
  }

  #break(reason: unknown): void {
    if (this.broken !== undefined) return;
    this.broken = reason;
    const units = this.#units.splice(0);
    this.#onBroken(this);
    for (const unit of units) unit.failed(unit.failure?.error ?? reason, unit.steps[unit.results.length]);
  }
}

const NOTHING: readonly Prepared[] = [];
