import { Worker } from "node:worker_threads";
import { RingwallError } from "../../core/index.ts";
import { decryptFailed } from "../../data/keys/index.ts";
import type { Answer, Request } from "./messages.ts";

type Omitted<T> = T extends unknown ? Omit<T, "id"> : never;
/** A request before it has its number. */
export type Asked = Omitted<Request>;

// A network HSM answers in milliseconds. What takes longer than this hangs, and the key is not to be had.
const ANSWER_MS_MAX = 10_000;
// The key tree asks once for each key however many wait; a longer queue means that the token does not answer.
const WAITING_MAX = 1_000;

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
}

/** One worker and the requests that it has not answered yet. Dead after its first fault: the owner starts another. */
export class WorkerToken {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, Waiting>();
  #next = 1;
  #dead = false;

  constructor() {
    // Sources run as they are; what is published is JavaScript.
    const file = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    this.#worker = new Worker(new URL(file, import.meta.url), { name: "ringwall-pkcs11" });
    this.#worker.on("message", (answer: Answer) => this.#settle(answer));
    this.#worker.on("error", (error) => this.#end(error));
    this.#worker.on("exit", () => this.#end(undefined));
    // A master key at rest keeps no process alive; while something is asked, its timer does.
    this.#worker.unref();
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** @throws RingwallError `keys.unavailable` when the token does not answer, or not in time. */
  async ask(asked: Asked, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    if (this.#dead || this.#waiting.size >= WAITING_MAX) throw unavailable("not running");
    const id = this.#next;
    this.#next += 1;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    // A call into native code cannot be broken off: the thread is left behind, and another one is started.
    const timer = setTimeout(() => this.#end(new Error("no answer in time")), ANSWER_MS_MAX);
    this.#waiting.set(id, { resolve, reject, timer });
    this.#worker.postMessage({ ...asked, id } satisfies Request, transfer);
    const answer = await promise;
    if (answer.kind === "not-ours") throw decryptFailed();
    if (answer.kind === "refused") {
      const { message, isPin } = answer;
      throw new RingwallError("keys.master_refused", { message, detail: { holder: "pkcs11", isPin } });
    }
    if (answer.kind === "failed") {
      // The session may be gone with the token; a fresh worker opens a fresh one.
      this.#end(new Error(answer.message));
      throw unavailable(answer.message);
    }
    return answer;
  }

  async close(): Promise<void> {
    if (!this.#dead) await this.ask({ kind: "close" }).catch(() => undefined);
    this.#end(undefined);
  }

  #settle(answer: Answer): void {
    const waiting = this.#waiting.get(answer.id);
    if (waiting === undefined) return;
    this.#waiting.delete(answer.id);
    clearTimeout(waiting.timer);
    waiting.resolve(answer);
  }

  #end(cause: unknown): void {
    if (!this.#dead) void this.#worker.terminate();
    this.#dead = true;
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer);
      reject(unavailable(cause instanceof Error ? cause.message : "ended", cause));
    }
    this.#waiting.clear();
  }
}

/** The error of a token that cannot be asked. `reason` is a code or a sentence of ours. */
export function unavailable(reason: string, cause?: unknown): RingwallError {
  return new RingwallError("keys.unavailable", { detail: { holder: "pkcs11", reason }, cause });
}
