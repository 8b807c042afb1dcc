import {
  type Actor,
  assert,
  type Database,
  PlainSecret,
  type Recorder,
  RingwallError,
  randomToken,
  type TenantId,
  type Transaction,
} from "../../core/index.ts";
import type { Keys } from "../keys/index.ts";
import { secretContext, secretEvent } from "./marks.ts";
import { secretBytes } from "./name.ts";
import {
  ADD_VERSION,
  LOCK_POINTERS,
  POINT_PENDING,
  PROMOTE,
  READ_VERSION,
  STILL_HELD,
  TRY_ROTATION,
} from "./statements.ts";

/**
 * Changes a credential where it is used. Every method may be called again with the same values after a crash, so each
 * has to be repeatable, and each has to end by itself within ten seconds: the lock on the rotation does not wait longer.
 */
export interface Rotator {
  /** Stands in the audit record, e.g. `postgres-password`. */
  readonly kind: string;
  /** Makes the next value; 32 random bytes in base64url when absent. */
  generate?(): PlainSecret;
  /** Makes `next` the credential. It may be that already. */
  apply(current: PlainSecret, next: PlainSecret): Promise<void>;
  /** True when `next` works, false when it is refused. @throws When the target does not answer. */
  test(next: PlainSecret): Promise<boolean>;
}

export interface Rotation {
  readonly tenant: TenantId;
  readonly name: string;
  readonly actor: Actor;
  readonly rotator: Rotator;
}

interface Parts {
  readonly database: Database;
  readonly keys: Keys;
  readonly recorder: Recorder;
}

const RETRY_AFTER_SECONDS = 5;

/**
 * Two phases: stage the next value, apply it, test it, then promote it. The value is durable before the target learns
 * it, so no crash can lose a password that is in use. A pending value that is already there is finished, not replaced.
 *
 * One at a time: a transaction holds an advisory lock from beginning to end and does the promotion itself, so whoever
 * lost the lock promotes nothing. Every step asks whether it is still held.
 */
export async function rotateSecret(parts: Parts, rotation: Rotation): Promise<number> {
  const { tenant, name, actor } = rotation;
  try {
    return await parts.database.forTenant(tenant, actor, async (tx) => {
      const [lock] = await tx.run(TRY_ROTATION, [`${tenant}/${name}`]);
      if (lock?.locked !== true) {
        throw new RingwallError("secrets.rotation_running", { retryAfterSeconds: RETRY_AFTER_SECONDS });
      }
      return await rotateLocked(parts, rotation, tx);
    });
  } catch (error) {
    const passedOn = error instanceof RingwallError && PASSED_ON.has(error.code);
    if (passedOn) throw error;
    const cause = await recordFailure(parts, rotation).then(
      () => error,
      (unrecorded: unknown) => new AggregateError([error, unrecorded], "a rotation failed, and could not be recorded"),
    );
    throw new RingwallError("secrets.rotation_failed", { detail: { tenant, secret: name }, cause });
  }
}

/** Nothing was begun when these are thrown. */
const PASSED_ON: ReadonlySet<string> = new Set(["secrets.rotation_running", "secrets.not_found"]);

async function rotateLocked(parts: Parts, rotation: Rotation, tx: Transaction): Promise<number> {
  const { tenant, name, actor, rotator } = rotation;
  const staged = await stage(parts, rotation);
  const [current, next] = [await open(parts, rotation, staged.current), await open(parts, rotation, staged.pending)];
  await tx.run(STILL_HELD);
  // A run before this one may have died after it applied the value.
  if (!staged.found || !(await rotator.test(next))) {
    await tx.run(STILL_HELD);
    await rotator.apply(current, next);
    await tx.run(STILL_HELD);
    if (!(await rotator.test(next))) {
      throw new RingwallError("secrets.rotation_failed", { detail: { step: "test", secret: name } });
    }
  }
  const promoted = await tx.run(PROMOTE, [name, staged.pending]);
  assert(promoted.length === 1, "whoever holds the lock promotes what it staged");
  tx.invalidate({ kind: "secret", tenant, id: name });
  const facts = { version: staged.pending, kind: rotator.kind, resumed: staged.found };
  await parts.recorder.record(tx, secretEvent("secret.rotated", "success", tenant, actor, name, facts));
  return staged.pending;
}

interface Staged {
  readonly current: number;
  readonly pending: number;
  /** An earlier rotation left it. */
  readonly found: boolean;
}

/** In a transaction of its own: committed before the target learns the value. */
async function stage(parts: Parts, { tenant, name, actor, rotator }: Rotation): Promise<Staged> {
  const { database, keys } = parts;
  await keys.current(tenant, "secrets");
  const fresh = rotator.generate?.() ?? new PlainSecret(randomToken());
  const bytes = secretBytes(fresh);
  const staged = await database.forTenant(tenant, actor, async (tx) => {
    const [pointers] = await tx.run(LOCK_POINTERS, [name]);
    const current = pointers?.current_version ?? null;
    if (pointers === undefined || current === null) {
      throw new RingwallError("secrets.not_found", { detail: { tenant, secret: name } });
    }
    if (pointers.pending_version !== null) return { current, pending: pointers.pending_version, found: true };
    const pending = pointers.latest_version + 1;
    const sealed = await keys.sealValue(tenant, "secrets", secretContext(name, pending), bytes);
    await tx.run(ADD_VERSION, [name, pending, sealed, null]);
    await tx.run(POINT_PENDING, [name, pending]);
    return { current, pending, found: false };
  });
  bytes.fill(0);
  return staged;
}

/** Always what the database has, so that the first run and the one after a crash go the same way. */
async function open(parts: Parts, { tenant, name, actor }: Rotation, version: number): Promise<PlainSecret> {
  const [row] = await parts.database.once(tenant, actor, READ_VERSION, [name, version]);
  assert(row !== undefined, "a secret's row points to a version that is there");
  const bytes = await parts.keys.openValue(tenant, "secrets", secretContext(name, version), row.sealed);
  const value = new PlainSecret(bytes.toString("utf8"));
  bytes.fill(0);
  return value;
}

/** In a transaction of its own: the rotation's was rolled back, and a privileged act that failed is recorded too. */
async function recordFailure(parts: Parts, { tenant, name, actor, rotator }: Rotation): Promise<void> {
  await parts.database.forTenant(tenant, actor, async (tx) => {
    const facts = { kind: rotator.kind };
    await parts.recorder.record(tx, secretEvent("secret.rotation_failed", "failure", tenant, actor, name, facts));
  });
}
