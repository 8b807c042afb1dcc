import { type ErrorDetail, isoTime, statement, type TenantId, type Transaction } from "../../core/index.ts";
import { anonymous, type Origin, type Parts } from "./parts.ts";

/** Passwords and codes are counted apart: wrong codes must not use up the password's attempts, nor the other way. */
export type AttemptScope = "password" | "code";

/** One attempt that was counted before any work was done for it. */
export interface Attempt {
  readonly tenant: TenantId;
  readonly scope: AttemptScope;
  /** A keyed commitment to the address: the same for accounts that exist and those that do not. */
  readonly account: Buffer;
  readonly refused: boolean;
}

/** One reservation in this many also removes expired rows, more of them than came in since. */
const SWEEP_ONE_IN = 16;
const SWEEP_ROWS = 64;

// One statement, so a thousand parallel attempts are a thousand, and no crash between two statements can leave a
// counter that never ends. The window starts with the first attempt in it; later ones do not move its end.
const RESERVE = statement<{ reserved: number }>(
  "identity.attempt_reserve",
  `insert into ringwall.attempt as a (scope, account, reserved, failed, ends_at)
   values ($1, $2, 1, 0, $4::timestamptz)
   on conflict (tenant_id, scope, account) do update set
     reserved = case when a.ends_at <= $3::timestamptz then 1 else a.reserved + 1 end,
     failed = case when a.ends_at <= $3::timestamptz then 0 else a.failed end,
     locked_at = case when a.ends_at <= $3::timestamptz then null else a.locked_at end,
     ends_at = case when a.ends_at <= $3::timestamptz then excluded.ends_at else a.ends_at end
   returning reserved`,
);

// The failure that reaches the limit starts the lock and its window; those after it change nothing. A refused attempt
// was not looked at, so it is no failure and keeps no reservation: ten right ones at once lock nobody out.
const FAIL = statement<{ failed: number }>(
  "identity.attempt_fail",
  `update ringwall.attempt set
     failed = failed + $3::integer,
     reserved = greatest(reserved - 1 + $3::integer, failed),
     locked_at = case when failed + $3::integer >= $4 and locked_at is null then $5::timestamptz else locked_at end,
     ends_at = case when failed + $3::integer >= $4 and locked_at is null then $6::timestamptz else ends_at end
   where scope = $1 and account = $2
   returning failed`,
);

// Never below what failed: a reservation given back late, in the next window, frees nothing that was used.
const GIVE_BACK = statement(
  "identity.attempt_give_back",
  "update ringwall.attempt set reserved = reserved - 1 where scope = $1 and account = $2 and reserved > failed",
);

const SWEEP = statement(
  "identity.attempt_sweep",
  `delete from ringwall.attempt where (tenant_id, scope, account) in (
     select tenant_id, scope, account from ringwall.attempt where ends_at <= $1::timestamptz
     order by ends_at limit $2 for update skip locked)`,
);

function failuresMax(parts: Parts, scope: AttemptScope): number {
  return scope === "password" ? parts.config.lockout.passwordFailures : parts.config.lockout.codeFailures;
}

/**
 * Counts one attempt before any password is hashed or code compared, and says whether it may go on.
 * Keyed by tenant and account alone: a key that holds the address would give an attacker five tries per address.
 *
 * @throws Whatever the database throws. Attempts that cannot be counted are not made.
 * @see Five failures and 15 minutes are the founding document's figures.
 */
export async function reserveAttempt(
  parts: Parts,
  tenant: TenantId,
  scope: AttemptScope,
  account: Buffer,
): Promise<Attempt> {
  const nowMs = parts.clock();
  const now = isoTime(nowMs);
  const ends = isoTime(nowMs + parts.config.lockout.windowSeconds * 1_000);
  const actor = anonymous(tenant);
  // The commitment is a keyed hash, so its first byte is as good as a die that no caller can throw.
  if ((account[0] ?? 0) % SWEEP_ONE_IN === 0) await parts.database.once(tenant, actor, SWEEP, [now, SWEEP_ROWS]);
  const [row] = await parts.database.once(tenant, actor, RESERVE, [scope, account, now, ends]);
  return { tenant, scope, account, refused: row === undefined || row.reserved > failuresMax(parts, scope) };
}

/** Gives a reservation back with the commit of what it was for, because the attempt was right. */
export function giveBackAttempt(tx: Transaction, attempt: Attempt): void {
  tx.defer(GIVE_BACK, [attempt.scope, attempt.account]);
}

/** Gives a reservation back because no attempt was made after all: the hashing queue was full. */
export async function cancelAttempt(parts: Parts, attempt: Attempt): Promise<void> {
  const { tenant, scope, account } = attempt;
  await parts.database.once(tenant, anonymous(tenant), GIVE_BACK, [scope, account]);
}

/** What is known about a failed attempt. `user` only for accounts that exist. */
export interface Failure {
  readonly user: string | undefined;
  readonly origin: Origin;
  readonly facts?: ErrorDetail;
}

/**
 * Records that an attempt was wrong. The one that reaches the limit locks the account, and that event commits with
 * the lock. Runs the same statements for refused attempts as for wrong ones, so that the answer's time does not tell.
 * `work` may add statements of its own to the transaction.
 */
export async function failAttempt(
  parts: Parts,
  attempt: Attempt,
  failure: Failure,
  work?: (tx: Transaction) => Promise<void>,
): Promise<void> {
  const { tenant, scope, account, refused } = attempt;
  const max = failuresMax(parts, scope);
  const nowMs = parts.clock();
  const ends = isoTime(nowMs + parts.config.lockout.windowSeconds * 1_000);
  const targets = failure.user === undefined ? [] : [{ type: "user", id: failure.user }];
  const commitment = account.toString("hex", 0, 16);
  const actor = anonymous(tenant);
  const common = { tenant, actor, targets, context: failure.origin } as const;
  await parts.database.forTenant(tenant, actor, async (tx) => {
    const [row] = await tx.run(FAIL, [scope, account, refused ? 0 : 1, max, isoTime(nowMs), ends]);
    if (!refused && row?.failed === max) {
      const facts = { scope, account: commitment, failures: max };
      await parts.recorder.record(tx, { ...common, action: "sign_in.locked", outcome: "denied", facts });
    }
    await work?.(tx);
  });
  // Anybody can cause these, so they are aggregated and bounded instead of written one by one.
  const facts = { scope, account: commitment, refused, ...failure.facts };
  parts.recorder.note({ ...common, action: "sign_in.failed", outcome: "failure", facts });
}
