import type { Actor } from "./actor.ts";
import type { TenantId } from "./ids.ts";
import type { Transaction } from "./ports.ts";

/**
 * Every action an audit record may carry, as `noun.verb_past`. Reading a registry beats searching for strings:
 * the reference page and the tests hold against this list in both directions.
 */
export const AUDIT_ACTIONS = [
  "tenant.created",
  "tenant.suspended",
  "tenant.resumed",
  "tenant.settings_changed",
  "tenant.exported",
  "tenant.deletion_planned",
  "tenant.deletion_undone",
  "tenant.deletion_begun",
  "tenant.deleted",
  "user.bootstrapped",
  "user.invited",
  "user.invitation_withdrawn",
  "user.joined",
  "user.created",
  "user.role_changed",
  "user.disabled",
  "user.enabled",
  "user.password_reset",
  "user.recovery_issued",
  "factor.enrolled",
  "factor.reset",
  "session.created",
  "session.stepped_up",
  "session.listed",
  "session.revoked",
  "sign_in.failed",
  "sign_in.locked",
  "bootstrap.issued",
  "access.denied",
  "key.created",
  "key.rotated",
  "column.adopted",
  "table.measured",
  "table.tagged",
  "key.rewrapped",
  "key.overdue",
  "tenant.erased",
  "row.erased",
  "person.erased",
  "field.refused",
  "secret.created",
  "secret.changed",
  "secret.read",
  "secret.rotated",
  "secret.rotation_failed",
  "account.read",
  "account.created",
  "customer.created",
  "customer.read",
  "document.read",
  "document.created",
  "document.deleted",
  "transfer.executed",
  "transfer.refused",
  "statement.read",
  "requests.refused",
  "request.forwarded",
  "audit.read",
  "audit.chain_read",
  "audit.overflowed",
] as const;
/** One of `AUDIT_ACTIONS`. */
export type AuditAction = (typeof AUDIT_ACTIONS)[number];

/**
 * An action of a host application's own, as `app.noun_verbed`: apart from ours by its first word, so that neither is ever
 * taken for the other. A constant in the application's code; at most 40 of a-z and `_` after the dot.
 */
export type ApplicationAction = `app.${string}`;

/** `denied` is a refusal by a rule; `failure` the caller's mistake; `error` ours. */
export type AuditOutcome = "success" | "failure" | "denied" | "error";

/** Where the act came from. Personal data: goes into the sealed detail, never into the leaf in clear. */
export interface AuditContext {
  readonly address?: string;
  readonly userAgent?: string;
  readonly requestId?: string;
}

/**
 * One thing that happened. `targets` and `facts` hold ids, numbers and codes and stand in the leaf in clear;
 * everything personal belongs into `personal`, of which the leaf holds only a keyed commitment.
 */
export interface AuditEvent {
  readonly action: AuditAction | ApplicationAction;
  readonly outcome: AuditOutcome;
  readonly tenant: TenantId;
  readonly actor: Actor;
  readonly targets?: readonly { readonly type: string; readonly id: string }[];
  readonly facts?: Readonly<Record<string, string | number | boolean>>;
  readonly personal?: Readonly<Record<string, string>>;
  readonly context?: AuditContext;
}

/**
 * Where layers report to. `monitoring/audit` implements it; nobody imports monitoring.
 */
export interface Recorder {
  /**
   * Writes the event into the act's own transaction: both commit or neither does.
   * @throws Whatever keeps the event from being written. The act must then fail too.
   */
  record(tx: Transaction, event: AuditEvent): Promise<void>;

  /**
   * Notes a read or refusal that has no transaction of its own. Bounded and aggregated: equal events within a
   * second become one record with `facts.count`; when a tenant's part of the buffer is full, further ones are counted
   * and the count is recorded. Made durable within about a second.
   * @throws RingwallError `audit.unavailable` when nothing could be made durable for five seconds.
   */
  note(event: AuditEvent): void;
}
