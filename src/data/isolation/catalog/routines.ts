import type { SqlSession } from "../session.ts";
import type { Oid, Routine } from "./model.ts";
import { ROUTINE_BODIES, ROUTINE_SOURCES, ROUTINES } from "./queries.ts";
import { type GrantRows, grantsOf, wordOf } from "./rows.ts";
import type { Permitted } from "./server.ts";

interface RoutineRow {
  readonly oid: Oid;
  readonly schema: string;
  readonly name: string;
  readonly arguments: string;
  readonly kind: string;
  readonly owner: string;
  readonly language: string;
  readonly definer: boolean;
  readonly volatility: string;
  readonly leakproof: boolean;
  readonly parallel: string;
  readonly config: readonly string[];
  readonly returns: string;
  readonly returns_set: boolean;
  readonly returns_relation: Oid | null;
  readonly is_trigger: boolean;
  readonly grants: GrantRows;
  readonly extension: string | null;
}

const KINDS = { f: "function", p: "procedure", a: "aggregate", w: "window function" } as const;
const VOLATILITY = { i: "immutable", s: "stable", v: "volatile" } as const;
const PARALLEL = { s: "safe", r: "restricted", u: "unsafe" } as const;

/** Every routine outside PostgreSQL's own schemas; its text where this login may read it. */
export async function readRoutines(
  session: SqlSession,
  { source, body }: Permitted,
): Promise<ReadonlyMap<Oid, Routine>> {
  const rows = await session.query<RoutineRow>(ROUTINES);
  const sources = source ? await session.query<{ oid: Oid; source: string }>(ROUTINE_SOURCES) : [];
  const bodies = body ? await session.query<{ oid: Oid; body: string }>(ROUTINE_BODIES) : [];
  const sourceOf = new Map(sources.map((row) => [row.oid, row.source]));
  const bodyOf = new Map(bodies.map((row) => [row.oid, row.body]));
  return new Map(
    rows.map((row): [Oid, Routine] => [
      row.oid,
      {
        oid: row.oid,
        schema: row.schema,
        name: row.name,
        arguments: row.arguments,
        kind: wordOf(KINDS, row.kind),
        owner: row.owner,
        language: row.language,
        definer: row.definer,
        volatility: wordOf(VOLATILITY, row.volatility),
        leakproof: row.leakproof,
        parallel: wordOf(PARALLEL, row.parallel),
        config: row.config,
        source: sourceOf.get(row.oid),
        sqlBody: bodyOf.get(row.oid),
        returns: row.returns,
        returnsSet: row.returns_set,
        returnsRelation: row.returns_relation ?? undefined,
        isTrigger: row.is_trigger,
        grants: grantsOf(row.grants),
        extension: row.extension ?? undefined,
      },
    ]),
  );
}
