import type { Policy } from "../../catalog/index.ts";
import type { ObjectName } from "../../finding.ts";
import { quoted } from "../../sql-text.ts";
import { analysisOf, type Passage } from "../analysis/index.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import { type CheckContext, type Table, tableName } from "../context.ts";

/** How a finding names a policy. */
export function policyName(table: Table, policy: Policy): ObjectName {
  return { kind: "policy", schema: table.relation.schema, name: policy.name, table: table.relation.name };
}

/** Tables that store rows, are no view and were not declared to be everybody's. */
export function judgedTables(context: CheckContext): readonly Table[] {
  return judgedOf(context).list;
}

/** Whether a table is looked at, stores rows, and was not declared to be everybody's; whose they are may not be known. */
export function isStored(context: CheckContext, table: Table): boolean {
  return judgedOf(context).stored.has(table);
}

interface JudgedTables {
  readonly list: readonly Table[];
  readonly stored: ReadonlySet<Table>;
}

const judged = new WeakMap<CheckContext, JudgedTables>();

function judgedOf(context: CheckContext): JudgedTables {
  const found = judged.get(context);
  if (found !== undefined) return found;
  const { names } = analysisOf(context);
  const stored = context.tables.filter(
    ({ relation, global }) => global === undefined && relation.kind.endsWith("table"),
  );
  const list = stored.filter(({ name, tenantColumn }) => tenantColumn !== undefined || names.links(name).length > 0);
  const made = { list, stored: new Set(stored) };
  judged.set(context, made);
  return made;
}

/** Passages with row-level security that let other rows through, one for each command and clause. */
function openPassages(context: CheckContext, table: Table): readonly Passage[] {
  const open = analysisOf(context)
    .passages(table)
    .filter(({ decision, policies }) => decision.answer === "does not imply" && policies.length > 0);
  return [...new Map(open.map((passage) => [`${passage.command} ${passage.clause}`, passage])).values()];
}

function witness({ decision }: Passage): string {
  return decision.answer === "does not imply" ? decision.witness : "";
}

function wallNotImplied(context: CheckContext): readonly Found[] {
  return judgedTables(context).flatMap((table) =>
    openPassages(context, table).map((passage) => ({
      object: tableName(table),
      tables: [table.name],
      message: `the policies of ${table.name} for ${passage.command} (${passage.clause}) as ${passage.role} hold for ${witness(passage)}`,
    })),
  );
}

function notUnderstood(context: CheckContext): readonly Found[] {
  return judgedTables(context).flatMap((table) => {
    const unknown = analysisOf(context)
      .passages(table)
      .flatMap(({ decision, command }) =>
        decision.answer === "unknown" ? [{ command, why: decision.notUnderstood }] : [],
      );
    const reasons = Map.groupBy(unknown, ({ why }) => why);
    return [...reasons].map(([why, passages]) => ({
      object: tableName(table),
      tables: [table.name],
      unknown: true,
      message: `whether the policies of ${table.name} for ${[...new Set(passages.map(({ command }) => command))].join(", ")} hold for the context's rows alone is not decided: ${why}`,
    }));
  });
}

/** A table whose open passage has a witness of the given kind. */
function witnessed(context: CheckContext, pattern: RegExp, say: (table: Table) => string): readonly Found[] {
  return judgedTables(context).flatMap((table) => {
    const found = openPassages(context, table).some((passage) => pattern.test(witness(passage)));
    return found ? [{ object: tableName(table), tables: [table.name], message: say(table) }] : [];
  });
}

function permissiveOnly(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table): readonly Found[] => {
    const passages = analysis.passages(table).filter(({ policies }) => policies.some(({ permissive }) => permissive));
    const bare = passages.some(
      ({ policies, clause, decision }) =>
        decision.answer === "implies" &&
        !policies.some((policy) => !policy.permissive && analysis.alone(policy, clause).answer === "implies"),
    );
    if (!bare) return [];
    const message = `the wall of ${table.name} is made of permissive policies alone: one more of them opens it`;
    return [{ object: tableName(table), tables: [table.name], message, ...restrictiveFix(context, table) }];
  });
}

