import type { SqlSession } from "../session.ts";
import type { Catalog, Constraint, Index, Oid, Policy, Rule, Trigger } from "./model.ts";
import { CONSTRAINTS, INDEXES, POLICIES, RULES, TRIGGERS } from "./queries.ts";
import { wordOf } from "./rows.ts";

interface ConstraintRow {
  readonly oid: Oid;
  readonly relation: Oid;
  readonly name: string;
  readonly kind: string;
  readonly definition: string;
  readonly index: Oid | null;
  readonly inherited: boolean;
  readonly columns: readonly string[];
  readonly referenced: Oid | null;
  readonly referenced_columns: readonly string[];
  readonly on_delete: string;
  readonly on_update: string;
  readonly delete_columns: readonly string[];
  readonly calls: readonly Oid[];
}

interface IndexRow {
  readonly oid: Oid;
  readonly relation: Oid;
  readonly name: string;
  readonly is_unique: boolean;
  readonly is_primary: boolean;
  readonly valid: boolean;
  readonly method: string;
  readonly columns: readonly (string | null)[];
  readonly predicate: string | null;
  readonly definition: string;
  readonly of_constraint: boolean;
  readonly inherited: boolean;
}

interface PolicyRow {
  readonly relation: Oid;
  readonly name: string;
  readonly command: string;
  readonly permissive: boolean;
  readonly roles: readonly string[];
  readonly using: string | null;
  readonly check: string | null;
}

type TriggerRow = Omit<Trigger, "table"> & { readonly relation: Oid };
type RuleRow = Omit<Rule, "table" | "event"> & { readonly relation: Oid; readonly event: string };

const COMMANDS = { "*": "ALL", r: "SELECT", a: "INSERT", w: "UPDATE", d: "DELETE" } as const;
const EVENTS = { 1: "SELECT", 2: "UPDATE", 3: "INSERT", 4: "DELETE" } as const;
const CONSTRAINT_KINDS = {
  p: "primary key",
  u: "unique",
  x: "exclusion",
  f: "foreign key",
  c: "check",
} as const;
const ACTIONS = { a: "no action", r: "restrict", c: "cascade", n: "set null", d: "set default" } as const;

type Parts = Pick<Catalog, "policies" | "constraints" | "indexes" | "triggers" | "rules">;

/** What hangs on tables. */
export async function readTableParts(session: SqlSession): Promise<Parts> {
  const policies = await session.query<PolicyRow>(POLICIES);
  const constraints = await session.query<ConstraintRow>(CONSTRAINTS);
  const indexes = await session.query<IndexRow>(INDEXES);
  const triggers = await session.query<TriggerRow>(TRIGGERS);
  const rules = await session.query<RuleRow>(RULES);
  return {
    policies: policies.map(policyOf),
    constraints: constraints.map(constraintOf),
    indexes: indexes.map(indexOf),
    triggers: triggers.map(({ relation, ...rest }) => ({ table: relation, ...rest })),
    rules: rules.map(({ relation, event, ...rest }) => ({ table: relation, event: wordOf(EVENTS, event), ...rest })),
  };
}

function policyOf({ relation, name, command, permissive, roles, using, check }: PolicyRow): Policy {
  return {
    table: relation,
    name,
    command: wordOf(COMMANDS, command),
    permissive,
    roles,
    using: using ?? undefined,
    check: check ?? undefined,
  };
}

function constraintOf(row: ConstraintRow): Constraint {
  return {
    oid: row.oid,
    table: row.relation,
    name: row.name,
    kind: wordOf(CONSTRAINT_KINDS, row.kind),
    columns: row.columns,
    definition: row.definition,
    index: row.index ?? undefined,
    inherited: row.inherited,
    references:
      row.referenced === null
        ? undefined
        : {
            table: row.referenced,
            columns: row.referenced_columns,
            onDelete: wordOf(ACTIONS, row.on_delete),
            onUpdate: wordOf(ACTIONS, row.on_update),
            deleteColumns: row.delete_columns,
          },
    calls: row.calls,
  };
}

function indexOf(row: IndexRow): Index {
  return {
    oid: row.oid,
    table: row.relation,
    name: row.name,
    unique: row.is_unique,
    primary: row.is_primary,
    valid: row.valid,
    method: row.method,
    columns: row.columns.map((column) => column ?? undefined),
    predicate: row.predicate ?? undefined,
    definition: row.definition,
    ofConstraint: row.of_constraint,
    inherited: row.inherited,
  };
}
