import {
  actorName,
  assert,
  type Clock,
  isoTime,
  RingwallError,
  statement,
  type Transaction,
} from "../../core/index.ts";

/** How much one actor may do of one thing within a window that starts with the first act and is not extended. */
export interface VelocityLimit {
  /** Names the thing, a constant: `transfer`. */
  readonly scope: string;
  readonly windowSeconds: number;
  readonly sumMax: bigint;
  readonly countMax: number;
}

interface TotalRow {
  /** As text: a numeric column has no bound that a JavaScript number could keep. */
  readonly sum: string;
  readonly count: number;
  readonly starts_ms: number;
}

// One statement adds and reads at once: two acts at the same time wait for one another on the row, so neither can pass
// a check that the other has already used up. The sum is numeric so that adding cannot overflow before the check.
const ADD = statement<TotalRow>(
  "input.velocity_add",
  `update ringwall.velocity set
     starts_at = case when starts_at <= $5::timestamptz then $3::timestamptz else starts_at end,
     sum = case when starts_at <= $5::timestamptz then $4::numeric else sum + $4::numeric end,
     count = case when starts_at <= $5::timestamptz then 1 else count + 1 end
   where actor = $1 and scope = $2
   returning sum, count, date_part('epoch', starts_at) * 1000 as starts_ms`,
);

// The actor's first act. Apart from the other since looking for a conflict costs every further act a third more.
const ADD_FIRST = statement<TotalRow>(
  "input.velocity_add_first",
  `insert into ringwall.velocity as v (actor, scope, starts_at, sum, count)
   values ($1, $2, $3::timestamptz, $4::numeric, 1)
   on conflict (tenant_id, actor, scope) do update set
     starts_at = case when v.starts_at <= $5::timestamptz then excluded.starts_at else v.starts_at end,
     sum = case when v.starts_at <= $5::timestamptz then excluded.sum else v.sum + excluded.sum end,
     count = case when v.starts_at <= $5::timestamptz then 1 else v.count + 1 end
   returning sum, count, date_part('epoch', starts_at) * 1000 as starts_ms`,
);

/**
 * Adds one act to the actor's totals in the act's own transaction and refuses when a limit is passed; the refusal
 * rolls the addition back with everything else, so a refused act uses nothing up.
 *
 * @throws RingwallError `access.velocity_exceeded` with the seconds until the window ends.
 */
export async function addVelocity(tx: Transaction, limit: VelocityLimit, amount: bigint, clock: Clock): Promise<void> {
  assert(amount >= 0n, "an act never lowers the total");
  const nowMs = clock();
  const windowMs = limit.windowSeconds * 1_000;
  const values = [actorName(tx.actor), limit.scope, isoTime(nowMs), amount, isoTime(nowMs - windowMs)];
  const [known] = await tx.run(ADD, values);
  const row = known ?? (await tx.run(ADD_FIRST, values))[0];
  assert(row !== undefined, "the upsert returns its row");
  const sum = BigInt(row.sum);
  assert(sum >= amount && row.count >= 1, "the totals hold this act");
  if (sum <= limit.sumMax && row.count <= limit.countMax) return;
  throw new RingwallError("access.velocity_exceeded", {
    detail: { scope: limit.scope, count: row.count },
    retryAfterSeconds: Math.max(1, Math.ceil((Math.round(row.starts_ms) + windowMs - nowMs) / 1_000)),
  });
}
