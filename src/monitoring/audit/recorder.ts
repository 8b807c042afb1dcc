import {
  type AuditEvent,
  assert,
  type Clock,
  type Database,
  isoTime,
  type Logger,
  type Recorder,
  RingwallError,
  silentLogger,
  type TenantId,
  type Transaction,
  uuidv7,
} from "../../core/index.ts";
import type { AuditConfig } from "./config.ts";
import { buildEntry } from "./leaf.ts";
import { NoteBuffer } from "./notes.ts";
import { INSERT_MANY, INSERT_ONE, manyRows, type OutboxRow, oneRow, sealEntry } from "./outbox.ts";
import type { DetailSealer } from "./ports.ts";

// Connections the flush may hold at once: requests come first, and the pool has ten by default.
const FLUSH_TENANTS_AT_ONCE = 3;

/** What the recorder stands on. */
export interface RecorderOptions {
  /** The application's or the server's own database: its role may insert into the outbox, and nothing else there. */
  readonly database: Database;
  readonly seal: DetailSealer;
  readonly clock: Clock;
  readonly config: AuditConfig;
  readonly log?: Logger;
  /** Calls `tick` every `ms` until the returned function is called. A timer that keeps no process alive, by default. */
  readonly every?: (ms: number, tick: () => void) => () => void;
}

/** The `Recorder` port, and what ends it in order. */
export interface AuditRecorder extends Recorder {
  /** Makes everything noted so far durable, or fails. */
  flush(): Promise<void>;
  /** Stops the timer and flushes. @throws RingwallError `audit.unavailable` when something noted could not be written. */
  close(): Promise<void>;
}

/** Builds the `Recorder` that all layers report to. */
export function createRecorder(options: RecorderOptions): AuditRecorder {
  return new OutboxRecorder(options);
}

function unrefTimer(ms: number, tick: () => void): () => void {
  const timer = setInterval(tick, ms);
  timer.unref();
  return () => clearInterval(timer);
}

class OutboxRecorder implements AuditRecorder {
  readonly #database: Database;
  readonly #seal: DetailSealer;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #notes: NoteBuffer;
  readonly #stop: () => void;
  #flushing: Promise<void> | undefined;
  // `record` runs many times in one millisecond, and formatting a date is a good part of its price.
  #timeMs = Number.NaN;
  #time = "";

  constructor({ database, seal, clock, config, log = silentLogger, every = unrefTimer }: RecorderOptions) {
    this.#database = database;
    this.#seal = seal;
    this.#clock = clock;
    this.#log = log;
    this.#notes = new NoteBuffer(clock, config);
    this.#stop = every(config.noteMs, () => void this.#tick());
  }

  async #tick(): Promise<void> {
    this.#notes.rotate();
    await this.#drain();
  }

  record(tx: Transaction, event: AuditEvent): Promise<void> {
    assert(event.tenant === tx.tenant, "an event is recorded in a transaction of its own tenant");
    const nowMs = this.#clock();
    if (nowMs !== this.#timeMs) {
      this.#timeMs = nowMs;
      this.#time = isoTime(nowMs);
    }
    const row = sealEntry(this.#seal, event.tenant, buildEntry(event, uuidv7(nowMs), this.#time));
    return row instanceof Promise ? deferLater(tx, row) : deferNow(tx, row);
  }

  note(event: AuditEvent): void {
    this.#notes.note(event);
  }

  async flush(): Promise<void> {
    // What a running flush already took may not include the newest notes.
    await this.#flushing;
    this.#notes.rotate();
    await this.#drain();
    if (this.#notes.waiting > 0) throw new RingwallError("audit.unavailable", { retryAfterSeconds: 1 });
  }

  async close(): Promise<void> {
    this.#stop();
    await this.flush();
  }

  /** Writes what is pending; at most one run at a time. Never rejects: what failed stays pending. */
  #drain(): Promise<void> {
    this.#flushing ??= this.#drainTenants().finally(() => {
      this.#flushing = undefined;
    });
    return this.#flushing;
  }

  async #drainTenants(): Promise<void> {
    const tenants = this.#notes.pendingTenants();
    const worker = async (): Promise<void> => {
      for (let tenant = tenants.pop(); tenant !== undefined; tenant = tenants.pop()) await this.#drainTenant(tenant);
    };
    await Promise.all(Array.from({ length: FLUSH_TENANTS_AT_ONCE }, worker));
  }

  async #drainTenant(tenant: TenantId): Promise<void> {
    try {
      for (let chunk = this.#notes.first(tenant); chunk !== undefined; chunk = this.#notes.first(tenant)) {
        const rows: OutboxRow[] = [];
        for (const entry of chunk.entries) rows.push(await sealEntry(this.#seal, tenant, entry));
        const actor = { type: "service", tenant, name: "ringwall.audit" } as const;
        await this.#database.once(tenant, actor, INSERT_MANY, manyRows(rows));
        this.#notes.done(tenant);
      }
    } catch (cause) {
      // Kept and tried again at the next tick; after five seconds `note` refuses, so reads stop rather than go unseen.
      const code = cause instanceof RingwallError ? cause.code : "internal";
      this.#log.error(
        { tenant, code, err: cause, waiting: this.#notes.waiting },
        "noted audit events could not be written",
      );
    }
  }
}

const DONE = Promise.resolve();

function deferNow(tx: Transaction, row: OutboxRow): Promise<void> {
  tx.defer(INSERT_ONE, oneRow(row));
  return DONE;
}

async function deferLater(tx: Transaction, row: Promise<OutboxRow>): Promise<void> {
  tx.defer(INSERT_ONE, oneRow(await row));
}
