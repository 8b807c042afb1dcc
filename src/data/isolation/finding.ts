/** How bad: an error is a way to another tenant's rows, a warning makes one likelier or costs, a notice is worth knowing. */
export type Level = "error" | "warning" | "notice";

/** What a check looks at. */
export type Category = "roles" | "server" | "tables" | "policies" | "constraints" | "indirect" | "session";

/** What is known of a check before it runs; the list of them is the documentation. */
export interface CheckInfo {
  /** Kebab case, stable: reports, SARIF and exceptions name it. */
  readonly id: string;
  readonly title: string;
  readonly category: Category;
  /** `static` reads the catalog; `live` tries it with rows of two synthetic tenants, in a transaction that is rolled back. */
  readonly kind: "static" | "live";
  readonly level: Level;
  /** What an attacker does with it, in a sentence or two. */
  readonly why: string;
  /** What to do, in a sentence or two. */
  readonly remediation: string;
}

/** A schema's object by its name as the catalog has it, unquoted. `name` is undefined for what is not in a schema. */
export interface ObjectName {
  readonly kind:
    | "database"
    | "role"
    | "schema"
    | "table"
    | "view"
    | "materialized view"
    | "sequence"
    | "function"
    | "policy"
    | "constraint"
    | "index"
    | "trigger"
    | "rule"
    | "extension"
    | "publication"
    | "setting";
  readonly schema?: string | undefined;
  readonly name: string;
  /** The table that a policy, constraint, trigger, rule or column belongs to. */
  readonly table?: string | undefined;
  readonly column?: string | undefined;
}

/** What was run and what came back: the proof that somebody else's row was reached. */
export interface Evidence {
  readonly sql: string;
  /** Who ran it, and whose rows were reached; both synthetic. */
  readonly as: string;
  readonly reached: string;
  /** At most five, values as text and cut. */
  readonly rows: readonly Readonly<Record<string, string | null>>[];
}

/** One broken check at one place. */
export interface Finding {
  readonly check: string;
  readonly level: Level;
  readonly object: ObjectName;
  /** Which tables' rows it opens, as `schema.name` unquoted; empty when it concerns all or none in particular. */
  readonly tables: readonly string[];
  /** What is wrong here, in a sentence, with the names. */
  readonly message: string;
  /** `true`: the check could not understand something, so that neither answer is safe. Fails a strict run. */
  readonly unknown?: boolean;
  readonly evidence?: Evidence;
  /** SQL that mends it, in order; absent when only a person can decide. */
  readonly fix?: readonly string[];
}

/** What can be said of one table. */
export type Verdict =
  | { readonly table: string; readonly state: "WALLED"; readonly reasons: readonly string[] }
  | { readonly table: string; readonly state: "ATTACKED"; readonly reasons: readonly string[] }
  | { readonly table: string; readonly state: "UNKNOWN"; readonly reasons: readonly string[] }
  /** Declared to hold no tenant's rows, with the reason given. */
  | { readonly table: string; readonly state: "GLOBAL"; readonly reasons: readonly string[] };

/** What a run found. Serialises as it is. */
export interface Report {
  readonly database: string;
  /** As `server_version_num`. */
  readonly server: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  /** How many checks of each kind ran. */
  readonly ran: { readonly static: number; readonly live: number };
  /** Checks that could not run, with the reason; none of them counts as passed. */
  readonly skipped: readonly { readonly check: string; readonly reason: string }[];
  readonly verdicts: readonly Verdict[];
  readonly findings: readonly Finding[];
  /** What was found and is excepted by the settings, each with its reason. */
  readonly excepted: readonly { readonly finding: Finding; readonly reason: string }[];
}
