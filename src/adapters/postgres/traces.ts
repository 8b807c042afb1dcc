import { callsWhatStays } from "../../data/transactions/index.ts";

/**
 * Statements that end with their transaction, whatever they do: none of them can prepare, declare, listen, discard or set
 * anything for a session. Everything that begins otherwise, a comment too, is taken for one that may.
 */
const ENDS_WITH_TRANSACTION =
  /^\s*(?:select|with|insert|update|delete|merge|values|table|savepoint|release|lock|rollback\s+to)\b/i;

/**
 * Whether something of this statement may be there after its transaction: a cursor, a prepared statement, a setting, a
 * lock. Its connection then serves nobody else, because the next transaction is another tenant's. By the text alone, which
 * is a constant, so each is looked at once; says yes in doubt.
 */
export function leavesTraces(text: string): boolean {
  return !ENDS_WITH_TRANSACTION.test(text) || callsWhatStays(text);
}
