import type { Node } from "libpg-query";
import type { Routine } from "../../catalog/index.ts";
import { findAll, words } from "../../expressions/index.ts";
import { quoted } from "../../sql-text.ts";
import { bodyFacts } from "../analysis/index.ts";
import { checksOf, type Found, type StaticCheck } from "../check.ts";
import { type CheckContext, schemaFilter, type Table } from "../context.ts";
import { reachOf, type Unclear } from "./reach.ts";
import { callers } from "./reads.ts";

interface Said {
  readonly said: string;
  readonly tables?: readonly string[];
  readonly unknown?: boolean;
  readonly fix?: readonly string[];
}

function signature(routine: Routine): string {
  return `${quoted(routine.schema, routine.name)}(${routine.arguments})`;
}

/**
 * A finding for each routine of which `say` says something; extensions' own are taken as they are. Of routines outside the
 * schemas in question those count that open a table inside of them.
 */
function each(context: CheckContext, say: (routine: Routine) => Said | undefined): readonly Found[] {
  const inScope = schemaFilter(context.settings);
  return [...context.catalog.routines.values()].flatMap((routine): readonly Found[] => {
    if (routine.extension !== undefined) return [];
    const result = say(routine);
    if (result === undefined) return [];
    const { said, tables = [], unknown, fix } = result;
    if (!inScope(routine.schema) && tables.length === 0) return [];
    return [
      {
        object: { kind: "function", schema: routine.schema, name: routine.name },
        tables,
        message: `${routine.schema}.${routine.name}(${routine.arguments}) ${said}`,
        ...(unknown === undefined ? {} : { unknown }),
        ...(fix === undefined ? {} : { fix }),
      },
    ];
  });
}

/** A function with its owner's rights that an app role may call. */
function isOpenDefiner(context: CheckContext, routine: Routine): boolean {
  return routine.definer && !routine.isTrigger && callers(context, routine).length > 0;
}

const firing = new WeakMap<CheckContext, ReadonlySet<number>>();

/** Triggers run with nobody asking who may call them. */
function isDefinerTrigger(context: CheckContext, routine: Routine): boolean {
  if (!routine.definer) return false;
  const found = firing.get(context) ?? new Set(context.catalog.triggers.map((trigger) => trigger.function));
  firing.set(context, found);
  return found.has(routine.oid);
}

function readsTenants(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    if (!isOpenDefiner(context, routine)) return undefined;
    const { opened } = reachOf(context, routine);
    if (opened.length === 0) return undefined;
    const tables = namesOf(opened.map(({ table }) => table));
    return {
      said: `runs with the rights of ${routine.owner} and reaches rows of ${tables.join(", ")} past the wall: ${opened[0]?.how ?? ""}`,
      tables,
    };
  });
}

function namesOf(tables: readonly Table[]): readonly string[] {
  return [...new Set(tables.map(({ name }) => name))];
}

function triggerReads(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    if (!isDefinerTrigger(context, routine)) return undefined;
    const { opened } = reachOf(context, routine);
    if (opened.length === 0) return undefined;
    const tables = namesOf(opened.map(({ table }) => table));
    return {
      said: `is a trigger's function that reaches ${tables.join(", ")} with the rights of ${routine.owner}: ${opened[0]?.how ?? ""}`,
      tables,
      // Nobody gets to see its rows by that alone, and nobody can say that they do not.
      unknown: true,
    };
  });
}

/** What runs with its owner's rights and whose reach is not known could open each table that it can get at. */
function unclear(context: CheckContext, kind: Unclear["kind"], say: string): readonly Found[] {
  return each(context, (routine) => {
    if (!isOpenDefiner(context, routine) && !isDefinerTrigger(context, routine)) return undefined;
    const found = reachOf(context, routine).unclear.filter((one) => one.kind === kind);
    if (found.length === 0) return undefined;
    return {
      said: `${say} with the rights of ${routine.owner}: ${found[0]?.why ?? ""}`,
      tables: namesOf(found.flatMap(({ tables }) => tables)),
      unknown: true,
    };
  });
}

