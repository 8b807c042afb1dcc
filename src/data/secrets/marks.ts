import type { Actor, AuditEvent, AuditOutcome, TenantId } from "../../core/index.ts";

/** What a version's seal is bound to. The same words for sealing and opening. */
export function secretContext(name: string, version: number): readonly string[] {
  return ["secret", name, String(version)];
}

/** An audit event about a secret: its name and version, never its value. */
export function secretEvent(
  action: AuditEvent["action"],
  outcome: AuditOutcome,
  tenant: TenantId,
  actor: Actor,
  name: string,
  facts: NonNullable<AuditEvent["facts"]> = {},
): AuditEvent {
  return { action, outcome, tenant, actor, targets: [{ type: "secret", id: name }], facts };
}
