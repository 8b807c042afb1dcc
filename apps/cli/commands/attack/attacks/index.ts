/**
 * Every attack there is, by theme. Each guards one promise over HTTP and says which flaws of the founding document it
 * replays; what cannot be reached from there has tests of its own, which `flaws.ts` names.
 *
 * @module
 */
import type { Attack } from "../attack.ts";
import { bankAttacks } from "./bank/index.ts";
import { browserAttacks } from "./browser.ts";
import { headerAttacks } from "./headers.ts";
import { inputAttacks } from "./input.ts";
import { passwordAttacks } from "./passwords.ts";
import { recoveryAttacks } from "./recovery.ts";
import { roleAttacks } from "./roles.ts";
import { secondFactorAttacks } from "./second-factor.ts";
import { secretAttacks } from "./secrets.ts";
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
  ...recoveryAttacks,
  ...secretAttacks,
  ...passwordAttacks,
  ...inputAttacks,
  ...wireAttacks,
  ...browserAttacks,
  ...headerAttacks,
  ...bankAttacks,
  ...traceAttacks,
];
