import { isTenantId } from "ringwall/core";
import type { Command } from "../../../command.ts";
import { EXIT, UsageError } from "../../../command.ts";

export const exportTenantCommand: Command = {
  name: "tenants export",
  summary: "Write everything of one tenant into a folder or a tar file",
  about:
    "Reads every table with a tenant's wall, Ringwall's and the application's, in one snapshot and behind the tenant's own " +
    "wall, as JSON Lines with a manifest of counts and SHA-256. Works on this machine, as the role that owns the tables. " +
    "Left out: sessions, factors, links, secrets' values, password hashes and every key. Sealed fields are written as they " +
    "are stored. Nothing has the name of the target before it is whole.",
  positionals: [{ name: "TENANT", summary: "The tenant's id" }],
  options: {
    to: { value: "PATH", summary: "A folder, or a file that ends in .tar (required); it must not exist" },
    "leave-out": {
      value: "COLUMNS",
      summary: "Further columns to leave out: schema.table.column, with commas between",
    },
    "dry-run": { summary: "Say which tables and columns would be written, and write nothing" },
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall tenants export northbank --to /exports/northbank", "a folder with a file for each table"],
    ["ringwall tenants export northbank --to northbank.tar", "the same in one file"],
    ["ringwall tenants export northbank --to x --dry-run", "what it would write"],
  ],
  async run(input, context) {
    const [tenant = ""] = input.positionals;
    if (!isTenantId(tenant)) throw new UsageError("TENANT must be 3 to 50 of a-z, 0-9, _ and -");
    const to = input.text("to");
    if (to === undefined) throw new UsageError("--to PATH is missing: the export is written there");
    // Loaded here, because no other command of this folder needs a database driver.
    const { exportLocally } = await import("./write.ts");
    await exportLocally(input, context, { tenant, to });
    return EXIT.ok;
  },
};
