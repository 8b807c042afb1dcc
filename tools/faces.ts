/**
 * The public faces of the package: which files `package.json` must export, and what they export themselves.
 *
 * @module
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

/** One public door: its subpath as an importer writes it after `ringwall`, and the file behind it. */
export interface Face {
  readonly subpath: string;
  readonly source: string;
}

/** The faces a tree of sources has. `files` are paths from the root of the repository. */
export function facesOf(files: readonly string[]): readonly Face[] {
  return files.flatMap((source): Face[] => {
    if (source === "src/ringwall.ts") return [{ subpath: ".", source }];
    const alone = /^src\/(pipeline|supervised|installation)\.ts$/.exec(source);
    if (alone !== null) return [{ subpath: `./${alone[1]}`, source }];
    if (source === "migrations/index.ts") return [{ subpath: "./migrations", source }];
    // A layer, or one folder below it. Deeper folders are insides of a module and have doors for their neighbours only.
    const match =
      /^src\/(core|perimeter|network|testing)\/index\.ts$/.exec(source) ??
      /^src\/((?:application|data|monitoring|assurance|adapters)\/[^/]+)\/index\.ts$/.exec(source);
    return match === null ? [] : [{ subpath: `./${match[1]}`, source }];
  });
}

/** Faces of the repository at `root`, in the order of their paths. */
export function repositoryFaces(root: string): readonly Face[] {
  return facesOf(
    globSync("{src,migrations}/**/*.ts", { cwd: root })
      .map((file) => file.split(path.sep).join("/"))
      .toSorted(),
  );
}

const Manifest = z.object({
  exports: z.record(z.string(), z.strictObject({ source: z.string(), types: z.string(), default: z.string() })),
  dependencies: z.record(z.string(), z.string()),
  devDependencies: z.record(z.string(), z.string()),
  optionalDependencies: z.record(z.string(), z.string()),
});
export type Manifest = z.output<typeof Manifest>;

/** Reads the part of `package.json` that the checks need. */
export function readManifest(root: string): Manifest {
  return Manifest.parse(JSON.parse(readFileSync(path.join(root, "package.json"), "utf8")));
}

/** True when the file is there. */
export function exists(root: string, file: string): boolean {
  return existsSync(path.join(root, file));
}