function unread(context: CheckContext): readonly Found[] {
  return unclear(context, "unread", "does what is not known");
}

function dynamic(context: CheckContext): readonly Found[] {
  return unclear(context, "dynamic", "puts statements together and runs them");
}

/** Every function in the body is qualified and no operator is looked up by a text that is parsed when it runs. */
function isQualified(routine: Routine): boolean {
  if (routine.sqlBody !== undefined) return true;
  const { statements, refused } = bodyFacts(routine);
  if (refused !== undefined) return true;
  const names = [
    ...findAll(statements, "FuncCall").map((found) => words((found as { funcname?: Node[] }).funcname)),
    ...findAll(statements, "A_Expr").map((found) => words((found as { name?: Node[] }).name)),
  ];
  const tables = [...findAll(statements, "RangeVar"), ...findAll(statements, "relation")];
  return names.every((name) => name.length > 1) && tables.every((found) => hasSchema(found));
}

function hasSchema(found: unknown): boolean {
  return typeof found === "object" && found !== null && "schemaname" in found;
}

function searchPath(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    if (!isOpenDefiner(context, routine) && !isDefinerTrigger(context, routine)) return undefined;
    const path = routine.config.find((each) => each.startsWith("search_path="));
    if (path !== undefined || isQualified(routine)) return undefined;
    return {
      said: `runs with the rights of ${routine.owner} and looks names up along the caller's search_path: a caller puts a function, operator or temporary table of its own there`,
      fix: [`alter function ${signature(routine)} set search_path = pg_catalog, pg_temp`],
    };
  });
}

function forEverybody(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    const open = routine.grants.some(({ grantee, privilege }) => grantee === "public" && privilege === "EXECUTE");
    if (!open || !isOpenDefiner(context, routine)) return undefined;
    return {
      said: `runs with the rights of ${routine.owner} and may be called by everybody`,
      fix: [`revoke execute on function ${signature(routine)} from public`],
    };
  });
}

function leakproof(context: CheckContext): readonly Found[] {
  return each(context, (routine) =>
    routine.leakproof
      ? {
          said: "is marked LEAKPROOF: it is run on rows before the wall filters them, and an error or a notice of it shows them",
          fix: [`alter function ${signature(routine)} not leakproof`],
        }
      : undefined,
  );
}

function holdsCursor(context: CheckContext): readonly Found[] {
  const HOLD = 0x20;
  return each(context, (routine) => {
    const cursors = findAll(bodyFacts(routine).statements, "DeclareCursorStmt");
    const held = cursors.some((found) => (((found as { options?: number }).options ?? 0) & HOLD) !== 0);
    return held
      ? {
          said: "declares a cursor WITH HOLD, which outlives the transaction: the connection's next tenant reads from it",
        }
      : undefined;
  });
}

/** Parameters that a SET of a statement or of a call of set_config changes. */
function setsIn(routine: Routine): readonly string[] {
  const { statements } = bodyFacts(routine);
  const set = findAll(statements, "VariableSetStmt").map((found) => (found as { name?: string }).name ?? "");
  const called = findAll(statements, "FuncCall").flatMap((found) => {
    const { funcname, args } = found as { funcname?: Node[]; args?: Node[] };
    if (words(funcname).at(-1) !== "set_config") return [];
    const name = findAll(args?.[0], "sval")[0];
    const text = typeof name === "object" && name !== null && "sval" in name ? String(name.sval) : name;
    return [typeof text === "string" ? text : "*"];
  });
  return [...set, ...called, ...routine.config.map((each) => each.slice(0, each.indexOf("=")))].map((name) =>
    name.toLowerCase(),
  );
}

function setsContext(context: CheckContext): readonly Found[] {
  const { context: kind } = context.settings;
  const wanted = kind.kind === "ringwall" ? "ringwall.context" : kind.name.toLowerCase();
  return each(context, (routine) => {
    if (callers(context, routine).length === 0) return undefined;
    const found = setsIn(routine).find((name) => name === wanted || name === "*");
    return found === undefined
      ? undefined
      : {
          said: `sets ${found === "*" ? "a setting whose name is computed" : found}, which tells the tenant: a query that calls it chooses whose rows come next`,
        };
  });
}

