import { migration as bank } from "./0001_bank.ts";
import { migration as sealedTables } from "./0002_sealed_tables.ts";

/** The bank's own tables, in order, for `ringwall migrate --with` and `ringwall start`. */
export const MIGRATIONS = [bank, sealedTables];
