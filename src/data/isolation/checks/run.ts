import type { Finding } from "../finding.ts";
import type { StaticCheck } from "./check.ts";
import type { CheckContext } from "./context.ts";

/** What static checks said. */
export interface StaticResult {
  readonly findings: readonly Finding[];
  /** How many checks ran to their end. */
  readonly ran: number;
  /** Checks that failed themselves; none of them counts as passed. */
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
}

/** Runs each check over what was read. A check that fails is told of and stops no other. */
export function runStaticChecks(context: CheckContext, checks: readonly StaticCheck[]): StaticResult {
  const findings: Finding[] = [];
  const skipped: { check: string; reason: string }[] = [];
  for (const { info, run } of checks) {
    try {
      findings.push(...run(context));
    } catch (error) {
      skipped.push({
        check: info.id,
        reason: `the check failed: ${error instanceof Error ? error.message : "unknown"}`,
      });
    }
  }
  return { findings, ran: checks.length - skipped.length, skipped };
}