function setsRole(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    if (callers(context, routine).length === 0) return undefined;
    const found = setsIn(routine).find((name) => name === "role" || name === "session_authorization");
    return found === undefined ? undefined : { said: `changes the ${found.replace("_", " ")} of the session` };
  });
}

function rowSecurityOff(context: CheckContext): readonly Found[] {
  return each(context, (routine) => {
    const off = setsIn(routine).includes("row_security");
    return off && (routine.definer || routine.config.some((each) => /^row_security=(off|false|0|no)$/i.test(each)))
      ? {
          said: "turns row_security off: with an owner for whom the wall does not hold it reads everything, with any other it fails",
          fix: [`alter function ${signature(routine)} reset row_security`],
        }
      : undefined;
  });
}

const check = checksOf("indirect");

/** Checks of functions and procedures. */
export const ROUTINE_CHECKS: readonly StaticCheck[] = [
  check(
    "definer-reaches-tenants",
    "error",
    [
      "A function with its owner's rights reaches tenants' rows",
      "The wall does not hold for its owner; the caller gets what the function selects, whosever it is.",
      "Compare the tenant's column with the context in it, make it SECURITY INVOKER, or accept it by name in the settings when it gives one row by a secret key.",
    ],
    readsTenants,
  ),
  check(
    "definer-trigger",
    "warning",
    [
      "A trigger reaches tenants' rows with its owner's rights",
      "One tenant's write reads or changes rows past the wall.",
      "Compare the tenant of the row in it, or make it SECURITY INVOKER.",
    ],
    triggerReads,
  ),
  check(
    "definer-unread",
    "warning",
    [
      "A function with its owner's rights could not be read",
      "What nobody read may return every tenant's rows.",
      "Run the verifier as a login that may read functions, or write the function in SQL or PL/pgSQL.",
    ],
    unread,
  ),
  check(
    "definer-dynamic-sql",
    "error",
    [
      "A function with its owner's rights runs statements made of text",
      "What reaches the text from a caller runs past the wall.",
      "Write the statement out; else pass values with USING, names with %I, and compare the tenant.",
    ],
    dynamic,
  ),
  check(
    "definer-search-path",
    "error",
    [
      "A function with its owner's rights trusts the caller's search_path",
      "The caller makes its names mean something else and runs that as the owner.",
      "Give it SET search_path = pg_catalog, pg_temp and qualify its tables.",
    ],
    searchPath,
  ),
  check(
    "definer-for-everybody",
    "warning",
    [
      "Everybody may call a function with its owner's rights",
      "A login that has nothing else has this.",
      "Revoke EXECUTE from PUBLIC, and grant it to the roles that need it.",
    ],
    forEverybody,
  ),
  check(
    "function-leakproof",
    "error",
    [
      "A function is marked LEAKPROOF",
      "The planner runs it before the wall's condition, on every tenant's rows.",
      "Mark it NOT LEAKPROOF.",
    ],
    leakproof,
  ),
  check(
    "function-cursor-with-hold",
    "error",
    [
      "A function leaves a cursor behind",
      "A pooled connection's next tenant fetches the rows of the one before.",
      "Declare it WITHOUT HOLD.",
    ],
    holdsCursor,
  ),
  check(
    "function-sets-context",
    "error",
    [
      "A function sets the tenant's context",
      "Who may call it becomes another tenant, also in the middle of a query.",
      "Set the context from the client at the start of the transaction only.",
    ],
    setsContext,
  ),
  check(
    "function-sets-role",
    "warning",
    [
      "A function changes the session's role",
      "What runs afterwards on the connection runs as somebody else.",
      "Take it out; give the function an owner with the rights it needs.",
    ],
    setsRole,
  ),
  check(
    "function-row-security-off",
    "error",
    [
      "A function turns row-level security off",
      "It is there to read past the wall, or to fail where it should be filtered.",
      "Reset the setting.",
    ],
    rowSecurityOff,
  ),
];
