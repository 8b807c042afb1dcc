import type { ServerResponse } from "node:http";
import type { Duplex } from "node:stream";

/** How often a closing listener looks for connections that have become idle. */
const IDLE_MS = 50;

/** What a listener must know of its connections to end them well: every one, and what each is answering in HTTP/1. */
export class Connections {
  readonly #open = new Set<Duplex>();
  /** The newest answer of each connection. */
  readonly #answers = new WeakMap<Duplex, ServerResponse>();
  #isClosing = false;

  /** From its first byte until it closes, whatever it becomes in between: an upgrade leaves the server's own lists. */
  add(socket: Duplex): void {
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
  }

  /** A request of HTTP/1 begins to be answered. While the listener closes, its answer is the connection's last. */
  answering(socket: Duplex, response: ServerResponse): void {
    this.#answers.set(socket, response);
    if (this.#isClosing) response.shouldKeepAlive = false;
  }

  /** Whether an answer is on its way, or was said to be the last: nothing may follow it. */
  hasSpoken(socket: Duplex): boolean {
    const answer = this.#answers.get(socket);
    return answer?.headersSent === true && !(answer.writableFinished && answer.shouldKeepAlive);
  }

  /**
   * Lets what runs come to its end, and cuts the rest.
   * @param closed - settles when the server has no connection any more
   */
  async drain(closed: Promise<unknown>, closeIdle: () => void, limitMs: number): Promise<void> {
    this.#isClosing = true;
    for (const socket of this.#open) {
      const answer = this.#answers.get(socket);
      if (answer?.headersSent === false) answer.shouldKeepAlive = false;
    }
    closeIdle();
    const idle = setInterval(closeIdle, IDLE_MS);
    const late = setTimeout(() => {
      for (const socket of this.#open) socket.destroy();
    }, limitMs);
    await closed;
    clearInterval(idle);
    clearTimeout(late);
  }
}
