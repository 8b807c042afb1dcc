/**
 * Every attack there is, by theme. Each guards one promise over HTTP and says which flaws of the founding document it
 * replays; what cannot be reached from there has tests of its own, which `flaws.ts` names.
 *
 * @module
 */
import type { Attack } from "../attack.ts";
import { bankAccountAttacks } from "./bank-accounts.ts";
import { bankDocumentAttacks } from "./bank-documents.ts";
import { bankTransferAttacks } from "./bank-transfers.ts";
import { browserAttacks } from "./browser.ts";
import { headerAttacks } from "./headers.ts";
import { inputAttacks } from "./input.ts";
import { passwordAttacks } from "./passwords.ts";
import { roleAttacks } from "./roles.ts";
import { secondFactorAttacks } from "./second-factor.ts";
import { sessionAttacks } from "./sessions.ts";
import { signInAttacks } from "./sign-in.ts";
import { tenantAttacks } from "./tenants.ts";
import { traceAttacks } from "./traces.ts";
import { wireAttacks } from "./wire.ts";

export const attacks: readonly Attack[] = [
  ...tenantAttacks,
  ...roleAttacks,
  ...signInAttacks,
  ...secondFactorAttacks,
  ...sessionAttacks,
  ...passwordAttacks,
  ...inputAttacks,
  ...wireAttacks,
  ...browserAttacks,
  ...headerAttacks,
  ...bankAccountAttacks,
  ...bankTransferAttacks,
  ...bankDocumentAttacks,
  ...traceAttacks,
];
