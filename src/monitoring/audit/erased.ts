import type { Leaf } from "./leaf.ts";

/** What an erasure leaves of a sealed detail. Opens to nothing, under no key. */
const ERASED = Buffer.of(0);
/** Who records erasures: the capability that carries orders out, and nobody's own word. */
const ERASER = "keys.erase";
/** A node that has not heard of its tenant's erasure yet seals with the destroyed key for a second; clocks differ, too. */
const SETTLE_MS = 60_000;

/** True for the one byte that an erasure leaves. */
export function isErased(detail: Buffer): boolean {
  return detail.equals(ERASED);
}

/** Something that no erasure explains. */
interface Unexplained {
  readonly position: number;
  readonly message: string;
}

/**
 * Which details are gone, and which erasures the chain itself holds. A detail that was wiped is explained by the entry
 * `person.erased` of the person who acted, wherever it stands in the chain; one that does not open, by a later
 * `tenant.erased`. What nothing explains is a finding.
 *
 * Knows people by their ids for as long as a verification runs; the first place of each is enough.
 */
export class ErasedDetails {
  readonly #wiped = new Map<string | undefined, number>();
  readonly #persons = new Set<string>();
  #unopened: { readonly position: number; lastMs: number } | undefined;
  #tenantErasedMs = Number.NEGATIVE_INFINITY;
  #count = 0;

  /** Details that erasures emptied, the unexplained ones included. */
  get count(): number {
    return this.#count;
  }

  /** Every entry, in order: what it says about erasures. */
  read(leaf: Leaf): void {
    if (leaf.actor["type"] !== "system" || leaf.actor["capability"] !== ERASER) return;
    const [target] = leaf.targets;
    if (target === undefined || leaf.outcome !== "success") return;
    if (leaf.action === "person.erased" && target.type === "person") this.#persons.add(target.id);
    if (leaf.action === "tenant.erased" && target.id === leaf.tenant) this.#tenantErasedMs = Date.parse(leaf.time);
  }

  wiped(leaf: Leaf, position: number): void {
    this.#count += 1;
    // Whoever is no user is nobody's person: no erasure explains it.
    const person = leaf.actor["type"] === "user" ? leaf.actor["user"] : undefined;
    if (!this.#wiped.has(person)) this.#wiped.set(person, position);
  }

  /** A detail that no key opens. */
  unopened(leaf: Leaf, position: number): void {
    this.#count += 1;
    const ms = Date.parse(leaf.time);
    if (this.#unopened === undefined) this.#unopened = { position, lastMs: ms };
    else this.#unopened.lastMs = Math.max(this.#unopened.lastMs, ms);
  }

  /** After the last entry: the first detail that is gone and that nothing in the chain explains. */
  wipedByNobody(): Unexplained | undefined {
    const places = [...this.#wiped]
      .filter(([person]) => person === undefined || !this.#persons.has(person))
      .map(([, position]) => position);
    if (places.length === 0) return undefined;
    const position = Math.min(...places);
    return { position, message: `the detail of entry #${position} was emptied, and no erasure in the log says so` };
  }

  unopenedByNobody(): Unexplained | undefined {
    const unopened = this.#unopened;
    if (unopened === undefined || unopened.lastMs <= this.#tenantErasedMs + SETTLE_MS) return undefined;
    const { position } = unopened;
    return { position, message: `the detail of entry #${position} is not the one committed to` };
  }
}
