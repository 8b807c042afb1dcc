import type { Client } from "pg";
import { AssertionFailed, assert, type SqlValue, type Statement } from "../../core/index.ts";
import { isStatementLost } from "./errors.ts";
import { Frames } from "./frames.ts";
import { leavesTraces } from "./traces.ts";
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
  /** Something of it may be there after its transaction. */
  readonly leavesTraces: boolean;
  columns: readonly Column[];
}

/** One statement of a unit. */
export interface Step {
  readonly statement: Pick<Statement, "name" | "text">;
  readonly values: readonly SqlValue[];
  /** A statement of this adapter's own, which is known to leave nothing behind. */
  readonly own?: true;
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
  /** What each step was prepared as: a later unit may prepare the same name anew. */
  readonly prepared: readonly Prepared[];
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
  /** True once a statement ran of which something may be left: no other transaction may follow here. */
  traced = false;
  /** Set when the connection is of no use any more. */
  broken: unknown;
  readonly #client: Client;
  readonly #frames = new Frames();
  readonly #prepared = new Map<string, Prepared>();
  readonly #units: Unit[] = [];
  readonly #now: () => number;
  #flushScheduled = false;
  readonly #onBroken: (wire: Wire) => void;

  constructor(client: Client, pid: number, now: () => number, onBroken: (wire: Wire) => void) {
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
    const describing: Prepared[] = [];
    // Parses come first in a unit, so that a failing statement keeps none of them from being prepared.
    const prepared = steps.map((step) => this.#prepare(step, describing));
    if (prepared.some((one) => one.leavesTraces)) this.traced = true;
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
      prepared,
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

  #prepare({ statement: { name, text }, own }: Step, describing: Prepared[]): Prepared {
    const prepared = this.#prepared.get(name);
    if (prepared?.known === true) {
      assert(prepared.text === text, "one statement name has one text");
      return prepared;
    }
    assert(name.length > 0 && name.length <= NAME_BYTES_MAX, "a statement has a name PostgreSQL does not cut");
    assert(this.#prepared.size < STATEMENTS_MAX, "statements are constants, so there are not many");
    if (prepared !== undefined) this.#frames.closeStatement(name);
    const fresh: Prepared = { text, known: true, leavesTraces: own !== true && leavesTraces(text), columns: [] };
    this.#prepared.set(name, fresh);
    this.#frames.parse(name, text);
    this.#frames.describe(name);
    describing.push(fresh);
    return fresh;
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.broken === undefined) this.#client.connection.stream.write(this.#frames.take());
  }

  /** pg's Client keeps its listeners for connecting and for errors of the socket; query messages are ours. */
  #takeOver(): void {
    const { connection } = this.#client;
    for (const event of QUERY_EVENTS) connection.removeAllListeners(event);
    connection.on("rowDescription", (message: RowDescription) => {
      this.#describe(message.fields);
    });
    connection.on("noData", () => {
      this.#describe([]);
    });
    connection.on("dataRow", (message: DataRow) => {
      this.#row(message.fields);
    });
    connection.on("commandComplete", (message: CommandComplete) => {
      this.#complete(message.text);
    });
    connection.on("errorMessage", (error: unknown) => {
      this.#fail(error);
    });
    connection.on("readyForQuery", (message: Ready) => {
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
    const row: Record<string, unknown> = {};
    try {
      const columns = unit.prepared[unit.results.length]?.columns;
      assert(columns?.length === fields.length, "a row has the columns that were described");
      for (let index = 0; index < columns.length; index += 1) {
        const column = columns[index];
        const text = fields[index];
        if (column !== undefined) row[column.name] = text === null || text === undefined ? null : column.read(text);
      }
    } catch (error) {
      // Told with the unit's outcome. Thrown here it would end the process.
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
    const lost = step === undefined ? undefined : this.#prepared.get(step.statement.name);
    if (lost !== undefined) lost.known = false;
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

/** What pg's Client listens to for its own queries. */
const QUERY_EVENTS = [
  "parseComplete",
  "rowDescription",
  "dataRow",
  "commandComplete",
  "emptyQuery",
  "errorMessage",
  "portalSuspended",
  "readyForQuery",
] as const;

const NAME_BYTES_MAX = 63;
const STATEMENTS_MAX = 2_000;
