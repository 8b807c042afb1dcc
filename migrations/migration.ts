import type { Kysely } from "kysely";

/** One step forward. A released migration is never edited; what it made is changed by a later one. */
export interface Migration {
  /** `NNNN_name`, as the file is called. */
  readonly name: string;
  /** Runs as `ringwall_migrate`, in a transaction of its own. */
  up(db: Kysely<unknown>): Promise<void>;
}
