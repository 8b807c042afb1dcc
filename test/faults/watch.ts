import { expect } from "vitest";
import type { HttpClient, Reply } from "./http.ts";

interface Seen {
  readonly what: string;
  readonly status: number;
  readonly code: string | undefined;
  readonly retryAfter: string | undefined;
  readonly ms: number;
}

/**
 * The longest way to a refusal: 15 s until a silent connection is given up, as long again when the password for a new one
 * comes over another that is silent, 5 s to connect, and each time the half second in which the pool looks.
 */
const ANSWER_MS = 40_000;

/** Every answer of some clients, in order. */
export class Watch {
  readonly #seen: Seen[] = [];

  /** The same client, watched. */
  over(client: HttpClient): HttpClient {
    const send: HttpClient["send"] = async (call) => {
      const startedMs = performance.now();
      const reply = await client.send(call);
      this.#note(`${call.method} ${call.path}`, reply, performance.now() - startedMs);
      return reply;
    };
    return { ...client, send };
  }

  /** What was refused, and how often: `503 database.unavailable 12`. */
  refusals(): string {
    const counts = new Map<string, number>();
    for (const { code, status } of this.#seen) {
      if (status >= 300) counts.set(`${status} ${code}`, (counts.get(`${status} ${code}`) ?? 0) + 1);
    }
    return [...counts].map(([what, times]) => `${what} ${times}`).join(", ");
  }

  get longestMs(): number {
    return Math.max(0, ...this.#seen.map(({ ms }) => ms));
  }

  /** While the database was away: only 503 with one of these codes, always with the time to come back, never late. */
  expectOnly(codes: readonly string[]): void {
    const odd = this.#seen.filter(({ code = "", retryAfter = "", status }) => {
      return status >= 300 && !(status === 503 && codes.includes(code) && /^[1-9][0-9]*$/.test(retryAfter));
    });
    expect(odd).toEqual([]);
    expect(this.#seen.filter(({ ms }) => ms > ANSWER_MS)).toEqual([]);
  }

  #note(what: string, { code, headers, status }: Reply, ms: number): void {
    const retryAfter = headers["retry-after"];
    this.#seen.push({ what, status, code, retryAfter: typeof retryAfter === "string" ? retryAfter : undefined, ms });
  }
}