/** The wall's own expression, once more as a restrictive policy. */
function restrictiveFix(context: CheckContext, table: Table): { fix?: readonly string[] } {
  const wall = analysisOf(context)
    .policiesOf(table)
    .find((policy) => policy.using !== undefined && analysisOf(context).alone(policy, "USING").answer === "implies");
  if (wall?.using === undefined) return {};
  const name = quoted(table.relation.schema, table.relation.name);
  // The expression is PostgreSQL's own rendering of one that is already there, every name in it qualified.
  return {
    fix: [
      `create policy tenant_wall on ${name} as restrictive for all using (${wall.using}) with check (${wall.using})`,
    ],
  };
}

function permissiveWidens(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table) => {
    const wide = new Map<string, Policy>();
    for (const { policies, clause } of openPassages(context, table)) {
      const permissive = policies.filter((policy) => policy.permissive);
      const [walls, others] = [
        permissive.filter((policy) => analysis.alone(policy, clause).answer === "implies"),
        permissive.filter((policy) => analysis.alone(policy, clause).answer !== "implies"),
      ];
      if (walls.length > 0) for (const policy of others) wide.set(policy.name, policy);
    }
    return [...wide.values()].map((policy) => ({
      object: policyName(table, policy),
      tables: [table.name],
      message: `permissive policy ${policy.name} on ${table.name} lets through what another one keeps out: permissive policies are joined by OR`,
      fix: [`drop policy ${quoted(policy.name)} on ${quoted(table.relation.schema, table.relation.name)}`],
    }));
  });
}

function checkWeaker(context: CheckContext): readonly Found[] {
  return judgedTables(context).flatMap((table) => {
    const open = openPassages(context, table);
    const passages = analysisOf(context).passages(table);
    const readsWalled = passages.some(({ clause, decision }) => clause === "USING" && decision.answer === "implies");
    const weak = open.filter(({ clause }) => clause === "WITH CHECK");
    if (!readsWalled || weak.length === 0 || open.some(({ clause }) => clause === "USING")) return [];
    const commands = weak.map(({ command }) => command).join(" and ");
    return [
      {
        object: tableName(table),
        tables: [table.name],
        message: `${table.name} keeps others' rows from being read, but ${commands} may write a row for another tenant`,
      },
    ];
  });
}

function someCommands(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table) =>
    analysis.policiesOf(table).flatMap((policy): readonly Found[] => {
      if (policy.permissive || policy.command === "ALL") return [];
      const clause = policy.command === "INSERT" ? "WITH CHECK" : "USING";
      if (analysis.alone(policy, clause).answer !== "implies") return [];
      const others = analysis
        .passages(table)
        .filter(({ command, decision }) => command !== policy.command && decision.answer !== "implies");
      if (others.length === 0) return [];
      const commands = [...new Set(others.map(({ command }) => command))].join(", ");
      const message = `policy ${policy.name} on ${table.name} walls ${policy.command} only, and ${commands} are open`;
      return [{ object: policyName(table, policy), tables: [table.name], message }];
    }),
  );
}

function wallNamesRoles(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table) =>
    analysis.policiesOf(table).flatMap((policy): readonly Found[] => {
      if (policy.permissive || policy.roles.includes("public")) return [];
      const clause = policy.using === undefined ? "WITH CHECK" : "USING";
      if (analysis.alone(policy, clause).answer !== "implies") return [];
      const message = `the wall ${policy.name} on ${table.name} names ${policy.roles.join(", ")}: another role is granted around it`;
      const name = quoted(table.relation.schema, table.relation.name);
      const fix = [`alter policy ${quoted(policy.name)} on ${name} to public`];
      return [{ object: policyName(table, policy), tables: [table.name], message, fix }];
    }),
  );
}

function noPolicyForRole(context: CheckContext): readonly Found[] {
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table): readonly Found[] => {
    if (!table.relation.rowSecurity || analysis.policiesOf(table).length === 0) return [];
    const shut = analysis
      .passages(table)
      .filter(
        ({ decision, policies }) => decision.answer === "implies" && !policies.some(({ permissive }) => permissive),
      );
    const commands = [...new Set(shut.map(({ command }) => command))];
    if (commands.length === 0) return [];
    const message = `${shut[0]?.role ?? ""} has the right to ${commands.join(", ")} on ${table.name}, but no policy there is for it: nothing works, and the mend is often one policy too many`;
    return [{ object: tableName(table), tables: [table.name], message }];
  });
}

