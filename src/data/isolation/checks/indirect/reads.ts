import type { Node } from "libpg-query";
import type { Routine } from "../../catalog/index.ts";
import { parseStatements, readings } from "../../expressions/index.ts";
import { analysisOf, parametersOf } from "../analysis/index.ts";
import type { CheckContext, Table } from "../context.ts";
import { isStored } from "../policies/index.ts";
import { entersSchema, relationRights } from "../rights.ts";
import { selectsOf, unfollowed } from "./statements.ts";

/** A table whose rows something shows or changes with another role's rights, and how. */
export interface Opened {
  readonly table: Table;
  /** Completes "... of table x". */
  readonly how: string;
  readonly unknown: boolean;
  /** Views on the way that read with their owner's rights. */
  readonly through?: readonly Table[];
}

/** The tables of tenants that a view shows, past their walls, to `reader`. */
export function openedByView(context: CheckContext, view: Table, reader: string): readonly Opened[] {
  return throughView(context, view, { reader, seen: new Set(), through: [], elevated: false });
}

/** The same for a view, materialized or not, that is read by a function with the rights of `reader`. */
export function openedInside(context: CheckContext, view: Table, reader: string): readonly Opened[] {
  return throughView(context, view, { reader, seen: new Set(), through: [], elevated: true });
}

interface Course {
  readonly reader: string;
  readonly seen: Set<number>;
  readonly through: readonly Table[];
  /** The reader is no app role: that its policies are judged elsewhere does not count. */
  readonly elevated: boolean;
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
    if (read.relation.kind.endsWith("view")) return throughView(context, read, { ...course, reader: role, through });
    if (!isStored(context, read)) return [];
    // With the reader's own rights it is the table's own policies that decide, and those are judged there.
    if (through.length === 0 && !course.elevated) return [];
    // What was copied is everybody's, whatever a policy says to who reads the copy.
    const isCopy = relation.kind === "materialized view";
    if (!isCopy && analysisOf(context).decide(role, read, "SELECT", "USING").answer === "implies") return [];
    return judgeText(context, read, relation.definition ?? "").map((opened) => ({ ...opened, through }));
  });
}

/** What the statements of a text show of a table, whoever runs them. */
function judgeText(context: CheckContext, table: Table, text: string): readonly Opened[] {
  const parsed = parseStatements(text);
  if ("refused" in parsed) return [{ table, how: parsed.refused, unknown: true }];
  return judgeStatements(context, table, parsed.tree, []);
}

/** What statements show or change of a table that is not walled for who runs them; at most one, the worst. */
export function judgeStatements(
  context: CheckContext,
  table: Table,
  statements: readonly Node[],
  parameters: readonly string[],
): readonly Opened[] {
  const analysis = analysisOf(context);
  const surroundings = analysis.names.surroundings(() => false);
  const opened = statements.flatMap((statement): readonly Opened[] => {
    const selects = selectsOf(statement);
    if (unfollowed(statement, selects, table)) return [{ table, how: "writes or reads rows", unknown: false }];
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

const COMMANDS = [
  ["SELECT", "USING"],
  ["INSERT", "WITH CHECK"],
  ["UPDATE", "USING"],
  ["UPDATE", "WITH CHECK"],
  ["DELETE", "USING"],
] as const;

/** Whether the wall holds for everything that `role` may ever do with a table. */
export function isWalledFor(context: CheckContext, role: string, table: Table): boolean {
  const analysis = analysisOf(context);
  return COMMANDS.every(([command, clause]) => analysis.decide(role, table, command, clause).answer === "implies");
}

/** What is known of a routine's arguments: its callers choose them. */
export function argumentsOf(routine: Routine): readonly string[] {
  return parametersOf(routine);
}

/** The tables past whose walls code that nobody read may go with the rights of `role`. */
export function openTo(context: CheckContext, role: string): readonly Table[] {
  const kept = open.get(context) ?? new Map<string, readonly Table[]>();
  open.set(context, kept);
  const known = kept.get(role);
  if (known !== undefined) return known;
  const found = new Set<Table>();
  for (const table of context.catalog.relations.values()) {
    const target = context.table(table.oid);
    if (target === undefined || target.global !== undefined) continue;
    if (relationRights(context.catalog, role, table).size === 0) continue;
    if (table.kind.endsWith("view")) {
      for (const opened of openedInside(context, target, role)) found.add(opened.table);
    } else if (isStored(context, target) && !isWalledFor(context, role, target)) found.add(target);
  }
  const list = [...found];
  kept.set(role, list);
  return list;
}

const open = new WeakMap<CheckContext, Map<string, readonly Table[]>>();

/** Whether a role, as itself or as what it can switch to, may call a routine. */
export function mayCall(context: CheckContext, role: string, routine: Routine): boolean {
  const { access } = context.catalog;
  if (access.isOwner(role, routine.owner)) return true;
  return access.privileges(role, routine.grants).has("EXECUTE") && entersSchema(context.catalog, role, routine.schema);
}

/** The app roles that may call a routine. */
export function callers(context: CheckContext, routine: Routine): readonly string[] {
  return context.settings.appRoles.filter((role) => mayCall(context, role, routine));
}
