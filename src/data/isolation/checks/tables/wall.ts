import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import { type CheckContext, type Table, tableName } from "../context.ts";
import { holder } from "../grants.ts";

/** What row-level security can be turned on for. */
export function takesPolicies({ relation }: Table): boolean {
  return relation.kind === "table" || relation.kind === "partitioned table";
}

/** Children are reached through their parents, under the parents' policies; by themselves they are another check's. */
export function isChild({ relation }: Table): boolean {
  return relation.parents.length > 0;
}

export function on(table: Table, message: string, more: Pick<Found, "fix" | "level" | "unknown"> = {}): Found {
  return { object: tableName(table), tables: [table.name], message, ...more };
}

export function reachedBy({ rights }: Table): string {
  const [right] = rights.values();
  return right === undefined ? "" : holder(right);
}

const enable = ({ relation }: Table): string =>
  `alter table ${quoted(relation.schema, relation.name)} enable row level security`;
const force = ({ relation }: Table): string =>
  `alter table ${quoted(relation.schema, relation.name)} force row level security`;

function hasPolicies({ catalog }: CheckContext): (table: Table) => boolean {
  const walled = new Set(catalog.policies.map(({ table }) => table));
  return ({ relation }) => walled.has(relation.oid);
}

function securityOff(context: CheckContext): readonly Found[] {
  const walled = hasPolicies(context);
  return context.tenantTables
    .filter((table) => takesPolicies(table) && !isChild(table) && !table.relation.rowSecurity && !walled(table))
    .map((table) =>
      table.rights.size > 0
        ? on(table, `${table.name} has no row-level security and ${reachedBy(table)} reaches every tenant's rows`, {
            fix: [enable(table), force(table)],
          })
        : on(table, `${table.name} has no row-level security; no app role reaches it yet`, {
            level: "warning",
            fix: [enable(table), force(table)],
          }),
    );
}

function policiesIdle(context: CheckContext): readonly Found[] {
  const walled = hasPolicies(context);
  return context.tables
    .filter((table) => !table.relation.rowSecurity && walled(table))
    .map((table) =>
      on(table, `${table.name} has policies that do nothing: its row-level security is off`, {
        fix: [enable(table), force(table)],
      }),
    );
}

function notForced(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter((table) => takesPolicies(table) && table.relation.rowSecurity && !table.relation.forced)
    .map((table) =>
      on(table, `${table.relation.owner} passes the policies of ${table.name}, as do its views and functions`, {
        fix: [force(table)],
      }),
    );
}

function noPolicy(context: CheckContext): readonly Found[] {
  const walled = hasPolicies(context);
  return context.tenantTables
    .filter((table) => takesPolicies(table) && !isChild(table) && table.relation.rowSecurity && !walled(table))
    .filter(({ rights }) => rights.size > 0)
    .map((table) =>
      on(table, `${table.name} has row-level security and no policy: ${reachedBy(table)} sees no row of it`),
    );
}

/**
 * Children whose parent is looked at are not anybody's to declare. A table with row-level security may say through its
 * policies whose a row is, by its parent's tenant for instance: what those let through is judged with the policies.
 */
function undeclared(context: CheckContext): readonly Found[] {
  return context.tables
    .filter(({ tenantColumn, global, rights }) => tenantColumn === undefined && global === undefined && rights.size > 0)
    .filter((table) => !isChild(table) && (takesPolicies(table) || table.relation.kind === "foreign table"))
    .filter(({ relation }) => !relation.rowSecurity)
    .map((table) =>
      on(
        table,
        `${reachedBy(table)} reaches ${table.name}, which has none of the tenant columns and is not declared global`,
      ),
    );
}

