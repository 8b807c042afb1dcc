import type { Principal } from "ringwall/application/access";
import { type Logger, RingwallError } from "ringwall/core";

/** Something that goes on after its request was let in: an upgraded connection, an event stream. */
export interface LiveStream {
  /** Asks again who this is. @throws RingwallError when it is nobody any more */
  readonly check: () => Principal | Promise<Principal> | undefined;
  readonly close: () => void;
}

/**
 * What stays open is asked about again and again, so that a session that ends takes its open streams with it, within a
 * second. Asking costs a look into this process's memory.
 */
export class LiveStreams {
  readonly #streams = new Set<LiveStream>();
  readonly #log: Logger;
  #isClosed = false;

  constructor(log: Logger) {
    this.#log = log;
  }

  get size(): number {
    return this.#streams.size;
  }

  /** Gives what to call when the stream is over. */
  add(stream: LiveStream): () => void {
    // Agreed to by its upstream while the gateway was closing: nobody would end it any more.
    if (this.#isClosed) stream.close();
    else this.#streams.add(stream);
    return () => void this.#streams.delete(stream);
  }

  /** Closes what is nobody's any more. An error while asking closes too. */
  async sweep(): Promise<void> {
    await Promise.all([...this.#streams].map(async (stream) => await this.#check(stream)));
  }

  /** For good: what comes after is closed at once. */
  closeAll(): void {
    this.#isClosed = true;
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  async #check(stream: LiveStream): Promise<void> {
    try {
      await stream.check();
    } catch (error) {
      this.#streams.delete(stream);
      stream.close();
      const code = error instanceof RingwallError ? error.code : "internal";
      this.#log.info({ code }, "an open stream was ended");
    }
  }
}
