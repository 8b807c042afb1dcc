import { hash } from "node:crypto";
import {
  type Actor,
  actorName,
  assert,
  type Clock,
  type Database,
  encodeTuple,
  equalSecret,
  isoTime,
  RingwallError,
  type SystemActor,
  statement,
  type Transaction,
} from "../../core/index.ts";

/** How long an outcome is replayed. A day covers a client that retries after a weekend's half, and bounds the table. */
const IDEMPOTENCY_SECONDS = 86_400;
/** The largest stored answer. Idempotent acts answer with an id and a few numbers. */
const BODY_MAX = 16_384;
/** One claim in this many sweeps, and removes up to `SWEEP_ROWS` old rows: the table shrinks faster than it grows. */
const SWEEP_ONE_IN = 64;
const SWEEP_ROWS = 256;

interface ClaimRow {
  readonly request_hash: Buffer;
  readonly status: number | null;
  readonly body: string | null;
}

/**
 * Claims the key for this transaction, or returns what was stored under it. `do update` even when nothing changes,
 * because only that waits for a concurrent claim of the same key and then sees its outcome; `do nothing` would see
 * neither. A row older than $5 is taken over as if it were not there.
 *
 * A committed row always has a status, so `status is null` means "claimed by this very transaction". A statement of
 * the act that is issued in the same tick may therefore gate itself without another round trip:
 * `... where exists (select from ringwall.idempotency where actor = $n and key = $m and status is null)`.
 */
const CLAIM = statement<ClaimRow>(
  "input.idempotency_claim",
  `insert into ringwall.idempotency as i (actor, key, request_hash, created_at)
   values ($1, $2, $3, $4::timestamptz)
   on conflict (tenant_id, actor, key) do update set
     request_hash = case when i.created_at <= $5::timestamptz then excluded.request_hash else i.request_hash end,
     status = case when i.created_at <= $5::timestamptz then null else i.status end,
     body = case when i.created_at <= $5::timestamptz then null else i.body end,
     created_at = case when i.created_at <= $5::timestamptz then excluded.created_at else i.created_at end
   returning request_hash, status, body`,
);

const COMPLETE = statement(
  "input.idempotency_complete",
  "update ringwall.idempotency set status = $3, body = $4 where actor = $1 and key = $2 and status is null",
);

const SWEEP = statement(
  "input.idempotency_sweep",
  `delete from ringwall.idempotency where (tenant_id, actor, key) in (
     select tenant_id, actor, key from ringwall.idempotency where created_at <= $1::timestamptz
     order by created_at limit $2 for update skip locked)`,
);

/** What an act answered: enough to answer the same again. */
export interface Outcome {
  readonly status: number;
  readonly body: string;
}

/** An act's answer, and whether it was given before. */
export interface Replayable {
  readonly outcome: Outcome;
  readonly replayed: boolean;
}

/** One request as the key binds it: the same key with another hash is a conflict. */
export interface IdempotentRequest {
  readonly key: string;
  readonly hash: Buffer;
}

/** Binds a key to what was asked: route and parsed body, each length-prefixed so that no two requests share a hash. */
export function idempotentRequest(key: string, ...parts: readonly string[]): IdempotentRequest {
  return { key, hash: hash("sha256", encodeTuple(key, ...parts), "buffer") };
}

/** A claim of this transaction, or the outcome of an earlier one. */
export type Claim =
  | { readonly kind: "fresh"; complete(outcome: Outcome): void }
  | { readonly kind: "replay"; readonly outcome: Outcome };

/**
 * Claims an idempotency key inside the act's own transaction: act, key and outcome commit together or not at all.
 * Issue it in the same tick as the act's first statement and it costs no round trip; `complete` travels with the
 * commit. When the act throws, the key is free again. Duplicates at the same time wait for one another.
 *
 * The caller must call `complete` on a fresh claim before the transaction ends; `idempotent` does it for you.
 *
 * @throws RingwallError `idempotency.conflict` when the key was used for another request.
 */
export async function claimIdempotency(tx: Transaction, request: IdempotentRequest, clock: Clock): Promise<Claim> {
  const actor = actorName(tx.actor);
  const nowMs = clock();
  const expired = isoTime(nowMs - IDEMPOTENCY_SECONDS * 1_000);
  const [row] = await tx.run(CLAIM, [actor, request.key, request.hash, isoTime(nowMs), expired]);
  assert(row !== undefined, "a claim returns its row");
  if (!equalSecret(row.request_hash, request.hash)) throw new RingwallError("idempotency.conflict");
  if (row.status !== null) {
    assert(row.body !== null, "a stored outcome has a body");
    return { kind: "replay", outcome: { status: row.status, body: row.body } };
  }
  return {
    kind: "fresh",
    complete(outcome) {
      assert(outcome.status >= 200 && outcome.status < 300, "only what was done is replayed");
      assert(outcome.body.length <= BODY_MAX, "an idempotent answer is small");
      tx.defer(COMPLETE, [actor, request.key, outcome.status, outcome.body]);
      // Keys differ, so hashes do: each claim is as likely to sweep as any other.
      if ((request.hash[0] ?? 0) % SWEEP_ONE_IN === 0) tx.defer(SWEEP, [expired, SWEEP_ROWS]);
    },
  };
}

/** Runs `work` once for each key and replays its outcome afterwards. `work` throwing leaves the key unused. */
export async function idempotent(
  tx: Transaction,
  request: IdempotentRequest,
  clock: Clock,
  work: () => Promise<Outcome>,
): Promise<Replayable> {
  const claim = await claimIdempotency(tx, request, clock);
  if (claim.kind === "replay") return { outcome: claim.outcome, replayed: true };
  const outcome = await work();
  claim.complete(outcome);
  return { outcome, replayed: false };
}

/** Rolls a transaction back because its act was already done. Never leaves this file. */
class AlreadyDone extends Error {
  readonly outcome: Outcome;

  constructor(outcome: Outcome) {
    super("already done");
    this.outcome = outcome;
  }
}

/**
 * The whole act in one transaction with no round trip for its key: claim and `work` are issued in the same tick, so
 * the claim travels with the act's first statements and is executed before them. When the key turns out to be used,
 * everything `work` did is rolled back, whatever came of it, and the stored outcome is the answer.
 *
 * @throws RingwallError `idempotency.conflict`, or what `work` throws; the key is unused then.
 */
export async function actOnce(
  database: Database,
  actor: Exclude<Actor, SystemActor>,
  request: IdempotentRequest,
  clock: Clock,
  work: (tx: Transaction) => Promise<Outcome>,
): Promise<Replayable> {
  try {
    const outcome = await database.forTenant(actor.tenant, actor, async (tx) => {
      const [claimed, done] = await Promise.allSettled([claimIdempotency(tx, request, clock), work(tx)]);
      if (claimed.status === "rejected") throw claimed.reason;
      if (claimed.value.kind === "replay") throw new AlreadyDone(claimed.value.outcome);
      if (done.status === "rejected") throw done.reason;
      claimed.value.complete(done.value);
      return done.value;
    });
    return { outcome, replayed: false };
  } catch (error) {
    if (error instanceof AlreadyDone) return { outcome: error.outcome, replayed: true };
    throw error;
  }
}
