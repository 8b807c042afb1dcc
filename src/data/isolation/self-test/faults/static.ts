import { INDIRECT_CASES } from "../../checks/indirect/faults.ts";
import { POLICY_CASES } from "../../checks/policies/faults.ts";
import { ROLE_CASES } from "../../checks/roles/faults.ts";
import { SERVER_CASES } from "../../checks/server/faults.ts";
import { TABLE_CASES } from "../../checks/tables/faults.ts";
import type { StaticFault } from "../fault.ts";

/** Faults of the catalog: those that the static checks are tried with, in a smaller scratch schema. */
export const STATIC_FAULTS: readonly StaticFault[] = [
  ...ROLE_CASES,
  ...SERVER_CASES,
  ...TABLE_CASES,
  ...POLICY_CASES,
  ...INDIRECT_CASES,
];
