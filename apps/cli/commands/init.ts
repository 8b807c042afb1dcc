import { existsSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { Mode } from "ringwall/core";
import type { Command } from "../command.ts";
import { CommandFailed, EXIT, UsageError } from "../command.ts";
import { CONFIG_NAMES } from "../config-file.ts";
import { PRIVATE_MODE } from "../private-file.ts";

export const init: Command = {
  name: "init",
  summary: "Write a configuration file to start from",
  about: "Refuses to overwrite. The mode has no default, because nothing else decides as much.",
  options: {
    mode: { value: "MODE", summary: "development or production (required)" },
    file: { value: "FILE", summary: `Where to write it (./${CONFIG_NAMES[0]}); a name that ends in .json gets JSON` },
  },
  examples: [
    ["ringwall init --mode development", "ringwall.config.ts here, with comments"],
    ["ringwall init --mode production --file /etc/ringwall/ringwall.config.json", "JSON, for a configuration system"],
  ],
  async run(input, { stdout, machine }) {
    const mode = Mode.safeParse(input.text("mode"));
    if (!mode.success) throw new UsageError("--mode must be development or production; there is no default");
    const file = resolve(machine.cwd, input.text("file") ?? CONFIG_NAMES[0]);
    const text = file.endsWith(".json") ? jsonConfig(mode.data) : moduleConfig(mode.data);
    write(file, text);
    stdout(`wrote ${file}`);
    stdout(`check it: ringwall doctor --config ${file}`);
    return await Promise.resolve(EXIT.ok);
  },
};

function write(file: string, text: string): void {
  const refusal = (cause?: unknown): CommandFailed =>
    new CommandFailed(`${file} is there already, and is not overwritten`, {
      wayOut: "Move it away, or name another: --file FILE",
      cause,
    });
  if (existsSync(file)) throw refusal();
  try {
    writeFileSync(file, text, { flag: "wx", mode: PRIVATE_MODE });
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "unknown";
    if (code === "EEXIST") throw refusal(error);
    throw new CommandFailed(`${file} cannot be written (${code})`, { cause: error });
  }
}

const PRODUCTION_DATABASE = {
  kind: "postgres",
  host: "db.internal",
  port: 5432,
  database: "app",
  caFile: "/etc/ringwall/postgres-ca.pem",
  migratePassword: "file:/etc/ringwall/secrets/ringwall_migrate.password",
} as const;

function jsonConfig(mode: Mode): string {
  const config = mode === "production" ? { mode, database: PRODUCTION_DATABASE } : { mode };
  return `${JSON.stringify(config, undefined, 2)}\n`;
}

function moduleConfig(mode: Mode): string {
  const rows = Object.entries(PRODUCTION_DATABASE).map(([name, value]) => `${name}: ${JSON.stringify(value)},`);
  const prefix = mode === "production" ? "    " : "  //   ";
  const open = mode === "production" ? "  database: {" : "  // database: {";
  const close = mode === "production" ? "  }," : "  // },";
  return `// Ringwall's configuration. Unknown fields are refused, and so is a secret written here:
// name a file (mode 0600) as "file:/path", or an entry of the secret store as "ringwall:name".
export default {
  // "development" listens on this machine only and may run the example; "production" refuses development keys.
  mode: ${JSON.stringify(mode)},

  // Which PostgreSQL (15 or later). Left out, an embedded one runs in the data directory.
  // Beyond this machine TLS is required, and the certificate and host name are verified.
${open}
${rows.map((row) => `${prefix}${row}`).join("\n")}
${close}

  // Where rates are counted: in each process for itself, or for all nodes in one Redis or Valkey.
  // counters: { kind: "redis", url: "rediss://counters.internal:6379", password: "file:/etc/ringwall/secrets/redis.password" },
};
`;
}
