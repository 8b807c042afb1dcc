import type { Role } from "../../catalog/index.ts";
import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { howReached, leave, reachedRoles, roleName } from "./reached.ts";

/** Attributes come with the role itself, hence with SET ROLE, and are never inherited. */
function withAttribute(has: (role: Role) => boolean, says: string, removal: string) {
  return (context: CheckContext): readonly Found[] =>
    reachedRoles(context)
      .filter(({ role, reach }) => has(role) && reach.canBecome)
      .map((reached): Found => {
        const { app } = reached;
        const isSelf = reached.reach.way === "self";
        const fix = isSelf ? [`alter role ${quoted(app)} ${removal}`] : leave(context, reached);
        return {
          object: roleName(app),
          tables: [],
          message: isSelf ? `${app} ${says}` : `${howReached(reached)}, which ${says}`,
          ...(fix === undefined ? {} : { fix }),
        };
      });
}

export const ATTRIBUTE_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "role-superuser",
      title: "An app role is, or can become, a superuser",
      category: "roles",
      level: "error",
      why: "A superuser passes every policy and every right; one injected statement reads all tenants, and the server's files.",
      remediation: "Serve requests with a role of its own that is no superuser and no member of one.",
    },
    withAttribute(({ superuser }) => superuser, "is a superuser", "nosuperuser"),
  ),
  staticCheck(
    {
      id: "role-bypassrls",
      title: "An app role has, or can switch to, BYPASSRLS",
      category: "roles",
      level: "error",
      why: "Row-level security does not apply to a role with BYPASSRLS, forced or not.",
      remediation: "Take BYPASSRLS away; what has to see all tenants runs as another login.",
    },
    withAttribute(({ superuser, bypassRls }) => !superuser && bypassRls, "has BYPASSRLS", "nobypassrls"),
  ),
  staticCheck(
    {
      id: "role-createrole",
      title: "An app role has CREATEROLE",
      category: "roles",
      level: "error",
      why: "Up to PostgreSQL 15 it may make itself a member of any role that is no superuser, from 16 of those it made; it can set passwords and make logins that outlive a fix.",
      remediation: "Take CREATEROLE away; logins are made by an administrator.",
    },
    withAttribute(({ superuser, createRole }) => !superuser && createRole, "has CREATEROLE", "nocreaterole"),
  ),
  staticCheck(
    {
      id: "role-createdb",
      title: "An app role has CREATEDB",
      category: "roles",
      level: "warning",
      why: "It may copy a template database, where it owns what it makes, and fill the disk for everybody.",
      remediation: "Take CREATEDB away.",
    },
    withAttribute(({ superuser, createDb }) => !superuser && createDb, "has CREATEDB", "nocreatedb"),
  ),
  staticCheck(
    {
      id: "role-replication",
      title: "An app role has REPLICATION",
      category: "roles",
      level: "error",
      why: "A replication connection copies the whole cluster, every tenant's rows and the password verifiers, past every policy.",
      remediation: "Take REPLICATION away; replication has a login of its own.",
    },
    withAttribute(({ superuser, replication }) => !superuser && replication, "has REPLICATION", "noreplication"),
  ),
];
