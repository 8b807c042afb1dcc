import type { Routine } from "../../catalog/index.ts";
import { findAll, words } from "../../expressions/index.ts";
import { quoted } from "../../sql-text.ts";
import { parametersOf } from "../analysis/index.ts";
import { checksOf, type Found, type StaticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { policyTrees } from "./texts.ts";

/** A function that policies call, with the tables whose policies do. */
interface Called {
  readonly routine: Routine;
  readonly tables: readonly string[];
}

function calledBy(context: CheckContext): readonly Called[] {
  const tables = new Map<Routine, Set<string>>();
  for (const { routines, table } of policyTrees(context)) {
    for (const routine of routines) tables.set(routine, (tables.get(routine) ?? new Set()).add(table.name));
  }
  return [...tables].map(([routine, names]) => ({ routine, tables: [...names] }));
}

/** Types are printed by PostgreSQL and need no quoting of ours. */
function signature(routine: Routine): string {
  return `${quoted(routine.schema, routine.name)}(${routine.arguments})`;
}

function each(
  context: CheckContext,
  say: (routine: Routine) => { readonly said: string; readonly fix?: readonly string[] } | undefined,
): readonly Found[] {
  return calledBy(context).flatMap(({ routine, tables }): readonly Found[] => {
    const result = say(routine);
    if (result === undefined) return [];
    const { said, fix } = result;
    const name = `${routine.schema}.${routine.name}`;
    return [
      {
        object: { kind: "function", schema: routine.schema, name: routine.name },
        tables,
        message: `${name}(), which policies call, ${said}`,
        ...(fix === undefined ? {} : { fix }),
      },
    ];
  });
}

/** Whether it takes nothing of the row, and so tells of the session. */
function tellsContext(routine: Routine): boolean {
  return parametersOf(routine).length === 0;
}

function immutable(context: CheckContext): readonly Found[] {
  return each(context, (routine) =>
    routine.volatility === "immutable" && tellsContext(routine)
      ? {
          said: "is IMMUTABLE: its value is kept in prepared statements, and the next tenant of the connection gets the first one's rows",
          fix: [`alter function ${signature(routine)} stable`],
        }
      : undefined,
  );
}

function volatile(context: CheckContext): readonly Found[] {
  return each(context, (routine) =>
    routine.volatility === "volatile" && tellsContext(routine)
      ? {
          said: "is VOLATILE: it runs once a row and no index is used",
          fix: [`alter function ${signature(routine)} stable`],
        }
      : undefined,
  );
}

function parallelUnsafe(context: CheckContext): readonly Found[] {
  return each(context, (routine) =>
    routine.parallel === "unsafe"
      ? {
          said: "is PARALLEL UNSAFE: no query of those tables runs in parallel",
          fix: [`alter function ${signature(routine)} parallel restricted`],
        }
      : undefined,
  );
}

/** Every name in the body qualified, or written in a form that is parsed when it is made. */
function resolvesItself(routine: Routine): boolean {
  if (routine.sqlBody !== undefined || routine.config.some((each) => each.startsWith("search_path="))) return true;
  return (
    routine.source !== undefined &&
    routine.source.includes("pg_catalog.") &&
    !/[=<>|~]{1,2}\s*'|\s=\s/.test(routine.source)
  );
}

function searchPath(context: CheckContext): readonly Found[] {
  return each(context, (routine) =>
    resolvesItself(routine) || routine.source === undefined
      ? undefined
      : {
          said: "has no search_path of its own: its names are looked up along the caller's",
          fix: [`alter function ${signature(routine)} set search_path = pg_catalog, pg_temp`],
        },
  );
}

function replaceable(context: CheckContext): readonly Found[] {
  const { catalog, settings } = context;
  return each(context, (routine) => {
    const app = settings.appRoles.find((role) => catalog.access.isOwner(role, routine.owner));
    return app === undefined ? undefined : { said: `belongs to ${routine.owner}, so that ${app} can replace it` };
  });
}

function notWrapped(context: CheckContext): readonly Found[] {
  return policyTrees(context).flatMap(({ table, policy, trees }): readonly Found[] => {
    const inside = new Set(findAll(findAll(trees, "SubLink"), "FuncCall"));
    const bare = findAll(trees, "FuncCall").find((call) => {
      if (inside.has(call)) return false;
      const { funcname, args } = call as { funcname?: Parameters<typeof words>[0]; args?: readonly unknown[] };
      return words(funcname).length > 1 && (args ?? []).length === 0;
    });
    if (bare === undefined) return [];
    const name = words((bare as { funcname?: Parameters<typeof words>[0] }).funcname).join(".");
    return [
      {
        object: { kind: "policy", schema: table.relation.schema, name: policy.name, table: table.relation.name },
        tables: [table.name],
        message: `policy ${policy.name} on ${table.name} calls ${name}() for every row: in a (select ...) it runs once`,
      },
    ];
  });
}

const check = checksOf("policies");

/** Checks of the functions that policies call. */
export const CONTEXT_FUNCTION_CHECKS: readonly StaticCheck[] = [
  check(
    "context-function-immutable",
    "error",
    [
      "The function that tells the tenant is IMMUTABLE",
      "PostgreSQL computes it once and keeps the value in a plan, which a pooled connection uses for the next tenant.",
      "Declare it STABLE.",
    ],
    immutable,
  ),
  check(
    "context-function-volatile",
    "warning",
    [
      "The function that tells the tenant is VOLATILE",
      "It runs for each row, and what it returns may change in the middle of a statement.",
      "Declare it STABLE.",
    ],
    volatile,
  ),
  check(
    "context-function-parallel",
    "notice",
    [
      "A function in a policy is PARALLEL UNSAFE",
      "No query of the table runs in parallel, and slow walls get taken down.",
      "Declare it PARALLEL RESTRICTED, or SAFE where it is.",
    ],
    parallelUnsafe,
  ),
  check(
    "context-function-search-path",
    "warning",
    [
      "A function in a policy has no search_path of its own",
      "Whoever can make a function or operator anywhere on the path decides what it computes.",
      "Give it SET search_path = pg_catalog, pg_temp, and qualify the names in it.",
    ],
    searchPath,
  ),
  check(
    "context-function-replaceable",
    "error",
    [
      "The application's login can replace a function in a policy",
      "CREATE OR REPLACE makes it return any tenant.",
      "Let the role that owns the tables own it.",
    ],
    replaceable,
  ),
  check(
    "policy-function-per-row",
    "warning",
    [
      "A policy calls a function for every row",
      "A page of a large table costs a call a row, and slow walls get taken down.",
      "Write (select f()) in the policy.",
    ],
    notWrapped,
  ),
];
