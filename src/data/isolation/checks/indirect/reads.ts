import type { Node, SelectStmt } from "libpg-query";
import type { Routine } from "../../catalog/index.ts";
import { findAll, parseStatements, readings } from "../../expressions/index.ts";
import { analysisOf, bodyFacts, parametersOf } from "../analysis/index.ts";
import type { CheckContext, Table } from "../context.ts";
import { judgedTables } from "../policies/index.ts";
import { entersSchema } from "../rights.ts";

/** A table whose rows something shows or changes with another role's rights, and how. */
export interface Opened {
  readonly table: Table;
  /** Completes "... of table x". */
  readonly how: string;
  readonly unknown: boolean;
  /** Views on the way that read with their owner's rights. */
  readonly through?: readonly Table[];
}

/** The tables of tenants that a view shows, past their walls, to whom it is shown. */
export function openedByView(context: CheckContext, view: Table, reader: string): readonly Opened[] {
  return throughView(context, view, { reader, seen: new Set(), through: [] });
}

interface Course {
  readonly reader: string;
  readonly seen: Set<number>;
  readonly through: readonly Table[];
}

function throughView(context: CheckContext, view: Table, course: Course): readonly Opened[] {
  const { reader, seen } = course;
  const { relation } = view;
  if (seen.has(relation.oid)) return [];
  seen.add(relation.oid);
  const invoker = relation.options.some((option) => /^security_invoker=(true|on|1|yes)$/i.test(option));
  const role = invoker ? reader : relation.owner;
  const through = invoker ? course.through : [...course.through, view];
  return relation.reads.flatMap((oid): readonly Opened[] => {
    const read = context.table(oid);
    if (read === undefined || read.global !== undefined) return [];
    if (read.relation.kind === "view") return throughView(context, read, { reader: role, seen, through });
    if (!judgedTables(context).includes(read)) return [];
    // With the reader's own rights it is the table's own policies that decide, and those are judged there.
    if (through.length === 0) return [];
    const analysis = analysisOf(context);
    if (analysis.decide(role, read, "SELECT", "USING").answer === "implies") return [];
    return judgeText(context, read, relation.definition ?? "", []).map((opened) => ({ ...opened, through }));
  });
}

/** What the statements of a text show of a table, whoever runs them. */
function judgeText(
  context: CheckContext,
  table: Table,
  text: string,
  parameters: readonly string[],
): readonly Opened[] {
  const parsed = parseStatements(text);
  if ("refused" in parsed) return [{ table, how: parsed.refused, unknown: true }];
  return judgeStatements(context, table, parsed.tree, parameters);
}

function judgeStatements(
  context: CheckContext,
  table: Table,
  statements: readonly Node[],
  parameters: readonly string[],
): readonly Opened[] {
  const analysis = analysisOf(context);
  const surroundings = analysis.names.surroundings(() => false);
  const opened = statements.flatMap((statement): readonly Opened[] => {
    const selects = selectsOf(statement);
    if (selects === undefined) {
      return mentions(statement, table) ? [{ table, how: "writes or reads rows", unknown: false }] : [];
    }
    return selects
      .flatMap((select) => readings(select, table.name, surroundings, parameters))
      .flatMap((condition): readonly Opened[] => {
        const decision = analysis.judge(table, condition);
        if (decision.answer === "implies") return [];
        const isUnknown = decision.answer === "unknown";
        return [{ table, how: isUnknown ? decision.notUnderstood : decision.witness, unknown: isUnknown }];
      });
  });
  const open = opened.find(({ unknown }) => !unknown) ?? opened[0];
  return open === undefined ? [] : [open];
}

/** A statement as the SELECT of the rows that it touches; `undefined` for what has no such form. */
function selectsOf(statement: Node): readonly SelectStmt[] | undefined {
  if ("SelectStmt" in statement) return [statement.SelectStmt];
  if ("DeleteStmt" in statement) {
    const { relation, usingClause, whereClause, withClause } = statement.DeleteStmt;
    if (relation === undefined || withClause !== undefined) return undefined;
    return [touching([{ RangeVar: relation }, ...(usingClause ?? [])], whereClause)];
  }
  // An UPDATE and an INSERT also write, and what they write is not followed.
  return undefined;
}

function touching(fromClause: Node[], whereClause: Node | undefined): SelectStmt {
  return { fromClause, ...(whereClause === undefined ? {} : { whereClause }) };
}

function mentions(tree: unknown, { relation }: Table): boolean {
  return namedTables(tree).some(
    ({ schema, name }) => name === relation.name && (schema === undefined || schema === relation.schema),
  );
}

function namedTables(tree: unknown): readonly { readonly schema: string | undefined; readonly name: string }[] {
  // What a statement writes to stands under `relation` without the name of its kind.
  const found = [...findAll(tree, "RangeVar"), ...findAll(tree, "relation")];
  return found.flatMap((each) => {
    const { schemaname, relname } = each as { schemaname?: string; relname?: string };
    return relname === undefined ? [] : [{ schema: schemaname, name: relname }];
  });
}

/** The tables of tenants that a function with its owner's rights shows or changes past their walls. */
export function openedByRoutine(context: CheckContext, routine: Routine): readonly Opened[] {
  const facts = bodyFacts(routine);
  const analysis = analysisOf(context);
  return judgedTables(context).flatMap((table): readonly Opened[] => {
    if (!mentions(facts.statements, table)) return [];
    const commands = [
      ["SELECT", "USING"],
      ["INSERT", "WITH CHECK"],
      ["UPDATE", "USING"],
      ["DELETE", "USING"],
    ] as const;
    const walled = commands.every(
      ([command, clause]) => analysis.decide(routine.owner, table, command, clause).answer === "implies",
    );
    return walled ? [] : judgeStatements(context, table, facts.statements, parametersOf(routine));
  });
}

/** Whether an app role, as itself or as what it can switch to, may call a routine. */
export function callers(context: CheckContext, routine: Routine): readonly string[] {
  const { access } = context.catalog;
  return context.settings.appRoles.filter((role) => {
    if (access.isOwner(role, routine.owner)) return true;
    return (
      access.privileges(role, routine.grants).has("EXECUTE") && entersSchema(context.catalog, role, routine.schema)
    );
  });
}
