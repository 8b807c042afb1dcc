import { quoted } from "../../sql-text.ts";
import { analysisOf } from "../analysis/index.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import { type CheckContext, type Table, tableName } from "../context.ts";
import { judgedTables } from "../policies/index.ts";
import { relationRights } from "../rights.ts";
import { openedByView } from "./reads.ts";

function viewsOf(context: CheckContext): readonly Table[] {
  return context.tables.filter(
    ({ relation, rights, global }) => relation.kind === "view" && rights.has("SELECT") && global === undefined,
  );
}

/** The roles that requests act as and that have some right on a view, wherever the view stands. */
function readersOf(context: CheckContext, view: Table): readonly string[] {
  const roles = new Set(analysisOf(context).actors.map(({ role }) => role));
  return [...roles].filter((role) => relationRights(context.catalog, role, view.relation).size > 0);
}

function viewBypasses(context: CheckContext): readonly Found[] {
  const views = [...context.catalog.relations.values()].flatMap(({ oid, kind }) =>
    kind === "view" ? (context.table(oid) ?? []) : [],
  );
  return views.flatMap((view): readonly Found[] => {
    if (view.global !== undefined) return [];
    const opened = readersOf(context, view).flatMap((reader) => openedByView(context, view, reader));
    if (opened.length === 0) return [];
    const names = [...new Set(opened.map(({ table }) => table.name))];
    const through = [...new Set(opened.flatMap((each) => each.through ?? []))];
    const isUnknown = opened.every(({ unknown }) => unknown);
    return [
      {
        object: tableName(view),
        tables: names,
        ...(isUnknown ? { unknown: true } : {}),
        message: `view ${view.name} reads ${names.join(", ")} with the rights of ${through.at(-1)?.relation.owner ?? ""}, past the wall: ${opened[0]?.how ?? ""}`,
        // A copy on the way holds everybody's rows, whoever reads it.
        ...(through.some(({ relation }) => relation.kind !== "view") ? {} : { fix: through.map(invokerFix) }),
      },
    ];
  });
}

function invokerFix({ relation }: Table): string {
  return `alter view ${quoted(relation.schema, relation.name)} set (security_invoker = true)`;
}

function noBarrier(context: CheckContext): readonly Found[] {
  const has = (view: Table, option: string): boolean =>
    view.relation.options.some((each) => new RegExp(`^${option}=(true|on|1|yes)$`, "i").test(each));
  const judged = new Set(judgedTables(context).map(({ relation }) => relation.oid));
  return viewsOf(context).flatMap((view): readonly Found[] => {
    const own = view.relation.reads.some((oid) => judged.has(oid));
    if (!own || has(view, "security_invoker") || has(view, "security_barrier")) return [];
    if (!/\bwhere\b/i.test(view.relation.definition ?? "")) return [];
    return [
      {
        object: tableName(view),
        tables: view.relation.reads.flatMap((oid) => (judged.has(oid) ? (context.table(oid)?.name ?? []) : [])),
        message: `view ${view.name} filters rows with its owner's rights and without security_barrier: a function in a query runs on rows before they are filtered`,
        fix: [`alter view ${quoted(view.relation.schema, view.relation.name)} set (security_barrier = true)`],
      },
    ];
  });
}

function materialized(context: CheckContext): readonly Found[] {
  const judged = new Set(judgedTables(context).map(({ relation }) => relation.oid));
  const underneath = (oid: number, seen: Set<number>): readonly string[] => {
    if (seen.has(oid)) return [];
    seen.add(oid);
    const table = context.table(oid);
    if (judged.has(oid)) return table === undefined ? [] : [table.name];
    return (table?.relation.reads ?? []).flatMap((read) => underneath(read, seen));
  };
  return context.tables.flatMap((view): readonly Found[] => {
    if (view.relation.kind !== "materialized view" || view.global !== undefined || !view.rights.has("SELECT"))
      return [];
    const names = [...new Set(underneath(view.relation.oid, new Set()))];
    if (names.length === 0) return [];
    const grantee = view.rights.get("SELECT");
    const name = quoted(view.relation.schema, view.relation.name);
    const fix =
      grantee?.by === "grant"
        ? [`revoke select on ${name} from ${grantee.grantee === "public" ? "public" : quoted(grantee.grantee)}`]
        : undefined;
    return [
      {
        object: tableName(view),
        tables: names,
        message: `materialized view ${view.name} holds rows of every tenant out of ${names.join(", ")}, and no policy can filter it`,
        ...(fix === undefined ? {} : { fix }),
      },
    ];
  });
}

/** Checks of views. */
export const VIEW_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "view-bypasses-wall",
      title: "A view shows rows past the wall",
      category: "indirect",
      level: "error",
      why: "A view reads with its owner's rights, for whom row-level security does not hold; whoever may read it reads every tenant.",
      remediation: "Set security_invoker, so that the reader's own rights and policies decide.",
    },
    viewBypasses,
  ),
  staticCheck(
    {
      id: "view-no-security-barrier",
      title: "A view that filters tenants is no security barrier",
      category: "indirect",
      level: "warning",
      why: "A cheap function in a query is run on rows that the view would have filtered, and tells of them in an error.",
      remediation: "Set security_barrier, or better security_invoker.",
    },
    noBarrier,
  ),
  staticCheck(
    {
      id: "materialized-view-of-tenants",
      title: "A materialized view of tenants' rows is readable",
      category: "indirect",
      level: "error",
      why: "Its rows were copied with its owner's rights, and PostgreSQL has no row-level security for it.",
      remediation:
        "Take the right away, and show it through a view with security_barrier that compares the tenant with the context.",
    },
    materialized,
  ),
];
