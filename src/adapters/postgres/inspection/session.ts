import { type Client, DatabaseError } from "pg";
import { type SqlAccess, SqlRefusal, type SqlSession } from "../../../data/isolation/index.ts";
import { openClient, type Target } from "../connect.ts";
import { unavailable } from "../errors.ts";

/** How the statements of an inspection run. */
export interface InspectionOptions {
  /** Writing is refused unless this is true; probes write in transactions that they roll back. */
  readonly writes?: boolean;
  /** Milliseconds that one statement may take. */
  readonly statementMs?: number;
  /**
   * The way leads through a pooler in transaction mode, which takes no settings of a session: none are made, and limits
   * are the caller's to set in each transaction.
   */
  readonly pooled?: boolean;
}

/** A catalog of many thousands of tables is read in a few seconds; what takes longer than this is locked or lost. */
const STATEMENT_MS = 60_000;
const LOCK_MS = 5_000;
const IDLE_MS = 60_000;

/**
 * Opens connections to a PostgreSQL that is examined, by the rules of every other connection: beyond this machine with
 * TLS, certificate and host name verified. Read-only unless `writes` is set.
 *
 * `connect` throws RingwallError `database.unavailable` with the reason in `detail.reason`. A statement that PostgreSQL
 * refuses is a `SqlRefusal` and leaves the connection open; when the connection is lost, `database.unavailable`.
 */
export function inspectionAccess(target: Target, options: InspectionOptions = {}): SqlAccess {
  return {
    async connect() {
      return sessionOver(await openClient(target, true, startUp(options)));
    },
  };
}

function startUp({ writes = false, statementMs = STATEMENT_MS, pooled = false }: InspectionOptions): string {
  if (pooled) return "";
  return [
    "-c TimeZone=UTC",
    "-c DateStyle=ISO",
    `-c statement_timeout=${Math.trunc(statementMs)}`,
    `-c lock_timeout=${LOCK_MS}`,
    `-c idle_in_transaction_session_timeout=${IDLE_MS}`,
    `-c default_transaction_read_only=${writes ? "off" : "on"}`,
  ].join(" ");
}

function sessionOver(client: Client): SqlSession {
  return {
    async query<Row extends object>(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
      try {
        // The extended protocol takes one statement, so that nothing can follow one behind a semicolon.
        const statement = { text, values: [...values], queryMode: "extended" };
        const { rows } = await client.query<Row>(statement);
        return rows;
      } catch (error) {
        if (isRefusal(error)) throw new SqlRefusal(error.code ?? "XX000", error.message, error.detail);
        throw unavailable(error, { stage: "inspect" });
      }
    },
    async close() {
      await client.end();
    },
  };
}

/** An ERROR ends a statement; FATAL and PANIC end the connection, and so does everything that is not PostgreSQL's word. */
function isRefusal(error: unknown): error is DatabaseError {
  return error instanceof DatabaseError && error.severity === "ERROR";
}