function globalWritable(context: CheckContext): readonly Found[] {
  return context.tables
    .filter(({ global }) => global !== undefined)
    .filter((table) => takesPolicies(table) && !table.relation.rowSecurity)
    .flatMap((table): readonly Found[] => {
      const rights = ["INSERT", "UPDATE", "DELETE"].filter((privilege) => table.rights.has(privilege));
      if (rights.length === 0) return [];
      return [
        on(table, `${reachedBy(table)} may ${rights.join(", ")} rows of ${table.name}, which every tenant reads`),
      ];
    });
}

/** A child by itself is under its own policies alone. */
function childOpen(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter((table) => isChild(table) && takesPolicies(table) && table.rights.size > 0)
    .filter((table) => !table.relation.rowSecurity)
    .map((table) =>
      on(table, `${reachedBy(table)} reaches ${table.name} past the policies of the table that it is a part of`, {
        fix: [enable(table), force(table)],
      }),
    );
}

function childUnwalled(context: CheckContext): readonly Found[] {
  return context.tenantTables
    .filter((table) => isChild(table) && takesPolicies(table) && table.rights.size === 0)
    .filter(({ relation }) => !relation.rowSecurity)
    .map((table) =>
      on(table, `${table.name} has no row-level security of its own; nobody is granted it by its own name`, {
        fix: [enable(table), force(table)],
      }),
    );
}

export const WALL_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "table-rls-off",
      title: "A table of tenants has no row-level security",
      category: "tables",
      level: "error",
      why: "Every statement that forgets its WHERE, and every injected one, reads and writes all tenants.",
      remediation: "Enable and force row-level security and make a restrictive policy on the tenant column.",
    },
    securityOff,
  ),
  staticCheck(
    {
      id: "table-policies-idle",
      title: "A table has policies and its row-level security is off",
      category: "tables",
      level: "error",
      why: "Policies without ENABLE ROW LEVEL SECURITY are decoration: the schema looks walled and is open.",
      remediation: "Enable and force row-level security.",
    },
    policiesIdle,
  ),
  staticCheck(
    {
      id: "table-not-forced",
      title: "A table does not force its row-level security",
      category: "tables",
      level: "warning",
      why: "The owner passes it, and so does every view and SECURITY DEFINER function that the owner has.",
      remediation: "ALTER TABLE ... FORCE ROW LEVEL SECURITY.",
    },
    notForced,
  ),
  staticCheck(
    {
      id: "table-no-policy",
      title: "A table has row-level security and no policy",
      category: "tables",
      level: "notice",
      why: "It is closed, and whoever needs its rows may open it altogether.",
      remediation: "Make its policies, or take the grants away.",
    },
    noPolicy,
  ),
  staticCheck(
    {
      id: "table-undeclared",
      title: "A reachable table says of no row whose it is",
      category: "tables",
      level: "error",
      why: "Rows of tenants without a tenant column cannot be walled; nobody said that there are none.",
      remediation: "Give it a tenant column and a wall, or declare it global with the reason.",
    },
    undeclared,
  ),
  staticCheck(
    {
      id: "table-global-writable",
      title: "An app role writes a table that all tenants read",
      category: "tables",
      level: "warning",
      why: "What one tenant's request writes there all others read: a channel between tenants, and a way to change their behaviour.",
      remediation: "Let app roles read it only, or wall what they write.",
    },
    globalWritable,
  ),
  staticCheck(
    {
      id: "table-child-open",
      title: "A partition or inheriting table is reachable by its own name and has no wall",
      category: "tables",
      level: "error",
      why: "A statement on a partition is under the partition's policies, not its parent's: it shows all rows in it.",
      remediation:
        "Revoke rights on the child, or enable and force row-level security on it with the parent's policies.",
    },
    childOpen,
  ),
  staticCheck(
    {
      id: "table-child-unwalled",
      title: "A partition or inheriting table has no wall of its own",
      category: "tables",
      level: "notice",
      why: "One GRANT on it, or on all tables of the schema, opens it past its parent's policies.",
      remediation: "Enable and force row-level security on it too; without a policy it is closed by its own name.",
    },
    childUnwalled,
  ),
];
