import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext, Table } from "../context.ts";
import { granteeText, holder } from "../grants.ts";
import { on } from "./wall.ts";

function ownPrivilege(privilege: string, says: string) {
  return ({ tenantTables }: CheckContext): readonly Found[] =>
    tenantTables.flatMap((table): readonly Found[] => {
      const right = table.rights.get(privilege);
      // An owner's or a superuser's rights are for the checks of roles.
      if (right === undefined || right.by === "owner" || right.by === "superuser") return [];
      const { schema, name, columns } = table.relation;
      const onColumns = columns.filter(({ grants }) =>
        grants.some((grant) => grant.grantee === right.grantee && grant.privilege === privilege),
      );
      const list = onColumns.length === 0 ? "" : ` (${onColumns.map((column) => quoted(column.name)).join(", ")})`;
      const from = granteeText(right.grantee);
      const fix = [
        `revoke ${privilege} on ${quoted(schema, name)} from ${from}`,
        ...(list === "" ? [] : [`revoke ${privilege}${list} on ${quoted(schema, name)} from ${from}`]),
      ];
      return [on(table, `${holder(right)} ${says} ${table.name}`, right.by === "grant" ? { fix } : {})];
    });
}

/** By the table or by single columns. */
function granted(table: Table, wanted: (grant: Table["relation"]["grants"][number]) => boolean): boolean {
  return table.relation.grants.some(wanted) || table.relation.columns.some(({ grants }) => grants.some(wanted));
}

function toPublic({ tenantTables }: CheckContext): readonly Found[] {
  return tenantTables
    .filter((table) => granted(table, ({ grantee }) => grantee === "public"))
    .map((table) =>
      on(table, `${table.name} is granted to PUBLIC: to every login there is and will be`, {
        fix: [`revoke all on ${quoted(table.relation.schema, table.relation.name)} from public`],
      }),
    );
}

function grantable(context: CheckContext): readonly Found[] {
  const { access } = context.catalog;
  return context.tenantTables.flatMap((table): readonly Found[] => {
    const { relation } = table;
    for (const role of context.settings.appRoles) {
      if (access.isOwner(role, relation.owner)) continue;
      const all = [...relation.grants, ...relation.columns.flatMap(({ grants }) => grants)];
      const [grantee] = access
        .privileges(
          role,
          all.filter((grant) => grant.grantable),
        )
        .values();
      if (grantee === undefined) continue;
      const fix = [
        `revoke grant option for all on ${quoted(relation.schema, relation.name)} from ${granteeText(grantee)} cascade`,
      ];
      return [on(table, `${role} may grant its rights on ${table.name} to others`, { fix })];
    }
    return [];
  });
}

export const TABLE_RIGHT_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "privilege-truncate",
      title: "An app role may TRUNCATE a table of tenants",
      category: "tables",
      level: "error",
      why: "TRUNCATE asks no policy: one statement empties the table of all tenants.",
      remediation: "Revoke TRUNCATE.",
    },
    ownPrivilege("TRUNCATE", "may empty, for all tenants,"),
  ),
  staticCheck(
    {
      id: "privilege-references",
      title: "An app role may make foreign keys to a table of tenants",
      category: "tables",
      level: "warning",
      why: "A foreign key is checked without policies: it tells which keys exist at other tenants, and keeps their rows from being deleted.",
      remediation: "Revoke REFERENCES.",
    },
    ownPrivilege("REFERENCES", "may reference"),
  ),
  staticCheck(
    {
      id: "privilege-trigger",
      title: "An app role may make triggers on a table of tenants",
      category: "tables",
      level: "error",
      why: "Its trigger function runs with the rights of whoever writes next, for every tenant.",
      remediation: "Revoke TRIGGER.",
    },
    ownPrivilege("TRIGGER", "may make triggers on"),
  ),
  staticCheck(
    {
      id: "privilege-maintain",
      title: "An app role may maintain a table of tenants",
      category: "tables",
      level: "notice",
      why: "CLUSTER, REINDEX, VACUUM FULL and LOCK stop every tenant's statements on it.",
      remediation: "Revoke MAINTAIN.",
    },
    ownPrivilege("MAINTAIN", "may lock and rewrite"),
  ),
  staticCheck(
    {
      id: "privilege-public",
      title: "A table of tenants is granted to PUBLIC",
      category: "tables",
      level: "warning",
      why: "Every login has the right, those of other applications and of tomorrow too.",
      remediation: "Revoke from PUBLIC and grant to the roles that need it.",
    },
    toPublic,
  ),
  staticCheck(
    {
      id: "privilege-grantable",
      title: "An app role may pass on its rights",
      category: "tables",
      level: "warning",
      why: "An injected GRANT opens the table to another login, and stays after the session.",
      remediation: "Revoke the grant option.",
    },
    grantable,
  ),
];
