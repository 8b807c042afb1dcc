/**
 * Every command of `ringwall`, in the order `ringwall --help` shows them.
 *
 * @module
 */
import type { Command } from "../command.ts";
import { attackCommand } from "./attack/command.ts";
import { tailAudit } from "./audit/tail.ts";
import { verifyAuditLog } from "./audit/verify.ts";
import { backup, restore } from "./backup/command.ts";
import { enrolAdministrator } from "./bootstrap/enrol.ts";
import { reissueBootstrap } from "./bootstrap/reissue.ts";
import { completion } from "./completion.ts";
import { doctor } from "./doctor/index.ts";
import { signIn } from "./entrance/sign-in.ts";
import { signOut } from "./entrance/sign-out.ts";
import { erasePerson, eraseRow } from "./erasures/erase.ts";
import { listErasures } from "./erasures/list.ts";
import { enrolFactor } from "./factor/enrol.ts";
import { stepUp } from "./factor/step-up.ts";
import { adoptColumn } from "./fields/adopt.ts";
import { showLeakage } from "./fields/leakage.ts";
import { retagTableCommand } from "./fields/retag.ts";
import { init } from "./init.ts";
import { acceptInvitation } from "./invitations/accept.ts";
import { listInvitations, withdrawInvitation } from "./invitations/pending.ts";
import { replayErasures } from "./keys/replay-erasures.ts";
import { rewrapKeys } from "./keys/rewrap.ts";
import { rotateKey } from "./keys/rotate.ts";
import { rotateContextKey } from "./keys/rotate-context.ts";
import { shredTenant } from "./keys/shred.ts";
import { keysStatus } from "./keys/status.ts";
import { verifyCertificate } from "./keys/verify-certificate.ts";
import { migrateCommand } from "./migrate.ts";
import { issueRecovery } from "./recoveries/issue.ts";
import { redeemRecovery } from "./recoveries/redeem.ts";
import { listSecrets } from "./secrets/list.ts";
import { rotateSecret } from "./secrets/rotate.ts";
import { setSecret } from "./secrets/set.ts";
import { listSessions } from "./sessions/list.ts";
import { revokeSession } from "./sessions/revoke.ts";
import { revokeSessions } from "./sessions/revoke-all.ts";
import { showSession } from "./sessions/show.ts";
import { start } from "./start/index.ts";
import { listTenancyChecks } from "./tenancy/checks.ts";
import { generateTenancy } from "./tenancy/generate.ts";
import { initTenancy } from "./tenancy/init.ts";
import { verifyTenancy } from "./tenancy/verify.ts";
import { createTenant } from "./tenants/create.ts";
import { deleteTenant, restoreTenant } from "./tenants/delete.ts";
import { exportTenantCommand } from "./tenants/export/command.ts";
import { listTenants, showTenant } from "./tenants/list.ts";
import { tenantSettingsCommand } from "./tenants/settings.ts";
import { resumeTenant, suspendTenant } from "./tenants/suspend.ts";
import { devCertificate } from "./tls/dev-cert.ts";
import { disableUser, enableUser } from "./users/disable.ts";
import { inviteUser } from "./users/invite.ts";
import { listUsers } from "./users/list.ts";
import { setRole } from "./users/set-role.ts";
import { version } from "./version.ts";

export const commands: readonly Command[] = [
  start,
  init,
  doctor,
  migrateCommand,
  backup,
  restore,
  reissueBootstrap,
  enrolAdministrator,
  signIn,
  signOut,
  stepUp,
  enrolFactor,
  listTenants,
  showTenant,
  tenantSettingsCommand,
  createTenant,
  suspendTenant,
  resumeTenant,
  exportTenantCommand,
  deleteTenant,
  restoreTenant,
  listUsers,
  inviteUser,
  setRole,
  disableUser,
  enableUser,
  listInvitations,
  acceptInvitation,
  withdrawInvitation,
  issueRecovery,
  redeemRecovery,
  showSession,
  listSessions,
  revokeSession,
  revokeSessions,
  listSecrets,
  setSecret,
  rotateSecret,
  adoptColumn,
  showLeakage,
  retagTableCommand,
  keysStatus,
  rotateKey,
  rotateContextKey,
  rewrapKeys,
  shredTenant,
  verifyCertificate,
  replayErasures,
  listErasures,
  eraseRow,
  erasePerson,
  initTenancy,
  verifyTenancy,
  generateTenancy,
  listTenancyChecks,
  devCertificate,
  verifyAuditLog,
  tailAudit,
  attackCommand,
  version,
  completion(() => commands),
];
