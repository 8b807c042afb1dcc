import type { Ringwall } from "ringwall";
import type { Clock, Database } from "ringwall/core";

/** What the tracker's routes stand on. */
export interface Tracker {
  readonly ringwall: Pick<Ringwall, "fields" | "guard" | "identity" | "recorder">;
  /** As `tracker_app`: a login that owns nothing and reaches the tables through the wall alone. */
  readonly database: Database;
  readonly clock: Clock;
  /** Where people reach the tracker: invitations lead there. */
  readonly origin: string;
}
