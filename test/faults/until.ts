import { setTimeout as delay } from "node:timers/promises";

const POLL_MS = 15;

/**
 * Waits for another process to get somewhere: asks again and again until `look` gives something.
 * @throws Error that names `what` when it takes longer than `waitMs`, with what stood in the way last.
 */
export async function until<T>(what: string, waitMs: number, look: () => Promise<T | undefined> | T | undefined) {
  const startedMs = performance.now();
  let cause: unknown;
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined) return found;
    } catch (error) {
      cause = error;
    }
    if (performance.now() - startedMs > waitMs) throw new Error(`after ${waitMs} ms not there: ${what}`, { cause });
    await delay(POLL_MS);
  }
}
