/**
 * Checks of tables and of what stores rows beside them: walls, the tenant column, rights, copies.
 *
 * Guards nothing. Does not read what policies say: that is for the checks of expressions.
 *
 * @module
 */
import type { StaticCheck } from "../check.ts";
import { TABLE_RIGHT_CHECKS } from "./rights.ts";
import { STORAGE_CHECKS } from "./storage.ts";
import { TENANT_COLUMN_CHECKS } from "./tenant-column.ts";
import { WALL_CHECKS } from "./wall.ts";

export const TABLE_CHECKS: readonly StaticCheck[] = [
  ...WALL_CHECKS,
  ...TENANT_COLUMN_CHECKS,
  ...TABLE_RIGHT_CHECKS,
  ...STORAGE_CHECKS,
];
