import type { AuditAction } from "../api/types.ts";

/** Every action that can be asked for. The type makes a missing or unknown one a mistake that the compiler finds. */
const ALL: Readonly<Record<AuditAction, true>> = {
  "access.denied": true,
  "account.created": true,
  "account.read": true,
  "audit.chain_read": true,
  "audit.overflowed": true,
  "audit.read": true,
  "bootstrap.issued": true,
  "customer.created": true,
  "customer.read": true,
  "document.created": true,
  "document.deleted": true,
  "document.read": true,
  "factor.enrolled": true,
  "factor.reset": true,
  "key.created": true,
  "key.rotated": true,
  "requests.refused": true,
  "secret.changed": true,
  "secret.created": true,
  "secret.read": true,
  "secret.rotated": true,
  "secret.rotation_failed": true,
  "session.created": true,
  "session.listed": true,
  "session.revoked": true,
  "session.stepped_up": true,
  "sign_in.failed": true,
  "sign_in.locked": true,
  "statement.read": true,
  "tenant.created": true,
  "tenant.resumed": true,
  "tenant.suspended": true,
  "transfer.executed": true,
  "transfer.refused": true,
  "user.bootstrapped": true,
  "user.created": true,
  "user.disabled": true,
  "user.enabled": true,
  "user.invited": true,
  "user.joined": true,
  "user.password_reset": true,
  "user.recovery_issued": true,
  "user.role_changed": true,
};

/** In the order of the alphabet, for choosing one. */
export const EVENT_ACTIONS: readonly AuditAction[] = Object.keys(ALL)
  .sort()
  // The keys are the type's own.
  .map((action) => action as AuditAction);
