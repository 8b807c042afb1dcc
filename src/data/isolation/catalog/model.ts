import type { Meanings } from "./operators.ts";
import type { Access, Grant, Role } from "./principals.ts";
import type { Oid, Server } from "./server-model.ts";

export type { Oid } from "./server-model.ts";

export type RelationKind = "table" | "partitioned table" | "view" | "materialized view" | "foreign table" | "sequence";

export interface Column {
  readonly name: string;
  /** As `format_type` writes it: `character varying(20)`, `app.tenant_ref`. */
  readonly type: string;
  /** Below every domain and array: the type's name in `pg_catalog`, or `schema.name` of one that is not PostgreSQL's. */
  readonly baseType: string;
  /** `e` enum, `b` base, `c` composite, `r` range, `m` multirange, `p` pseudo: of what is below the domains. */
  readonly typeKind: string;
  /** Set on the column or on its domain. */
  readonly notNull: boolean;
  /** The default or the generating expression, as PostgreSQL writes it with an empty search path; a domain's when the column has none. */
  readonly expression: string | undefined;
  readonly generated: "no" | "stored" | "virtual";
  readonly identity: boolean;
  /** Functions outside `pg_catalog` that the expression calls. */
  readonly calls: readonly Oid[];
  /** Rights on this column alone; those on the whole table are the table's. */
  readonly grants: readonly Grant[];
}

/** A table, view, sequence or what else stands in `pg_class` outside PostgreSQL's own schemas. */
export interface Relation {
  readonly oid: Oid;
  readonly kind: RelationKind;
  readonly schema: string;
  readonly name: string;
  readonly owner: string;
  readonly persistence: "permanent" | "unlogged" | "temporary";
  readonly rowSecurity: boolean;
  readonly forced: boolean;
  /** One piece of a partitioned table. Other children of `parents` inherit the old way. */
  readonly isPartition: boolean;
  readonly parents: readonly Oid[];
  /** `name=value`: `security_invoker=true`, `security_barrier=true`, `check_option=local`. */
  readonly options: readonly string[];
  readonly columns: readonly Column[];
  readonly grants: readonly Grant[];
  /** Planner's estimate; -1 when never counted. */
  readonly rowsEstimate: number;
  /** The extension that made it. */
  readonly extension: string | undefined;
  /** Text of a view or materialized view. */
  readonly definition: string | undefined;
  /** Relations that a view, materialized view or rule of it names directly. */
  readonly reads: readonly Oid[];
  /** Foreign tables: the server's name. */
  readonly server: string | undefined;
  /** Sequences: the column that owns it. */
  readonly ownedBy: { readonly table: Oid; readonly column: string } | undefined;
}

export interface Policy {
  readonly table: Oid;
  readonly name: string;
  readonly command: "ALL" | "SELECT" | "INSERT" | "UPDATE" | "DELETE";
  readonly permissive: boolean;
  /** Role names; `public` for everybody. */
  readonly roles: readonly string[];
  /** Expressions as PostgreSQL writes them with an empty search path. */
  readonly using: string | undefined;
  readonly check: string | undefined;
}

export type ForeignKeyAction = "no action" | "restrict" | "cascade" | "set null" | "set default";

export interface Constraint {
  readonly oid: Oid;
  readonly table: Oid;
  readonly name: string;
  readonly kind: "primary key" | "unique" | "exclusion" | "foreign key" | "check";
  /** In order. Empty where only expressions are constrained. */
  readonly columns: readonly string[];
  readonly definition: string;
  readonly index: Oid | undefined;
  /** A partition's copy of its parent's constraint. */
  readonly inherited: boolean;
  readonly references:
    | {
        readonly table: Oid;
        readonly columns: readonly string[];
        readonly onDelete: ForeignKeyAction;
        readonly onUpdate: ForeignKeyAction;
        /** The columns that SET NULL or SET DEFAULT changes; empty for all of the key's. */
        readonly deleteColumns: readonly string[];
      }
    | undefined;
  /** Functions outside `pg_catalog` that a check's expression calls. */
  readonly calls: readonly Oid[];
}

export interface Index {
  readonly oid: Oid;
  readonly table: Oid;
  readonly name: string;
  readonly unique: boolean;
  readonly primary: boolean;
  readonly valid: boolean;
  readonly method: string;
  /** Key columns in order, an expression as `undefined`. INCLUDE columns are not among them. */
  readonly columns: readonly (string | undefined)[];
  readonly predicate: string | undefined;
  readonly definition: string;
  /** Belongs to a primary key, unique or exclusion constraint. */
  readonly ofConstraint: boolean;
  readonly inherited: boolean;
}

export interface Trigger {
  readonly table: Oid;
  readonly name: string;
  readonly function: Oid;
  readonly enabled: boolean;
  readonly definition: string;
}

export interface Rule {
  readonly table: Oid;
  readonly name: string;
  readonly event: "SELECT" | "INSERT" | "UPDATE" | "DELETE";
  readonly instead: boolean;
  readonly definition: string;
}

/** A function, procedure, aggregate or window function outside PostgreSQL's own schemas. */
export interface Routine {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  /** Types of the arguments as `pg_get_function_identity_arguments` writes them; with the name it is unique. */
  readonly arguments: string;
  readonly kind: "function" | "procedure" | "aggregate" | "window function";
  readonly owner: string;
  readonly language: string;
  readonly definer: boolean;
  readonly volatility: "immutable" | "stable" | "volatile";
  readonly leakproof: boolean;
  readonly parallel: "safe" | "restricted" | "unsafe";
  /** `name=value` of its SET clauses. */
  readonly config: readonly string[];
  /** `undefined` when this login may not read it: see `Catalog.unreadable`. */
  readonly source: string | undefined;
  /** Written as `begin atomic` or `return`: the body that PostgreSQL parsed, as it writes it. */
  readonly sqlBody: string | undefined;
  readonly returns: string;
  readonly returnsSet: boolean;
  /** The relation whose rows it returns, when its return type is a table's. */
  readonly returnsRelation: Oid | undefined;
  readonly isTrigger: boolean;
  readonly grants: readonly Grant[];
  readonly extension: string | undefined;
}

export interface Schema {
  readonly name: string;
  readonly owner: string;
  readonly grants: readonly Grant[];
}

/** What PostgreSQL says of one database, read in one snapshot. Every name is as the catalog has it, unquoted. */
export interface Catalog {
  readonly server: Server;
  readonly roles: readonly Role[];
  /** Who can act as whom, through any chain. */
  readonly access: Access;
  readonly schemas: readonly Schema[];
  readonly relations: ReadonlyMap<Oid, Relation>;
  readonly policies: readonly Policy[];
  readonly constraints: readonly Constraint[];
  readonly indexes: readonly Index[];
  readonly triggers: readonly Trigger[];
  readonly rules: readonly Rule[];
  readonly routines: ReadonlyMap<Oid, Routine>;
  /** Types, named as in `Column.baseType`, whose default equality is leakproof: the planner uses an index through a wall. */
  readonly leakproofTypes: ReadonlySet<string>;
  /** Operators, casts and collations that make an expression mean something else than it seems to. */
  readonly meanings: Meanings;
  /** What this login may not read, each with what is not known for it. Checks that need it answer unknown. */
  readonly unreadable: readonly { readonly what: UnreadablePart; readonly reason: string }[];
}

export type UnreadablePart = "function source" | "pg_hba" | "settings" | "view text";
