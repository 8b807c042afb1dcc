import type { Node } from "libpg-query";
import type { Relation, Routine } from "../../catalog/index.ts";
import { findAll, parseStatements, words } from "../../expressions/index.ts";
import { type BodyFacts, bodyFacts, parametersOf } from "../analysis/index.ts";
import type { CheckContext, Table } from "../context.ts";
import { isStored } from "../policies/index.ts";
import {
  argumentsOf,
  callers,
  isWalledFor,
  judgeStatements,
  mayCall,
  type Opened,
  openedInside,
  openTo,
} from "./reads.ts";
import { type Named, namedIn, writtenIn } from "./statements.ts";

/** Calls inside calls that are followed. */
const DEPTH_MAX = 12;
/** Functions that are followed from one, so that a tree of calls stays small. */
const FRAMES_MAX = 300;

/** Code whose reach is not known, and the tables that it could open. */
export interface Unclear {
  /** Completes "... : ". */
  readonly why: string;
  readonly kind: "unread" | "dynamic";
  readonly tables: readonly Table[];
}

/** What a routine with its owner's rights reaches, by itself and through what it calls. */
export interface Reach {
  readonly opened: readonly Opened[];
  readonly unclear: readonly Unclear[];
}

/** A routine that runs, and with whose rights. */
interface Frame {
  readonly routine: Routine;
  readonly role: string;
  readonly depth: number;
}

const kept = new WeakMap<CheckContext, Map<Routine, Reach>>();

/**
 * Follows a routine with its owner's rights through the functions, views and triggers that its statements name. What runs
 * with other rights of its own and is open to an app role anyway is judged by itself.
 */
export function reachOf(context: CheckContext, routine: Routine): Reach {
  const known = kept.get(context) ?? new Map<Routine, Reach>();
  kept.set(context, known);
  const found = known.get(routine) ?? follow(context, routine);
  known.set(routine, found);
  return found;
}

function follow(context: CheckContext, start: Routine): Reach {
  const waiting: Frame[] = [{ routine: start, role: start.owner, depth: 0 }];
  const seen = new Set<string>();
  const opened: Opened[] = [];
  const unclear: Unclear[] = [];
  for (let frame = waiting.shift(); frame !== undefined; frame = waiting.shift()) {
    const { routine, role, depth } = frame;
    const key = `${routine.oid} ${role}`;
    if (seen.has(key)) continue;
    seen.add(key);
    const step = stepOf(context, frame);
    const by = routine === start ? "" : `it calls ${routine.schema}.${routine.name}(): `;
    opened.push(...step.opened.map((each) => ({ ...each, how: `${by}${each.how}` })));
    if (step.unclear !== undefined) {
      const { kind, why } = step.unclear;
      unclear.push({ kind, why: `${by}${why}`, tables: openTo(context, role) });
    }
    const next = step.next.filter(({ routine: called }) => called !== start);
    if (next.length === 0) continue;
    if (depth < DEPTH_MAX && seen.size + waiting.length + next.length <= FRAMES_MAX) waiting.push(...next);
    else unclear.push({ kind: "unread", why: `${by}it calls more than is followed`, tables: openTo(context, role) });
  }
  return { opened, unclear };
}

interface Step {
  readonly opened: readonly Opened[];
  readonly unclear: Omit<Unclear, "tables"> | undefined;
  readonly next: readonly Frame[];
}

function stepOf(context: CheckContext, frame: Frame): Step {
  const { routine, role } = frame;
  const facts = bodyFacts(routine);
  const relations = placesOf(context, facts.statements);
  const opened = relations.flatMap(({ table }): readonly Opened[] => {
    if (table.global !== undefined) return [];
    if (table.relation.kind.endsWith("view")) return openedInside(context, table, role);
    if (!isStored(context, table) || isWalledFor(context, role, table)) return [];
    return judgeStatements(context, table, facts.statements, argumentsOf(routine));
  });
  const unclear = unclearOf(facts);
  const called = unclear === undefined ? calledIn(context, frame, relations, facts) : everythingElse(context, role);
  return { opened, unclear, next: called.map((each) => frameOf(each, frame)) };
}

function frameOf(routine: Routine, { role, depth }: Frame): Frame {
  return { routine, role: routine.definer ? routine.owner : role, depth: depth + 1 };
}

/** Functions of PostgreSQL and of its extensions that run a text as a statement. */
const RUNNERS =
  /^((query|table|schema|database|cursor)_to_xml\w*|ts_stat|ts_rewrite|crosstab\w*|connectby|xpath_table|dblink\w*)$/;

function unclearOf(facts: BodyFacts): Omit<Unclear, "tables"> | undefined {
  if (facts.refused !== undefined) return { kind: "unread", why: facts.refused };
  const runner = callNames(facts.statements).find((name) => RUNNERS.test(name.at(-1) ?? ""));
  if (!facts.dynamic && runner === undefined) return undefined;
  return { kind: "dynamic", why: "which rows its statements reach cannot be told" };
}

