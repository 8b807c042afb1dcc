import type { TenantId } from "../../core/index.ts";
import type { Step, StepResult } from "./wire.ts";

/** Reads that share one transaction: enough to make its price small, few enough that none waits long for the others. */
const TOGETHER_MAX = 16;

/** A read that waits for its rows. */
export interface WaitingRead {
  readonly step: Step;
  readonly done: (rows: readonly object[]) => void;
  readonly failed: (error: unknown) => void;
}

/** Hands the reads of one tenant over, to be sent in one transaction. Must settle every one of them, and never throw. */
export type SendTogether = (tenant: TenantId, reads: readonly WaitingRead[]) => void;

/**
 * Collects the reads of one turn of the event loop, each tenant's apart, so that they travel and are answered together
 * under one signed context: verifying it is most of what a small read costs PostgreSQL, and sending most of what it costs
 * here. A tenant that is alone in its turn loses nothing but the rest of that turn.
 */
export class Reads {
  readonly #send: SendTogether;
  #waiting = new Map<TenantId, WaitingRead[]>();

  constructor(send: SendTogether) {
    this.#send = send;
  }

  read(tenant: TenantId, step: Step): Promise<readonly object[]> {
    if (this.#waiting.size === 0) setImmediate(() => this.#flush());
    return new Promise((done, failed) => {
      const reads = this.#waiting.get(tenant);
      if (reads === undefined) this.#waiting.set(tenant, [{ step, done, failed }]);
      else reads.push({ step, done, failed });
    });
  }

  #flush(): void {
    const waiting = this.#waiting;
    this.#waiting = new Map();
    for (const [tenant, reads] of waiting) {
      for (let from = 0; from < reads.length; from += TOGETHER_MAX) {
        this.#send(tenant, from === 0 && reads.length <= TOGETHER_MAX ? reads : reads.slice(from, from + TOGETHER_MAX));
      }
    }
  }
}

/** Gives each read its own rows; `results` begin with the context's. */
export function tellRows(reads: readonly WaitingRead[], results: readonly StepResult[]): void {
  for (const [index, read] of reads.entries()) read.done(results[index + 1]?.rows ?? []);
}
