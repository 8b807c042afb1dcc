import { DatabaseError } from "pg";
import { type ErrorDetail, RingwallError } from "../../core/index.ts";

/** Long enough for a PostgreSQL to restart, short enough that nobody gives up. */
const RETRY_AFTER_SECONDS = 2;

const CONTEXT_REFUSED = "RW001";
const PLAN_OUTDATED = "0A000";
const STATEMENT_UNKNOWN = "26000";
const UNIQUE_VIOLATION = "23505";
const RETRYABLE = new Set(["40001", "40P01"]);
/** Insufficient resources, operator intervention, connection trouble, a server that only reads. */
const UNAVAILABLE = /^(08|53|57|58|25006|55P03)/;
/** Values the schema does not take: data exceptions and integrity constraints. */
const UNACCEPTABLE = /^(22|23)/;

/** The database or the way to it failed. `detail.outcome` is `unknown` when a commit may or may not have happened. */
export function unavailable(cause: unknown, detail: ErrorDetail): RingwallError {
  const state = sqlState(cause);
  return new RingwallError("database.unavailable", {
    detail: state === undefined ? detail : { ...detail, sqlstate: state },
    cause: scrub(cause),
    retryAfterSeconds: RETRY_AFTER_SECONDS,
  });
}

const CERTIFICATE = new Set([
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "ERR_TLS_CERT_ALTNAME_INVALID",
  "HOSTNAME_MISMATCH",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_SIGNATURE_FAILURE",
  "CERT_REVOKED",
  "INVALID_PURPOSE",
]);

/** Why there is no connection, as far as the operator can do something about it; for the log and the terminal. */
export function connectReason(error: unknown): { reason?: string } {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  if (CERTIFICATE.has(code)) {
    return { reason: `the server's certificate was refused (${code}); check database.caFile and database.host` };
  }
  if (error instanceof Error && error.message.includes("does not support SSL")) {
    return { reason: "the server does not speak TLS, which is required here" };
  }
  switch (code) {
    case "28P01":
      return { reason: "the password was refused" };
    case "3D000":
      return { reason: "there is no such database; ringwall migrate makes it" };
    case "28000":
    case "42501":
      return { reason: "the server does not let this role connect here" };
    case "ECONNREFUSED":
    case "ENOENT":
    case "ENOTFOUND":
    case "ETIMEDOUT":
    case "EHOSTUNREACH":
      return { reason: `no PostgreSQL answers there (${code})` };
    default:
      return {};
  }
}

export function sqlState(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.code : undefined;
}

export function isInvalidPassword(error: unknown): boolean {
  return sqlState(error) === "28P01";
}

/** A serialization failure or a deadlock: the same transaction may succeed when tried again. */
export function isRetryable(error: unknown): boolean {
  return RETRYABLE.has(sqlState(error) ?? "");
}

/** Nothing was executed: the server does not know the prepared statement, or its plan does not fit the table any more. */
export function isStatementLost(error: unknown): boolean {
  const state = sqlState(error);
  return state === STATEMENT_UNKNOWN || (state === PLAN_OUTDATED && routine(error) === "RevalidateCachedQuery");
}

function routine(error: unknown): string | undefined {
  return error instanceof DatabaseError ? error.routine : undefined;
}

/** Everybody else is in front, and answers would only be late. */
export function busy(reason: string): RingwallError {
  return new RingwallError("database.unavailable", { detail: { reason }, retryAfterSeconds: 2 });
}

/** The database refused the signed context: it ended meanwhile, or the keys differ. */
export function isContextRefused(error: unknown): boolean {
  return sqlState(error) === CONTEXT_REFUSED;
}

/**
 * What PostgreSQL said, as one of our codes. Constraint and table names are ours and go to `detail`; PostgreSQL's own
 * detail line quotes values of the row, so it is dropped.
 */
export function translate(error: unknown, statementName: string): unknown {
  const state = sqlState(error);
  if (!(error instanceof DatabaseError) || state === undefined) return error;
  const detail: Record<string, string> = { sqlstate: state, statement: statementName };
  if (error.constraint !== undefined) detail["constraint"] = error.constraint;
  if (error.table !== undefined) detail["table"] = error.table;
  if (UNAVAILABLE.test(state)) return unavailable(error, detail);
  const cause = scrub(error);
  if (state === UNIQUE_VIOLATION) return new RingwallError("resource.conflict", { detail, cause });
  if (UNACCEPTABLE.test(state)) return new RingwallError("request.invalid", { detail, cause });
  // Missing rights, a wall that held, a statement that is wrong: a bug of ours or an attack, never the caller's mistake.
  return new RingwallError("internal", { detail, cause });
}

/** The same error without the parts that may quote values: message, detail, where. */
function scrub(error: unknown): unknown {
  if (!(error instanceof DatabaseError)) return error;
  const clean = new Error(`PostgreSQL ${error.severity ?? "ERROR"} ${error.code ?? ""} in ${error.routine ?? "?"}`);
  if (error.stack !== undefined) clean.stack = error.stack.replace(error.message, clean.message);
  return clean;
}
