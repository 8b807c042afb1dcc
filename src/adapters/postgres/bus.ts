import { setTimeout as delay } from "node:timers/promises";
import { type Bus, type Invalidation, isTenantId, type Logger } from "../../core/index.ts";
import { openClient, type Target } from "./connect.ts";

const CHANNEL = "ringwall_invalidation";
const PING_MS = 1_000;
const PING_TIMEOUT_MS = 1_000;
const RECONNECT_MS = 250;
const RECONNECT_MAX_MS = 5_000;
const KINDS: ReadonlySet<string> = new Set(["session", "user", "tenant", "key", "secret", "epoch"]);

export interface PostgresBus extends Bus {
  /** Settles when the first connection stands. */
  readonly ready: Promise<void>;
  close(): Promise<void>;
}

/**
 * Invalidations over LISTEN on a connection of its own. Asks the server for a sign of life every second, so that a
 * connection that died silently is noticed within two; reconnects by itself with growing pauses.
 */
export function postgresBus({ target, logger }: { target: Target; logger: Logger }): PostgresBus {
  const listeners = new Set<(message: Invalidation) => void>();
  const gaps = new Set<() => void>();
  const stop = new AbortController();
  let up = false;
  let announceReady: () => void;
  const ready = new Promise<void>((resolve) => {
    announceReady = resolve;
  });

  const gap = (): void => {
    for (const listener of gaps) listener();
  };

  async function listen(): Promise<void> {
    const { client } = await openClient(target, false);
    try {
      client.on("notification", ({ payload }) => {
        const message = readInvalidation(payload ?? "");
        if (message !== undefined) for (const listener of listeners) listener(message);
      });
      await client.query(`listen ${CHANNEL}`);
      up = true;
      gap();
      announceReady();
      for (;;) {
        await delay(PING_MS, undefined, { signal: stop.signal });
        await Promise.race([client.query("select 1"), timeout()]);
      }
    } finally {
      up = false;
      await Promise.race([client.end(), delay(PING_TIMEOUT_MS, undefined, { ref: false })]).catch(() => {});
    }
  }

  async function keepListening(): Promise<void> {
    let pauseMs = RECONNECT_MS;
    while (!stop.signal.aborted) {
      try {
        await listen();
      } catch (error) {
        if (stop.signal.aborted) return;
        gap();
        logger.warn({ reason: error instanceof Error ? error.message : "unknown", pauseMs }, "the bus is down");
        await delay(pauseMs, undefined, { signal: stop.signal }).catch(() => {});
        pauseMs = Math.min(pauseMs * 2, RECONNECT_MAX_MS);
      }
    }
  }

  const running = keepListening();
  return {
    get up() {
      return up;
    },
    ready,
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    onGap(listener) {
      gaps.add(listener);
      return () => gaps.delete(listener);
    },
    async close() {
      stop.abort();
      await running;
    },
  };
}

async function timeout(): Promise<never> {
  await delay(PING_TIMEOUT_MS, undefined, { ref: false });
  throw new Error("no sign of life");
}

/** Anybody who may connect may notify: what has not our form is dropped. A forged one only empties a cache. */
function readInvalidation(payload: string): Invalidation | undefined {
  let message: unknown;
  try {
    message = JSON.parse(payload);
  } catch {
    return undefined;
  }
  if (typeof message !== "object" || message === null) return undefined;
  const { kind, tenant, id } = message as Record<string, unknown>;
  if (typeof kind !== "string" || !KINDS.has(kind) || !isTenantId(tenant) || typeof id !== "string") return undefined;
  // `kind` was found in the list of kinds.
  return { kind: kind as Invalidation["kind"], tenant, id };
}
