import { setTimeout as delay } from "node:timers/promises";
import type { Client } from "pg";
import { z } from "zod";
import { type Bus, type Invalidation, isTenantId, type Logger, type TenantId } from "../../core/index.ts";
import type { ContextSigner } from "../../data/tenants/index.ts";
import { firstAnswer, openClient, type Target } from "./connect.ts";

/** The bus of one process; close it before the process ends. */
export interface PostgresBus extends Bus {
  close(): Promise<void>;
}

const RECONNECT_FIRST_MS = 100;
const RECONNECT_MAX_MS = 5_000;
/** A connection that died without a word is noticed by then: revocation must hold within a second while `up` is true. */
const HEARTBEAT_MS = 500;
const HEARTBEAT_ANSWER_MS = 500;

/**
 * Any login may write to the channel. What cannot be opened empties the caches at most so often: a forger cannot keep
 * them cold, and a message sealed with a key we do not have is still honoured within a second.
 */
const GAP_MS = 500;

const Message = z.tuple([
  z.enum(["session", "user", "tenant", "key", "secret", "epoch"]),
  z.custom<TenantId>(isTenantId),
  z.string().max(256),
]);

/** What a bus stands on. */
export interface BusOptions {
  readonly target: Target;
  /** Opens what other nodes sealed; the same as theirs, or every message is a gap. */
  readonly signer: Pick<ContextSigner, "openNotice">;
  readonly log: Logger;
  /** Calls `tick` once after `ms`, unless the returned function is called before. Keeps no process alive by default. */
  readonly after?: (ms: number, tick: () => void) => () => void;
}

/**
 * Listens for invalidations on a connection of its own, and reconnects by itself. Resolves after the first attempt,
 * whether or not it worked: `up` says.
 */
export async function postgresBus(options: BusOptions): Promise<PostgresBus> {
  const bus = new ListeningBus(options);
  await bus.start();
  return bus;
}

function unrefTimer(ms: number, tick: () => void): () => void {
  const timer = setTimeout(tick, ms).unref();
  return () => clearTimeout(timer);
}

class ListeningBus implements PostgresBus {
  up = false;
  readonly #target: Target;
  readonly #signer: BusOptions["signer"];
  readonly #log: Logger;
  readonly #after: NonNullable<BusOptions["after"]>;
  /** Ends the pause after a gap that a message made. */
  #endPause: (() => void) | undefined;
  #missed = false;
  readonly #listeners = new Set<(message: Invalidation) => void>();
  readonly #gapListeners = new Set<() => void>();
  readonly #closing = new AbortController();
  #client: Client | undefined;
  #running: Promise<void> | undefined;

  constructor({ target, signer, log, after = unrefTimer }: BusOptions) {
    this.#target = target;
    this.#signer = signer;
    this.#log = log;
    this.#after = after;
  }

  async start(): Promise<void> {
    const first = await this.#connect();
    this.#running = this.#run(first);
  }

  subscribe(listener: (message: Invalidation) => void): () => void {
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  onGap(listener: () => void): () => void {
    this.#gapListeners.add(listener);
    return () => {
      this.#gapListeners.delete(listener);
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#endPause?.();
    this.#client?.connection.stream.destroy();
    await this.#running;
  }

  /** Keeps one connection listening until the bus is closed. */
  async #run(first: Client | undefined): Promise<void> {
    let client = first;
    let waitMs = RECONNECT_FIRST_MS;
    while (!this.#closing.signal.aborted) {
      if (client !== undefined) {
        waitMs = RECONNECT_FIRST_MS;
        await this.#listen(client);
        client = undefined;
        continue;
      }
      await delay(waitMs, undefined, { signal: this.#closing.signal, ref: false }).catch(() => {});
      waitMs = Math.min(waitMs * 2, RECONNECT_MAX_MS);
      if (!this.#closing.signal.aborted) client = await this.#connect();
    }
  }

  async #connect(): Promise<Client | undefined> {
    let client: Client | undefined;
    try {
      client = await openClient(this.#target, false);
      client.on("notification", (message) => {
        this.#deliver(message.payload ?? "");
      });
      await firstAnswer(client, "listen ringwall_invalidation");
    } catch (error) {
      client?.connection.stream.destroy();
      this.#log.warn({ code: error instanceof Error ? error.name : "" }, "the invalidation bus is not connected");
      return undefined;
    }
    this.#client = client;
    this.#setUp(true);
    return client;
  }

  /** Until the connection ends or does not answer. */
  async #listen(client: Client): Promise<void> {
    const ended = new AbortController();
    client.once("end", () => {
      ended.abort();
    });
    client.on("error", () => {
      ended.abort();
    });
    while (!ended.signal.aborted && !this.#closing.signal.aborted) {
      await delay(HEARTBEAT_MS, undefined, { signal: ended.signal, ref: false }).catch(() => {});
      if (ended.signal.aborted) break;
      const answered = client.query("select").then(
        () => true,
        () => false,
      );
      const late = delay(HEARTBEAT_ANSWER_MS, false, { ref: false });
      if (!(await Promise.race([answered, late]))) break;
    }
    client.connection.stream.destroy();
    this.#client = undefined;
    this.#setUp(false);
  }

  #setUp(up: boolean): void {
    if (this.up === up) return;
    this.up = up;
    this.#gap();
  }

  #gap(): void {
    for (const listener of this.#gapListeners) listener();
  }

  #deliver(payload: string): void {
    const message = readMessage(this.#signer.openNotice(payload));
    if (message === undefined) this.#distrust();
    else for (const listener of this.#listeners) listener(message);
  }

  /** What cannot be opened may have been meant for us: nothing cached is trusted, at once or after the pause. */
  #distrust(): void {
    if (this.#endPause !== undefined) {
      this.#missed = true;
      return;
    }
    this.#log.warn({}, "a message on the invalidation channel could not be opened; everything cached is forgotten");
    this.#gap();
    this.#endPause = this.#after(GAP_MS, () => {
      this.#endPause = undefined;
      if (!this.#missed) return;
      this.#missed = false;
      this.#distrust();
    });
  }
}

function readMessage(text: string | undefined): Invalidation | undefined {
  if (text === undefined) return undefined;
  try {
    const [kind, tenant, id] = Message.parse(JSON.parse(text));
    return { kind, tenant, id };
  } catch {
    return undefined;
  }
}