/** Code that nobody read calls what it may; what an app role may call as well is judged by itself. */
function everythingElse(context: CheckContext, role: string): readonly Routine[] {
  return [...context.catalog.routines.values()].filter(
    (routine) =>
      routine.definer &&
      !routine.isTrigger &&
      routine.extension === undefined &&
      callers(context, routine).length === 0 &&
      mayCall(context, role, routine),
  );
}

/** A relation that statements name. */
interface Place {
  readonly table: Table;
  readonly written: boolean;
}

interface Index {
  readonly relations: ReadonlyMap<string, readonly Relation[]>;
  readonly routines: ReadonlyMap<string, readonly Routine[]>;
  readonly triggers: ReadonlyMap<number, readonly Routine[]>;
}

const indexes = new WeakMap<CheckContext, Index>();

function indexOf(context: CheckContext): Index {
  const found = indexes.get(context);
  if (found !== undefined) return found;
  const { catalog } = context;
  const triggers = new Map<number, Routine[]>();
  for (const { table, function: oid } of catalog.triggers) {
    const routine = catalog.routines.get(oid);
    if (routine === undefined) continue;
    const others = triggers.get(table);
    if (others === undefined) triggers.set(table, [routine]);
    else others.push(routine);
  }
  const made: Index = {
    relations: Map.groupBy(catalog.relations.values(), ({ name }) => name),
    routines: Map.groupBy(catalog.routines.values(), ({ name }) => name),
    triggers,
  };
  indexes.set(context, made);
  return made;
}

/** What names stand for; without a schema, every relation of the name, since the path may lead to any. */
function placesOf(context: CheckContext, statements: readonly Node[]): readonly Place[] {
  const { relations } = indexOf(context);
  const resolve = (named: readonly Named[]): readonly Relation[] =>
    named.flatMap(({ schema, name }) =>
      (relations.get(name) ?? []).filter((each) => schema === undefined || each.schema === schema),
    );
  const written = new Set(resolve(writtenIn(statements)).map(({ oid }) => oid));
  return [...new Set(resolve(namedIn(statements)))].flatMap((relation): readonly Place[] => {
    const table = context.table(relation.oid);
    return table === undefined ? [] : [{ table, written: written.has(relation.oid) }];
  });
}

function calledIn(
  context: CheckContext,
  { role }: Frame,
  places: readonly Place[],
  facts: BodyFacts,
): readonly Routine[] {
  const { triggers } = indexOf(context);
  const fired = places.flatMap(({ table, written }) => (written ? (triggers.get(table.relation.oid) ?? []) : []));
  const viewed = places.flatMap(({ table }) => calledByView(context, table, new Set()));
  const found = [...routinesCalled(context, facts.statements), ...viewed, ...fired];
  return [...new Set(found)].filter((routine) => {
    // Written in C and installed by an administrator: taken as it is, but for those that run a text.
    if (routine.extension !== undefined && (routine.language === "c" || routine.language === "internal")) return false;
    if (!routine.definer) return true;
    const judgedAlone = routine.isTrigger ? fired.includes(routine) : callers(context, routine).length > 0;
    return !judgedAlone && (routine.isTrigger || mayCall(context, role, routine));
  });
}

/** Functions in a view run with the rights of who reads the view. */
function calledByView(context: CheckContext, { relation }: Table, seen: Set<number>): readonly Routine[] {
  if (relation.kind !== "view" || seen.has(relation.oid)) return [];
  seen.add(relation.oid);
  const parsed = parseStatements(relation.definition ?? "");
  const own = "tree" in parsed ? routinesCalled(context, parsed.tree) : [];
  const below = relation.reads.flatMap((oid) => {
    const read = context.table(oid);
    return read === undefined ? [] : calledByView(context, read, seen);
  });
  return [...own, ...below];
}

function callNames(tree: unknown): readonly (readonly string[])[] {
  return callsIn(tree).map(({ funcname }) => words(funcname));
}

interface Call {
  readonly funcname?: Node[];
  readonly args?: readonly Node[];
}

function callsIn(tree: unknown): readonly Call[] {
  return [...findAll(tree, "FuncCall"), ...findAll(tree, "funccall")] as readonly Call[];
}

/** Every routine that a call may mean: overloads are told apart by types, which are not known here. */
function routinesCalled(context: CheckContext, tree: unknown): readonly Routine[] {
  const { routines } = indexOf(context);
  return callsIn(tree).flatMap(({ funcname, args }) => {
    const name = words(funcname);
    const schema = name.length > 1 ? name.at(-2) : undefined;
    const count = args?.length ?? 0;
    return (routines.get(name.at(-1) ?? "") ?? []).filter(
      (routine) =>
        (schema === undefined || routine.schema === schema) &&
        (parametersOf(routine).length >= count || /\bVARIADIC\b/.test(routine.arguments)),
    );
  });
}
