import { RingwallError, type TenantId } from "../../core/index.ts";
import { chainOn, emptyChain, type HeadVerifier, parseHead, type SignedHead } from "./heads.ts";
import { type Leaf, openDetail, parseLeaf } from "./leaf.ts";

/** An entry as it was found. Nothing of it is believed. */
export interface FoundEntry {
  readonly position: number;
  readonly eventId: string;
  readonly occurredMs: number;
  readonly action: string;
  readonly leaf: string;
  readonly hash: Buffer;
  readonly detail: Buffer | null;
}

/** A line that claims to be a signed head of `size`. */
export interface FoundHead {
  readonly size: number;
  readonly line: string;
}

/** A place in a chain that was verified before, or its beginning. */
export interface ChainPoint {
  readonly size: number;
  readonly hash: Buffer;
}

/** What can be wrong with a chain. */
export type ProblemKind =
  | "rewritten"
  | "missing"
  | "truncated"
  | "signed_head_differs"
  | "head_forged"
  | "head_differs"
  | "unsigned_tail"
  | "detail_missing"
  | "detail_mismatch"
  | "detail_wiped"
  | "copy_damaged";

/** The first thing that does not hold, and where. */
export interface Problem {
  readonly kind: ProblemKind;
  /** The first entry that is touched; for a truncation the first that is gone. */
  readonly position: number;
  /** One sentence for a person. Holds numbers, no content of the log. */
  readonly message: string;
}

/** How far one tenant's chain holds. */
export interface ChainReport {
  /** Entries found whole, from the first on. */
  readonly verified: number;
  /** The largest size that a valid signature covers. */
  readonly signed: ChainPoint;
  /** The largest size that a copy outside the database covers. */
  readonly copied: number;
  readonly end: ChainPoint;
  /** Details that are gone because a person or the tenant was erased, as the log itself says. */
  readonly erased: number;
  /** The first thing that is wrong. */
  readonly problem: Problem | undefined;
}

export interface ChainInput {
  readonly tenant: TenantId;
  /** Where to begin; the beginning of the chain when absent. */
  readonly from?: ChainPoint;
  /** The head row of the database, read after `claimed` was. Absent when there is none. */
  readonly head: ChainPoint | undefined;
  /** Largest size that a head signed and stored before `head` was read speaks of. */
  readonly claimed: number;
  /** Entries after `from`, by position. */
  readonly entries: AsyncIterable<FoundEntry>;
  /** Signed heads after `from`, by size, from inside the database and from outside. */
  readonly inside: AsyncIterable<FoundHead>;
  readonly outside: AsyncIterable<FoundHead>;
  readonly verifier: HeadVerifier;
  /** Opens the sealed detail of an entry, where the caller holds the keys. */
  readonly open?: (eventId: string, sealed: Buffer) => Buffer | Promise<Buffer>;
  /** What was found before `from`: an erasure stands later in the chain than what it emptied. */
  readonly details?: ErasedDetails;
}

/**
 * Recomputes one tenant's chain and holds everything that was signed against it. Reads each stream once, in constant
 * memory, and stops at the first problem.
 *
 * Knows no database: what it is given may come from a dump, a file or another program.
 */
export async function verifyChain(input: ChainInput): Promise<ChainReport> {
  const start = input.from ?? { size: 0, hash: emptyChain(input.tenant) };
  const walk = new ChainWalk(input, start);
  try {
    for await (const entry of input.entries) {
      // Entries after the head were appended while this runs; their turn comes with the next head.
      if (entry.position > (input.head?.size ?? 0)) break;
      const problem = await walk.take(entry);
      if (problem !== undefined) return walk.report(problem);
    }
    return walk.report(await walk.finish());
  } finally {
    await walk.close();
  }
}

class ChainWalk {
  readonly #input: ChainInput;
  readonly #inside: HeadCursor;
  readonly #outside: HeadCursor;
  #end: ChainPoint;
  #signed: ChainPoint;
  readonly #details: ErasedDetails;
  #copied = 0;

  constructor(input: ChainInput, start: ChainPoint) {
    this.#details = input.details ?? new ErasedDetails();
    this.#input = input;
    this.#inside = new HeadCursor(input.inside, start.size);
    this.#outside = new HeadCursor(input.outside, start.size);
    this.#end = start;
    this.#signed = start;
  }

  /** The next entry: in its place, as it was hashed, saying what its row says, and as it was signed. */
  async take(entry: FoundEntry): Promise<Problem | undefined> {
    const position = this.#end.size + 1;
    if (entry.position !== position) {
      return {
        kind: "missing",
        position,
        message: `entry #${position} is missing; the next one is #${entry.position}`,
      };
    }
    const hash = chainOn(this.#end.hash, entry.leaf);
    const leaf = parseLeaf(entry.leaf);
    if (!hash.equals(entry.hash) || leaf === undefined || !this.#sameAsRow(leaf, entry)) {
      return { kind: "rewritten", position, message: `entry #${position} is not what was chained` };
    }
    this.#end = { size: position, hash };
    this.#details.read(leaf);
    return (await this.#heads()) ?? (await this.#detail(leaf, entry));
  }

  #sameAsRow(leaf: Leaf, entry: FoundEntry): boolean {
    return (
      leaf.tenant === this.#input.tenant &&
      leaf.event === entry.eventId &&
      leaf.action === entry.action &&
      Date.parse(leaf.time) === entry.occurredMs
    );
  }

  /** Every signed head of the size reached, inside and outside, must have the hash that was computed. */
  async #heads(): Promise<Problem | undefined> {
    const { size } = this.#end;
    for await (const found of this.#inside.upTo(size)) {
      const problem = this.#headProblem(found, "in the database");
      if (problem !== undefined) return problem;
    }
    for await (const found of this.#outside.upTo(size)) {
      const problem = this.#headProblem(found, "outside the database");
      if (problem !== undefined) return problem;
      this.#copied = size;
    }
    return undefined;
  }

