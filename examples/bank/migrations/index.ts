import { migration as bank } from "./0001_bank.ts";
import { migration as sealedTables } from "./0002_sealed_tables.ts";
import { migration as nationalId } from "./0003_national_id.ts";

/** The bank's own tables, in order, for `ringwall migrate --with` and `ringwall start`. */
export const MIGRATIONS = [bank, sealedTables, nationalId];