/** Checks of what policies let through together. */
export const PASSAGE_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "policy-wall-not-implied",
      title: "The policies of a table let other tenants' rows through",
      category: "policies",
      level: "error",
      why: "Whoever uses the application's login gets, for a command, rows for which the policies hold and which are not the tenant's.",
      remediation: "Add one restrictive policy for all commands that compares the tenant's column with the context.",
    },
    wallNotImplied,
  ),
  staticCheck(
    {
      id: "policy-not-understood",
      title: "What a table's policies let through could not be decided",
      category: "policies",
      level: "warning",
      why: "An expression that nobody can follow may hold for another tenant's row.",
      remediation: "Write the wall as a restrictive policy of its own, a plain comparison with the context.",
    },
    notUnderstood,
  ),
  staticCheck(
    {
      id: "policy-null-tenant-open",
      title: "Rows without a tenant are everybody's",
      category: "policies",
      level: "error",
      why: "A row whose tenant is NULL passes, so that one tenant's mistake is readable by all, and one tenant can write what all see.",
      remediation: "Make the tenant's column NOT NULL and take the NULL case out of the policy.",
    },
    (context) =>
      witnessed(
        context,
        /^a row whose tenant is NULL/,
        ({ name }) => `the policies of ${name} let rows without a tenant through`,
      ),
  ),
  staticCheck(
    {
      id: "policy-open-without-context",
      title: "Without a context every row is visible",
      category: "policies",
      level: "error",
      why: "A statement that runs before the tenant is known, or after it was reset, sees every tenant's rows.",
      remediation: "Let a missing context be NULL, and compare with = alone, so that it gives no row.",
    },
    (context) =>
      witnessed(
        context,
        // A plain setting that was taken back is '' and not NULL.
        /no context|context's tenant equals ''/,
        ({ name }) => `the policies of ${name} hold for any tenant's rows when there is no context`,
      ),
  ),
  staticCheck(
    {
      id: "policy-wall-permissive",
      title: "The wall is a permissive policy",
      category: "policies",
      level: "warning",
      why: "Permissive policies are joined by OR: the next one that somebody adds opens the table.",
      remediation: "Make the wall a restrictive policy, and leave to permissive ones what a role may do inside of it.",
    },
    permissiveOnly,
  ),
  staticCheck(
    {
      id: "policy-permissive-widens",
      title: "A second permissive policy opens the wall",
      category: "policies",
      level: "error",
      why: "A row passes when one permissive policy holds, so that the wider of two decides.",
      remediation: "Drop the wider policy, or put a restrictive wall before both.",
    },
    permissiveWidens,
  ),
  staticCheck(
    {
      id: "policy-check-weaker",
      title: "Rows of another tenant can be written",
      category: "policies",
      level: "error",
      why: "A tenant plants rows in another's data, or moves its own there.",
      remediation: "Give the policy a WITH CHECK that says the same as its USING.",
    },
    checkWeaker,
  ),
  staticCheck(
    {
      id: "policy-some-commands",
      title: "The wall stands for some commands only",
      category: "policies",
      level: "error",
      why: "What cannot be read may still be changed or deleted, and what is deleted can be counted.",
      remediation: "Make the wall a policy FOR ALL.",
    },
    someCommands,
  ),
  staticCheck(
    {
      id: "policy-wall-names-roles",
      title: "The wall holds for some roles only",
      category: "policies",
      level: "warning",
      why: "A role that is not named is not walled, also one that is made tomorrow.",
      remediation: "Let the wall name no role, which is TO PUBLIC.",
    },
    wallNamesRoles,
  ),
  staticCheck(
    {
      id: "policy-none-for-role",
      title: "A role has rights on a table but no policy",
      category: "policies",
      level: "warning",
      why: "Nothing leaks, but nothing works: what is added in a hurry to mend it is often USING (true).",
      remediation: "Add a permissive policy for the role beside the wall, or take the right away.",
    },
    noPolicyForRole,
  ),
];
