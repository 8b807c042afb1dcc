import type { ObjectName } from "../finding.ts";

/**
 * In the order in which they run: what is given stands before what needs it, rows are filled before a wall hides them
 * from whoever fills them, and keys go before the keys that refer to them.
 */
export const PHASES = [
  "roles",
  "columns",
  "fill",
  "drop foreign keys",
  "keys",
  "foreign keys",
  "validate",
  "indexes",
  "row security",
  "policies",
  "views",
  "functions",
  "grants",
  "revokes",
] as const;
/** A part of the migration. */
export type Phase = (typeof PHASES)[number];

/** One change: what is there, and the statement that makes it what it should be. */
export interface Step {
  readonly phase: Phase;
  /** `schema.name` of the table, or the role, schema or database, unquoted. */
  readonly subject: string;
  /** What is there now, in words; undefined where nothing is. */
  readonly before: string | undefined;
  readonly sql: string;
  /** Holds a lock for as long as the table is big: everything else only for a moment. */
  readonly slow?: boolean;
}

/** What a program cannot decide. */
export interface Decision {
  readonly object: ObjectName;
  /** What is the matter, and between what to choose. */
  readonly message: string;
  /** False when the rest is walled without it: it is told, and stops nothing. */
  readonly blocks: boolean;
}

/** A migration that has not been written down yet. */
export interface IsolationPlan {
  readonly database: string;
  readonly steps: readonly Step[];
  readonly decisions: readonly Decision[];
}

/** Collects steps in any order. */
export class Draft {
  readonly #steps = new Map<string, Step>();
  readonly #decisions: Decision[] = [];

  step(phase: Phase, subject: string, sql: string, more: { before?: string; slow?: boolean } = {}): void {
    if (this.#steps.has(sql)) return;
    const { before, slow } = more;
    this.#steps.set(sql, { phase, subject, before, sql, ...(slow === true ? { slow } : {}) });
  }

  decide(object: ObjectName, message: string): void {
    this.#decisions.push({ object, message, blocks: true });
  }

  /** Told beside the migration. */
  note(object: ObjectName, message: string): void {
    this.#decisions.push({ object, message, blocks: false });
  }

  finish(database: string): IsolationPlan {
    const steps = [...this.#steps.values()].toSorted((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase));
    return { database, steps, decisions: this.#decisions };
  }
}
