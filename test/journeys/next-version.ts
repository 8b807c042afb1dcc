import { cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FOLDERS = ["src", "apps", "migrations", "examples"];

/** The migration that the next version has and this one does not. */
export const NEXT_MIGRATION = "0099_next_version";

const MIGRATION = `import { sql } from "kysely";
import type { Migration } from "./migration.ts";

export const migration: Migration = {
  name: "${NEXT_MIGRATION}",
  async up(db) {
    await sql\`alter table ringwall.tenant add column region text not null default 'unknown'\`.execute(db);
  },
};
`;

/**
 * Makes this checkout as it will be one schema version later: a copy with one more migration, whose packages are ours.
 * @returns Its command line's main file.
 */
export function makeNextVersion(folder: string): string {
  mkdirSync(join(folder, "node_modules"), { recursive: true });
  for (const name of FOLDERS) {
    const isOurs = (from: string): boolean => !/[/\\](?:node_modules|dist)(?:[/\\]|$)/.test(from.slice(ROOT.length));
    cpSync(join(ROOT, name), join(folder, name), { recursive: true, filter: isOurs });
  }
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  for (const name of readdirSync(join(ROOT, "node_modules"))) {
    // The package of that name is the copy itself.
    const target = name === "ringwall" ? folder : join(ROOT, "node_modules", name);
    symlinkSync(target, join(folder, "node_modules", name));
  }
  writeFileSync(join(folder, "migrations", `${NEXT_MIGRATION}.ts`), MIGRATION);
  const list = join(folder, "migrations", "migrate.ts");
  const text = readFileSync(list, "utf8");
  const longer = text
    .replace(/^import type \{ Migration \}/m, `import { migration as next } from "./${NEXT_MIGRATION}.ts";\n$&`)
    .replace(/(export const MIGRATIONS[^=]*= \[[^\]]*?),?\s*\]/, "$1, next]");
  if (!longer.includes("next]")) throw new Error("the list of migrations has another form");
  writeFileSync(list, longer);
  return join(folder, "apps", "cli", "main.ts");
}
