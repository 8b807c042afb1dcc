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
/** One act in this many sweeps, and removes up to `SWEEP_ROWS` old rows: the table shrinks faster than it grows. */
const SWEEP_ONE_IN = 64;
const SWEEP_ROWS = 256;
/** An expired key is taken over at the second attempt; a third is for one that somebody else took over meanwhile. */
const ATTEMPTS_MAX = 3;

// A plain insert: of two acts with one key the second waits here for the first, and then fails with its whole transaction.
const KEEP = statement(
  "input.idempotency_keep",
  `insert into ringwall.idempotency (actor, key, request_hash, status, body, created_at)
   values ($1, $2, $3, $4, $5, $6::timestamptz)`,
);

interface KeptRow {
  readonly request_hash: Buffer;
  readonly status: number;
  readonly body: string;
}

const READ = statement<KeptRow>(
  "input.idempotency_read",
  `select request_hash, status, body from ringwall.idempotency
   where actor = $1 and key = $2 and created_at > $3::timestamptz`,
);

const FORGET = statement(
  "input.idempotency_forget",
  "delete from ringwall.idempotency where actor = $1 and key = $2 and created_at <= $3::timestamptz",
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

/**
 * Does an act once for each key, and answers the same afterwards: act, key and outcome commit together or not at all.
 *
 * Optimistic. The key is written once, with the outcome, in the trip that commits; a key that is used already makes
 * that insert fail, and everything `work` did is rolled back. Only then, or when `work` itself refuses, is the key
 * looked up: whoever repeats a transfer that emptied the account gets the answer of the first, not "no funds". Acts with
 * the same key at the same time wait for one another on the key, or on the rows that both want before.
 *
 * So `work` may run for a key that is used, and must have no effect outside its transaction.
 *
 * @throws RingwallError `idempotency.conflict` when the key was used for another request; or what `work` throws, and the
 * key is unused then.
 */
export async function actOnce(
  database: Database,
  actor: Exclude<Actor, SystemActor>,
  request: IdempotentRequest,
  clock: Clock,
  work: (tx: Transaction) => Promise<Outcome>,
): Promise<Replayable> {
  const name = actorName(actor);
  for (let attempt = 1; ; attempt += 1) {
    const nowMs = clock();
    const expired = isoTime(nowMs - IDEMPOTENCY_SECONDS * 1_000);
    try {
      const outcome = await database.forTenant(actor.tenant, actor, async (tx) => {
        const done = await work(tx);
        assert(done.status >= 200 && done.status < 300, "only what was done is replayed");
        assert(done.body.length <= BODY_MAX, "an idempotent answer is small");
        tx.defer(KEEP, [name, request.key, request.hash, done.status, done.body, isoTime(nowMs)]);
        // Keys differ, so hashes do: each act is as likely to sweep as any other.
        if ((request.hash[0] ?? 0) % SWEEP_ONE_IN === 0) tx.defer(SWEEP, [expired, SWEEP_ROWS]);
        return done;
      });
      return { outcome, replayed: false };
    } catch (error) {
      if (!(error instanceof RingwallError)) throw error;
      const earlier = await readEarlier(database, actor, request, expired, error);
      if (earlier !== undefined) return { outcome: earlier, replayed: true };
      if (!isKeyTaken(error) || attempt === ATTEMPTS_MAX) throw error;
      // The key is there and has no outcome that counts any more.
      await database.once(actor.tenant, actor, FORGET, [name, request.key, expired]);
    }
  }
}

function isKeyTaken({ code, detail }: RingwallError): boolean {
  return code === "resource.conflict" && detail["statement"] === KEEP.name;
}

/**
 * The outcome that the key stands for, if it was used within its day.
 * @throws RingwallError `idempotency.conflict`; whatever kept the database from being asked, because `refusal` may be no
 * more than the echo of an act that was done: "no funds" for the second sending of the transfer that took them.
 */
async function readEarlier(
  database: Database,
  actor: Exclude<Actor, SystemActor>,
  { hash: asked, key }: IdempotentRequest,
  expired: string,
  refusal: RingwallError,
): Promise<Outcome | undefined> {
  const values = [actorName(actor), key, expired];
  const [row] = await database.once(actor.tenant, actor, READ, values).catch((error: unknown): never => {
    // Of two outages the act's own says more: it knows whether a commit was on its way.
    throw refusal.code === "database.unavailable" ? refusal : error;
  });
  if (row === undefined) return undefined;
  if (!equalSecret(row.request_hash, asked)) throw new RingwallError("idempotency.conflict");
  return { status: row.status, body: row.body };
}
