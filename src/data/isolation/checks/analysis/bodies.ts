import type { Node } from "libpg-query";
import type { Routine } from "../../catalog/index.ts";
import { findAll, parseProcedure, parseStatements, procedure } from "../../expressions/index.ts";
import { parametersOf } from "./surroundings.ts";

/** What a routine's body does, as far as its text shows. */
export interface BodyFacts {
  /** Why it is not known what it does. */
  readonly refused: string | undefined;
  /** Puts statements together from text and runs them. */
  readonly dynamic: boolean;
  readonly statements: readonly Node[];
}

const kept = new WeakMap<Routine, BodyFacts>();
const TREES_OF_TEXT = ["PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors", "dynquery"];

/** Parses a routine's body once. */
export function bodyFacts(routine: Routine): BodyFacts {
  const found = kept.get(routine) ?? read(routine);
  kept.set(routine, found);
  return found;
}

function read(routine: Routine): BodyFacts {
  const source = routine.sqlBody ?? routine.source;
  const refuse = (refused: string): BodyFacts => ({ refused, dynamic: false, statements: [] });
  if (source === undefined) return refuse("this login may not read its text");
  if (routine.language === "sql") return sqlFacts(source, refuse);
  if (routine.language !== "plpgsql") return refuse(`it is written in ${routine.language}`);
  const parsed = parseProcedure(
    procedure(source, parametersOf(routine), routine.returns === "" ? "void" : routine.returns),
  );
  if ("refused" in parsed) return refuse(parsed.refused);
  const dynamic = TREES_OF_TEXT.some((kind) => findAll(parsed.tree, kind).length > 0);
  const statements: Node[] = [];
  let refused: string | undefined;
  for (const text of findAll(parsed.tree, "query")) {
    if (typeof text !== "string") continue;
    const query = statementsOf(text);
    if (typeof query === "string") refused ??= query;
    else statements.push(...query);
  }
  return { refused, dynamic, statements };
}

function sqlFacts(source: string, refuse: (why: string) => BodyFacts): BodyFacts {
  // `begin atomic ... end` and `return x`, as PostgreSQL prints a body that it parsed itself.
  const plain = source
    .replace(/^\s*begin\s+atomic\b/i, "")
    .replace(/\bend\s*;?\s*$/i, (end) => (/^\s*begin\s+atomic\b/i.test(source) ? "" : end))
    .replace(/^\s*return\b/i, "select");
  const parsed = parseStatements(plain);
  return "refused" in parsed ? refuse(parsed.refused) : { refused: undefined, dynamic: false, statements: parsed.tree };
}

/** An expression of PL/pgSQL is a SELECT without the word; an assignment names its target first. */
function statementsOf(text: string): readonly Node[] | string {
  const assigned = text.replace(/^\s*[\w.$"]+(?:\[[^\]]*\])?\s*:?=\s*/, "");
  for (const candidate of [text, `select ${text}`, `select ${assigned}`]) {
    const parsed = parseStatements(candidate);
    if ("tree" in parsed) return parsed.tree;
  }
  return "a statement in it is not understood";
}
