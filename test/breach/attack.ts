import type { Layer } from "../../src/pipeline.ts";
import type { Got } from "./http.ts";
import type { BreachStage } from "./stage.ts";

/** What an attack came to: it reached its aim, or it was stopped and this is what it saw. */
export type Result = { readonly reached: true } | { readonly reached: false; readonly stoppedWith: string };

/** One attack, and every layer that stops it by itself, in the order in which a request meets them. */
export interface Attack {
  readonly id: string;
  /** What the attacker wants, as a sentence. */
  readonly aim: string;
  readonly stops: readonly (readonly [layer: Layer, answer: string])[];
  readonly run: (stage: BreachStage) => Promise<Result>;
}

export const REACHED: Result = { reached: true };

export function stopped(stoppedWith: string): Result {
  return { reached: false, stoppedWith };
}

/** An answer with the aim in it, or the refusal that came instead. */
export function judge({ code, status }: Got): Result {
  if (status >= 200 && status < 300) return REACHED;
  return stopped(`${status} ${code ?? "without a code"}`);
}

/** What must come of an attack when one layer is out: the first of the others stops it, or it reaches its aim. */
export function expected({ stops }: Attack, without: Layer | undefined): Result {
  const first = stops.find(([layer]) => layer !== without);
  return first === undefined ? REACHED : stopped(first[1]);
}
