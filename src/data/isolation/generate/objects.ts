import type { Relation, Routine } from "../catalog/index.ts";
import { quoted } from "../sql-text.ts";
import type { Draft } from "./plan.ts";
import { readsTenants } from "./rights.ts";
import type { Schema } from "./subjects.ts";

/** Views ask the policies of whoever reads them; functions run as their caller, and find what they name by one path. */
export function planObjects(schema: Schema, draft: Draft): void {
  for (const { relation } of schema.context.tables) {
    if (relation.kind === "view" && readsTenants(schema, relation)) planView(schema, relation, draft);
  }
  for (const routine of schema.catalog.routines.values()) {
    if (routine.extension === undefined && isOfSchema(schema, routine)) planRoutine(schema, routine, draft);
  }
}

function isOfSchema({ settings }: Schema, { schema }: Routine): boolean {
  return settings.schemas.length === 0 ? schema !== "ringwall" : settings.schemas.includes(schema);
}

function planView({ reached }: Schema, relation: Relation, draft: Draft): void {
  const name = `${relation.schema}.${relation.name}`;
  const isReached = relation.grants.some(({ grantee }) => reached.has(grantee));
  if (!isReached || relation.options.some((option) => /^security_invoker=(?:true|on|yes|1)$/i.test(option))) return;
  const before = `reads with the rights of ${relation.owner}`;
  draft.step("views", name, `alter view ${quoted(relation.schema, relation.name)} set (security_invoker = true)`, {
    before,
  });
}

function planRoutine(schema: Schema, routine: Routine, draft: Draft): void {
  if (routine.kind !== "function" && routine.kind !== "procedure") return;
  const name = `${routine.schema}.${routine.name}`;
  // The arguments are PostgreSQL's own text, quoted where it has to be.
  const sql = `${routine.kind} ${quoted(routine.schema, routine.name)}(${routine.arguments})`;
  if (routine.leakproof) {
    draft.step("functions", name, `alter ${sql} not leakproof`, {
      before: "claims to tell nothing of what it is given",
    });
  }
  if (!routine.definer) return;
  if (!routine.config.some((setting) => setting.startsWith("search_path="))) {
    const path = `pg_catalog, ${quoted(routine.schema)}, pg_temp`;
    draft.step("functions", name, `alter ${sql} set search_path = ${path}`, {
      before: "finds what it names by its caller's search_path",
    });
  }
  const callers = routine.grants.filter(({ grantee }) => schema.reached.has(grantee)).map(({ grantee }) => grantee);
  if (callers.length === 0) return;
  if (routine.isTrigger) {
    for (const grantee of callers) {
      const role = grantee === "public" ? "public" : quoted(grantee);
      draft.step("revokes", name, `revoke execute on ${sql} from ${role}`, { before: `${grantee} may call it` });
    }
    return;
  }
  draft.step("functions", name, `alter ${sql} security invoker`, {
    before: `runs as ${routine.owner} for ${callers.join(", ")}`,
  });
}
