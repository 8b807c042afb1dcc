import type { CheckInfo, Finding } from "../finding.ts";

/** What was tried on a table. */
export interface ProbedTable {
  /** `schema.name`, unquoted. */
  readonly table: string;
  /** `proven`: the tenant saw its own row and none of the other's was looked for in vain. */
  readonly state: "proven" | "blind" | "unplanted";
  readonly reason: string;
}

/** What the probes found, and what they could not try. */
export interface ProbeReport {
  readonly findings: readonly Finding[];
  /** Ids of the checks that ran at least once. */
  readonly ran: readonly string[];
  /** Checks that could not run. One that found nothing here to try is neither here nor in `ran`. */
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
  readonly tables: readonly ProbedTable[];
}

/** One report that several parts add to. */
export class Collected {
  readonly findings = new Map<string, Finding>();
  readonly ran = new Set<string>();
  readonly skipped = new Map<string, string>();
  readonly tables = new Map<string, ProbedTable>();

  add(findings: readonly Finding[]): void {
    for (const finding of findings) {
      const key = JSON.stringify([finding.check, finding.object]);
      if (!this.findings.has(key)) this.findings.set(key, finding);
    }
  }

  /** Of several app roles the one that saw most counts, and a table without rows for any has none. */
  note(probed: ProbedTable): void {
    const known = this.tables.get(probed.table);
    if (known === undefined || known.state === "blind" || probed.state === "unplanted")
      this.tables.set(probed.table, probed);
  }

  /** None of these checks could run, for one reason. */
  skipAll(checks: readonly CheckInfo[], reason: string): void {
    for (const { id } of checks) this.skipped.set(id, reason);
  }

  report(): ProbeReport {
    return {
      findings: [...this.findings.values()],
      ran: [...this.ran],
      skipped: [...this.skipped]
        .filter(([check]) => !this.ran.has(check))
        .map(([check, reason]) => ({ check, reason })),
      tables: [...this.tables.values()],
    };
  }
}
