import type { Catalog } from "../catalog/index.ts";
import { quoted } from "../sql-text.ts";

/** What a session of a role begins with. */
export interface EffectiveSetting {
  readonly name: string;
  readonly value: string;
  /** Where it is set; `server` for the configuration and built-in defaults. */
  readonly at: "role in database" | "role" | "database" | "server";
  readonly role: string;
}

/** What a new session of `role` has, by PostgreSQL's order of precedence. `undefined` when nothing says or this login may not see. */
export function effectiveSetting(catalog: Catalog, role: string, name: string): EffectiveSetting | undefined {
  const wanted = name.toLowerCase();
  const find = (of: string | undefined, inDatabase: boolean): string | undefined =>
    catalog.server.roleSettings.find(
      (setting) => setting.name.toLowerCase() === wanted && setting.role === of && setting.inDatabase === inDatabase,
    )?.value;
  const places = [
    ["role in database", find(role, true)],
    ["role", find(role, false)],
    ["database", find(undefined, true) ?? find(undefined, false)],
    ["server", serverSetting(catalog, wanted)],
  ] as const;
  for (const [at, value] of places) if (value !== undefined) return { name: wanted, value, at, role };
  return undefined;
}

/** The reader's own session was given a search path and a time limit of its own; those are not the server's. */
function serverSetting({ server }: Catalog, name: string): string | undefined {
  return name === "search_path" ? undefined : server.settings.get(name);
}

/** Whether a boolean setting says what it says by default, in any of PostgreSQL's spellings. */
export function isDefault(value: string, expected: "on" | "off"): boolean {
  const on = ["on", "true", "yes", "1", "t", "y"].includes(value.toLowerCase());
  return on === (expected === "on");
}

/** The statement that takes it back, where there is one that can be undone. */
export function resetSetting(
  catalog: Catalog,
  { name, at, role }: EffectiveSetting,
): { readonly fix?: readonly string[] } {
  const setting = name
    .split(".")
    .map((part) => quoted(part))
    .join(".");
  const database = quoted(catalog.server.database);
  switch (at) {
    case "role in database":
      return { fix: [`alter role ${quoted(role)} in database ${database} reset ${setting}`] };
    case "role":
      return { fix: [`alter role ${quoted(role)} reset ${setting}`] };
    case "database":
      return { fix: [`alter database ${database} reset ${setting}`] };
    case "server":
      return {};
  }
}
