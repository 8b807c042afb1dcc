import type { Grant, Policy } from "../catalog/index.ts";
import { findAll, loadParser, parseExpression } from "../expressions/index.ts";
import { quoted } from "../sql-text.ts";
import { isWritten, wallExpression } from "./expression.ts";
import type { Draft } from "./plan.ts";
import type { Schema, Subject } from "./subjects.ts";

const WALL = "tenant_wall";
const COMMANDS = ["SELECT", "INSERT", "UPDATE", "DELETE"] as const;
type Command = (typeof COMMANDS)[number];
/** Of each command's door: which rows it is for is the wall's to say. */
const DOORS: Readonly<Record<Command, string>> = {
  SELECT: "using (true)",
  INSERT: "with check (true)",
  UPDATE: "using (true) with check (true)",
  DELETE: "using (true)",
};

/**
 * ENABLE, FORCE, one RESTRICTIVE wall that names no role, and for each command one door for the roles that hold it.
 *
 * A policy that says nothing but whose the row is becomes the wall. One that says more (which project, which author)
 * is the team's own: it stays, and its commands get no door beside it, which would open what it keeps shut.
 */
export async function planPolicies(schema: Schema, draft: Draft): Promise<void> {
  await loadParser();
  for (const subject of schema.subjects.values()) {
    const policies = schema.catalog.policies.filter(({ table }) => table === subject.relation.oid);
    const { forced, rowSecurity } = subject.relation;
    if (!rowSecurity) {
      const before = "row-level security is off";
      draft.step("row security", subject.name, `alter table ${subject.sql} enable row level security`, { before });
    }
    if (!forced) {
      const before = "its owner is not held";
      draft.step("row security", subject.name, `alter table ${subject.sql} force row level security`, { before });
    }
    planWall(schema, { subject, policies }, draft);
    const kept = policies.filter((policy) => !isOurs(policy) && !saysTenantAlone(policy, subject));
    for (const policy of policies) {
      if (!isOurs(policy) && !kept.includes(policy)) drop(subject, policy, draft);
    }
    // Through its parent a child's own policies are not asked; by its own name nobody has business with it.
    if (!subject.isChild) planDoors(schema, { subject, policies, kept }, draft);
  }
}

interface Place {
  readonly subject: Subject;
  readonly policies: readonly Policy[];
}

function isOurs({ name }: Policy): boolean {
  return name === WALL || COMMANDS.some((command) => name === doorName(command));
}

function doorName(command: Command): string {
  return `tenant_${command.toLowerCase()}`;
}

function drop(subject: Subject, policy: Policy, draft: Draft): void {
  const { check, command, permissive, roles, using } = policy;
  const parts = [
    `${permissive ? "permissive" : "restrictive"} policy ${policy.name} for ${command} to ${roles.join(", ")}`,
    using === undefined ? "" : `using ${using}`,
    check === undefined ? "" : `with check ${check}`,
  ];
  draft.step("policies", subject.name, `drop policy ${quoted(policy.name)} on ${subject.sql}`, {
    before: parts.filter((part) => part !== "").join(" "),
  });
}

function planWall({ settings }: Schema, { policies, subject }: Place, draft: Draft): void {
  const wanted = wallExpression(settings, subject.tenant);
  const there = policies.find(({ name }) => name === WALL);
  if (there !== undefined) {
    const stands =
      !there.permissive &&
      there.command === "ALL" &&
      there.roles.join() === "public" &&
      isWritten(there.using, wanted) &&
      (there.check === undefined || isWritten(there.check, wanted));
    if (stands) return;
    drop(subject, there, draft);
  }
  draft.step(
    "policies",
    subject.name,
    `create policy ${WALL} on ${subject.sql} as restrictive for all using (${wanted}) with check (${wanted})`,
  );
}

function planDoors(
  schema: Schema,
  { kept, policies, subject }: Place & { kept: readonly Policy[] },
  draft: Draft,
): void {
  for (const command of COMMANDS) {
    const name = doorName(command);
    const there = policies.find((policy) => policy.name === name);
    const isKept = kept.some((policy) => policy.permissive && (policy.command === "ALL" || policy.command === command));
    const roles = isKept ? [] : doorRoles(schema, subject, command);
    if (there !== undefined) {
      const stands =
        there.permissive &&
        there.command === command &&
        there.roles.toSorted().join("\0") === roles.toSorted().join("\0") &&
        (there.using ?? "true") === "true" &&
        (there.check ?? "true") === "true";
      if (stands) continue;
      drop(subject, there, draft);
    }
    if (roles.length === 0) continue;
    draft.step(
      "policies",
      subject.name,
      `create policy ${name} on ${subject.sql} for ${command.toLowerCase()} to ` +
        `${roles.map((role) => quoted(role)).join(", ")} ${DOORS[command]}`,
    );
  }
}

/** Who holds the command now, and the owner, whose triggers write as it does. What everybody holds the logins get. */
function doorRoles({ catalog, settings }: Schema, { relation }: Subject, command: Command): readonly string[] {
  const roles = new Set([relation.owner]);
  const grants: readonly Grant[] = [...relation.grants, ...relation.columns.flatMap((column) => column.grants)];
  for (const { grantee, privilege } of grants) {
    if (privilege !== command) continue;
    if (grantee === "public") for (const role of settings.appRoles) roles.add(role);
    else roles.add(grantee);
  }
  const above = new Set(
    catalog.roles.filter(({ bypassRls, superuser }) => superuser || bypassRls).map(({ name }) => name),
  );
  return [...roles].filter((role) => !above.has(role)).toSorted();
}

/** Columns that an expression reads; undefined when it reads more than columns, or is not understood. */
function columnsOf(expression: string): readonly unknown[] | undefined {
  const parsed = parseExpression(expression);
  if ("refused" in parsed || findAll(parsed.tree, "RangeVar").length > 0) return undefined;
  return findAll(parsed.tree, "ColumnRef").map((reference) => findAll(reference, "sval").at(0));
}

/** A policy over the tenant column alone, or over no column at all. What cannot be parsed says more. */
function saysTenantAlone({ check, permissive, using }: Policy, { tenant }: Subject): boolean {
  if (!permissive) return false;
  return [using, check].every((expression) => {
    if (expression === undefined) return true;
    return columnsOf(expression)?.every((name) => name === tenant.name) === true;
  });
}
