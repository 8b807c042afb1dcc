import { migration } from "./0001_bank.ts";

/** The bank's own tables, in order, for `ringwall migrate --with` and `ringwall start`. */
export const MIGRATIONS = [migration];