  #headProblem(found: FoundHead, where: string): Problem | undefined {
    const { size, hash } = this.#end;
    const head = parseHead(found.line);
    if (!this.#genuine(head, found)) {
      return {
        kind: "head_forged",
        position: found.size,
        message: `the head of #${found.size} ${where} is not genuine`,
      };
    }
    if (found.size !== size) {
      return {
        kind: "head_forged",
        position: found.size,
        message: `heads ${where} are out of order at #${found.size}`,
      };
    }
    if (!head.hash.equals(hash)) {
      const first = this.#signed.size + 1;
      return {
        kind: "signed_head_differs",
        position: first,
        message: `entries #${first} to #${size} are not those whose head was signed ${where}`,
      };
    }
    this.#signed = this.#end;
    return undefined;
  }

  #genuine(head: SignedHead | undefined, found: FoundHead): head is SignedHead {
    const { tenant, verifier } = this.#input;
    return head !== undefined && head.tenant === tenant && head.size === found.size && verifier.accepts(head);
  }

  async #detail(leaf: Leaf, entry: FoundEntry): Promise<Problem | undefined> {
    const { position } = entry;
    if ((leaf.commitment === undefined) !== (entry.detail === null)) {
      return {
        kind: "detail_missing",
        position,
        message: `entry #${position} and its leaf disagree on having a detail`,
      };
    }
    if (leaf.commitment === undefined || entry.detail === null) return undefined;
    if (isErased(entry.detail)) {
      this.#details.wiped(leaf, position);
      return undefined;
    }
    if (this.#input.open === undefined) return undefined;
    let opened: Buffer;
    try {
      opened = await this.#input.open(entry.eventId, entry.detail);
    } catch (error) {
      if (!isUnopened(error)) throw error;
      // Which step of opening failed is the key layer's to log. Of an erased tenant it is what was wanted.
      this.#details.unopened(leaf, position);
      return undefined;
    }
    if (openDetail(opened, leaf.commitment) !== undefined) return undefined;
    return {
      kind: "detail_mismatch",
      position,
      message: `the detail of entry #${position} is not the one committed to`,
    };
  }

  /** After the last entry: nothing may be cut off, and the head row must say the same. */
  async finish(): Promise<Problem | undefined> {
    const { head, claimed } = this.#input;
    const { size, hash } = this.#end;
    const says = Math.max(head?.size ?? 0, claimed);
    if (size < says) {
      const by = claimed > size ? "a signed head says" : "its head says";
      return { kind: "truncated", position: size + 1, message: `the database has ${size} entries, ${by} ${says}` };
    }
    if (head !== undefined && !head.hash.equals(hash)) {
      return { kind: "head_differs", position: size, message: `the database's head is not that of entry #${size}` };
    }
    const gone = this.#details.wipedByNobody();
    if (gone !== undefined) return { kind: "detail_wiped", ...gone };
    const unopened = this.#details.unopenedByNobody();
    if (unopened !== undefined) return { kind: "detail_mismatch", ...unopened };
    if (this.#signed.size < size) {
      const first = this.#signed.size + 1;
      return { kind: "unsigned_tail", position: first, message: `no signature covers entries #${first} to #${size}` };
    }
    return undefined;
  }

  report(problem: Problem | undefined): ChainReport {
    const { count: erased } = this.#details;
    return { verified: this.#end.size, signed: this.#signed, copied: this.#copied, end: this.#end, erased, problem };
  }

  async close(): Promise<void> {
    await Promise.all([this.#inside.close(), this.#outside.close()]);
  }
}

/** Anything else is trouble of the opener's own, and no verdict on the entry. */
function isUnopened(error: unknown): boolean {
  return error instanceof RingwallError && error.code === "keys.decrypt_failed";
}

/** Steps through signed heads beside the entries. */
class HeadCursor {
  readonly #heads: AsyncIterator<FoundHead>;
  readonly #after: number;
  #next: FoundHead | undefined;
  #started = false;

  constructor(heads: AsyncIterable<FoundHead>, after: number) {
    this.#heads = heads[Symbol.asyncIterator]();
    this.#after = after;
  }

  /** Takes the heads of at most `size`. */
  async *upTo(size: number): AsyncIterable<FoundHead> {
    if (!this.#started) {
      this.#started = true;
      do await this.#advance();
      while (this.#next !== undefined && this.#next.size <= this.#after);
    }
    while (this.#next !== undefined && this.#next.size <= size) {
      yield this.#next;
      await this.#advance();
    }
  }

  async #advance(): Promise<void> {
    const result = await this.#heads.next();
    this.#next = result.done === true ? undefined : result.value;
  }

  async close(): Promise<void> {
    await this.#heads.return?.();
  }
}

/** What an erasure leaves of a sealed detail. Opens to nothing, under no key. */
const ERASED = Buffer.of(0);
/** Who records erasures: the capability that carries orders out, and nobody's own word. */
const ERASER = "keys.erase";
/** A node that has not heard of its tenant's erasure yet seals with the destroyed key for a second; clocks differ, too. */
const SETTLE_MS = 60_000;

/** True for the one byte that an erasure leaves. */
function isErased(detail: Buffer): boolean {
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
