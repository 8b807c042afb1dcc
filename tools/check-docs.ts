/**
 * The documentation says what the code says.
 *
 * Every exported symbol of a face has a docstring; every generated reference page is up to date; every dependency has
 * its line in `docs/decisions/dependencies.md`, and every line a dependency. `--write` writes the generated pages.
 *
 * @module
 */
import { existsSync, globSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { z } from "zod";
import { type Manifest, readManifest, repositoryFaces } from "./faces.ts";
import { PAGES, renderPages } from "./reference.ts";

export const DEPENDENCIES_PAGE = "docs/decisions/dependencies.md";
const DEPENDENCY_CELLS = 5;
const Packages = z.record(z.string(), z.string()).default({});
const Workspace = z.object({ dependencies: Packages, devDependencies: Packages });

function isDocumented(symbol: ts.Symbol, checker: ts.TypeChecker): boolean {
  return symbol.getDocumentationComment(checker).length > 0 || symbol.getJsDocTags(checker).length > 0;
}

/** Exported symbols without a docstring, as `face: name (file:line)`. Symbols of other packages are theirs to document. */
export function undocumented(root: string, sources: readonly string[]): string[] {
  const files = sources.map((source) => path.resolve(root, source));
  const { config } = ts.readConfigFile(path.join(root, "tsconfig.json"), (file) => readFileSync(file, "utf8"));
  const options = ts.convertCompilerOptionsFromJson(config?.compilerOptions ?? {}, root).options;
  const program = ts.createProgram(files, { ...options, incremental: false, noEmit: true });
  const checker = program.getTypeChecker();
  return files.flatMap((file) => {
    const module = program.getSourceFile(file);
    const symbol = module === undefined ? undefined : checker.getSymbolAtLocation(module);
    if (symbol === undefined) return [];
    return checker.getExportsOfModule(symbol).flatMap((exported) => {
      const target = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      const declaration = target.declarations?.[0];
      if (declaration === undefined || declaration.getSourceFile().fileName.includes("/node_modules/")) return [];
      if (isDocumented(target, checker)) return [];
      const source = declaration.getSourceFile();
      const line = source.getLineAndCharacterOfPosition(declaration.getStart()).line + 1;
      return [
        `${path.relative(root, file)}: ${exported.name} has no docstring (${path.relative(root, source.fileName)}:${line})`,
      ];
    });
  });
}

/** The root's dependencies together with those that only one of the workspaces has. Our own packages need no line. */
function withWorkspaces(root: string): Omit<Manifest, "exports"> {
  const all = readManifest(root);
  const groups = ["dependencies", "devDependencies"] as const;
  for (const file of globSync("{apps,examples}/*/package.json", { cwd: root })) {
    const own = Workspace.parse(JSON.parse(readFileSync(path.join(root, file), "utf8")));
    for (const group of groups) Object.assign(all[group], own[group]);
  }
  for (const group of groups) delete all[group]["ringwall"];
  return all;
}

/** Differences between the manifest's dependencies and the page's rows, and rows with an empty cell. */
export function compareDependencies(manifest: Omit<Manifest, "exports">, page: string): string[] {
  const declared = new Set(
    [manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies].flatMap((group) =>
      Object.keys(group),
    ),
  );
  const rows = page
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.slice(1, line.lastIndexOf("|")).split("|"));
  const described = rows.map(([name = ""]) => name.trim().replaceAll("`", ""));
  return [
    ...[...declared]
      .filter((name) => !described.includes(name))
      .map((name) => `${name} has no line in ${DEPENDENCIES_PAGE}`),
    ...described
      .filter((name) => !declared.has(name))
      .map((name) => `${DEPENDENCIES_PAGE} has a line for ${name}, which is no dependency`),
    ...described.filter((name, place) => described.indexOf(name) < place).map((name) => `${name} has two lines`),
    ...rows
      .filter((cells) => cells.length !== DEPENDENCY_CELLS || cells.some((text) => text.trim() === ""))
      .map(([name = ""]) => `the line of ${name.trim()} needs ${DEPENDENCY_CELLS} filled cells`),
  ];
}

async function referenceProblems(root: string, writes: boolean): Promise<string[]> {
  const rendered = await renderPages(root);
  const problems: string[] = [];
  for (const { file, source } of PAGES) {
    const target = path.join(root, file);
    const wanted = rendered.get(file);
    if (wanted === undefined) {
      if (existsSync(target)) problems.push(`${file} is there, and ${source}, which it is made from, is not`);
      continue;
    }
    if (writes) {
      mkdirSync(path.dirname(target), { recursive: true });
      writeFileSync(target, wanted);
    } else if (!existsSync(target) || readFileSync(target, "utf8") !== wanted) {
      problems.push(`${file} does not match ${source}: run node --conditions=source tools/check-docs.ts --write`);
    }
  }
  return problems;
}

/** All problems of the repository at `root`; with `writes` the generated pages are written first. */
async function checkDocs(root: string, writes: boolean): Promise<string[]> {
  const page = path.join(root, DEPENDENCIES_PAGE);
  return [
    ...(await referenceProblems(root, writes)),
    ...compareDependencies(withWorkspaces(root), existsSync(page) ? readFileSync(page, "utf8") : ""),
    ...undocumented(
      root,
      repositoryFaces(root).map((face) => face.source),
    ),
  ];
}

if (import.meta.main) {
  const problems = await checkDocs(path.resolve(import.meta.dirname, ".."), process.argv.includes("--write"));
  for (const problem of problems) console.log(problem);
  process.exitCode = problems.length === 0 ? 0 : 1;
}
