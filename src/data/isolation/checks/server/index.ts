/**
 * Checks of the server and the database: its version, how logins come in, what they may make, and what leaves it.
 *
 * Guards nothing. What only an administrator may read (pg_hba.conf) is `unknown` for everybody else.
 *
 * @module
 */
import type { StaticCheck } from "../check.ts";
import { ENTRANCE_CHECKS } from "./entrance.ts";
import { OUTLET_CHECKS } from "./outlets.ts";
import { RIGHT_CHECKS } from "./rights.ts";
import { VERSION_CHECKS } from "./version.ts";

export const SERVER_CHECKS: readonly StaticCheck[] = [
  ...VERSION_CHECKS,
  ...ENTRANCE_CHECKS,
  ...RIGHT_CHECKS,
  ...OUTLET_CHECKS,
];
