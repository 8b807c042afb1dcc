import type { Catalog } from "../catalog/index.ts";
import type { ContextEntry } from "../probes/index.ts";
import type { IsolationSettings } from "../settings.ts";

/**
 * Something that is known to open one tenant's rows to another, planted in the scratch schema. `$app`, `$owner`,
 * `$other` and `$db` stand for names that exist in one run alone; a semicolon at the end of a line ends a statement.
 */
export interface Fault {
  /** The check that must find it. */
  readonly check: string;
  /** Beside the check, where there are several faults for it. */
  readonly title?: string;
  readonly plant: string;
  /** The like of it that is no fault: the check must be silent. Absent: the scratch schema itself. */
  readonly silent?: string;
  /** How the transaction is told its tenant, where that is the fault. */
  readonly entry?: ContextEntry;
  readonly settings?: Partial<IsolationSettings>;
}

/**
 * A fault that a check has to find, and the like of it that is none. `$app` and `$owner` stand for the names of roles that
 * exist in this run alone; `$db` for the database.
 */
export interface StaticFault {
  readonly check: string;
  /** Beside the id, when a check has several cases. */
  readonly title?: string;
  readonly plant: string;
  readonly silent: string;
  readonly settings?: Partial<Record<keyof IsolationSettings, unknown>>;
  /** What no statement of a transaction can plant: the server's version, its pg_hba.conf. */
  readonly planted?: (catalog: Catalog) => Catalog;
  readonly silenced?: (catalog: Catalog) => Catalog;
  /** How often the check must say it; once when left out. */
  readonly findings?: number;
}

export const faultName = ({ check, title }: { readonly check: string; readonly title?: string }): string =>
  title === undefined ? check : `${check}: ${title}`;

/**
 * SQL of a fault: constants of this program, put together. Nothing from outside is ever a part of it, and it runs in a
 * scratch schema only.
 */
export function planting(strings: TemplateStringsArray, ...constants: readonly string[]): string {
  return strings.map((text, index) => text + (constants[index] ?? "")).join("");
}
