import { loadModule, type Node, parsePlPgSQLSync, parseSync, type SelectStmt } from "libpg-query";

/** Longer texts are reported as not understood: the parser takes linear time, but its output is large. */
const TEXT_CHARS_MAX = 60_000;
/** Nested deeper than any expression that a person wrote; everything that walks a tree recurses this deep at most. */
const DEPTH_MAX = 160;
const NODES_MAX = 20_000;

/** What came of a text: a tree, or why there is none. */
export type Parsed<Tree> = { readonly tree: Tree } | { readonly refused: string };

/** Loads the parser, once a process. Call it before anything else of this folder. */
export async function loadParser(): Promise<void> {
  await loadModule();
}

/** Parses an expression as `pg_get_expr` prints it. */
export function parseExpression(text: string): Parsed<Node> {
  const parsed = parseStatements(`select ${text}`);
  if ("refused" in parsed) return parsed;
  const select = parsed.tree.length === 1 ? selectOf(parsed.tree[0]) : undefined;
  const target = select?.targetList?.length === 1 ? select.targetList[0] : undefined;
  // Anything beside the one expression means that the text was more than an expression.
  const others = select === undefined ? [] : Object.keys(select).filter((key) => !PLAIN_SELECT.has(key));
  if (target === undefined || !("ResTarget" in target) || target.ResTarget.val === undefined || others.length > 0)
    return { refused: "the text is not one expression" };
  return { tree: target.ResTarget.val };
}

const PLAIN_SELECT = new Set(["targetList", "limitOption", "op"]);

/** Parses statements, as in the body of a function in SQL. */
export function parseStatements(text: string): Parsed<readonly Node[]> {
  if (text.length > TEXT_CHARS_MAX) return { refused: `longer than ${TEXT_CHARS_MAX} characters` };
  try {
    const statements = (parseSync(text).stmts ?? []).map(({ stmt }) => stmt).filter((stmt) => stmt !== undefined);
    const tooLarge = measure(statements);
    return tooLarge === undefined ? { tree: statements } : { refused: tooLarge };
  } catch (error) {
    return { refused: `PostgreSQL's parser says: ${error instanceof Error ? error.message.slice(0, 200) : "no"}` };
  }
}

/** Parses a `CREATE FUNCTION ... LANGUAGE plpgsql` into PL/pgSQL's own tree, which is not typed. */
export function parseProcedure(definition: string): Parsed<unknown> {
  if (definition.length > TEXT_CHARS_MAX) return { refused: `longer than ${TEXT_CHARS_MAX} characters` };
  try {
    const tree: unknown = parsePlPgSQLSync(definition);
    const tooLarge = measure(tree);
    return tooLarge === undefined ? { tree } : { refused: tooLarge };
  } catch (error) {
    return { refused: `PL/pgSQL's parser says: ${error instanceof Error ? error.message.slice(0, 200) : "no"}` };
  }
}

/** The SELECT that a statement or a subquery is. */
export function selectOf(node: Node | undefined): SelectStmt | undefined {
  return node !== undefined && "SelectStmt" in node ? node.SelectStmt : undefined;
}

/** Walks with a stack of its own, because the depth is what it measures. */
function measure(tree: unknown): string | undefined {
  const waiting: [unknown, number][] = [[tree, 0]];
  let nodes = 0;
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const [value, depth] = next;
    if (typeof value !== "object" || value === null) continue;
    nodes += 1;
    // A node of the grammar is two or three objects deep here.
    if (depth > DEPTH_MAX * 3) return `nested deeper than ${DEPTH_MAX}`;
    if (nodes > NODES_MAX) return `larger than ${NODES_MAX} nodes`;
    for (const child of Object.values(value)) waiting.push([child, depth + 1]);
  }
  return undefined;
}

/** Every node of a kind below `tree`, as in `findAll(tree, "FuncCall")`; works on PL/pgSQL's trees as well. */
export function findAll(tree: unknown, kind: string): readonly unknown[] {
  const waiting: unknown[] = [tree];
  const found: unknown[] = [];
  for (let value = waiting.pop(); value !== undefined; value = waiting.pop()) {
    if (typeof value !== "object" || value === null) continue;
    for (const [key, child] of Object.entries(value)) {
      if (key === kind) found.push(child);
      waiting.push(child);
    }
  }
  return found;
}

/** The words of a name's nodes: `["ringwall", "tenant"]`. */
export function words(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).flatMap((node) =>
    "String" in node && node.String.sval !== undefined ? [node.String.sval] : [],
  );
}
