import { resolve } from "node:path";
import type { Command } from "../command.ts";
import { EXIT, UsageError } from "../command.ts";
import { checkTrustedFile } from "../config-file.ts";

const ADMIN_USER = "postgres";

export const migrateCommand: Command = {
  name: "migrate",
  summary: "Bring the database schema up to this version",
  about:
    "Connects as ringwall_migrate, whose password servers do not have. Runs under an advisory lock, so that two at once " +
    "are one after the other. An embedded PostgreSQL is migrated by every ringwall start. " +
    "With an administrator's password it first sets up a PostgreSQL that the configuration names: roles, their passwords " +
    "in 0600 files where there are none, the database and the context key. That password is used for this and kept nowhere.",
  options: {
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    with: { value: "FILE", summary: "Module of the host application's own migrations; they run after Ringwall's" },
    "admin-password": { value: "FILE", summary: "Set up roles and database first; file (mode 0600) of the password" },
    "admin-user": { value: "NAME", summary: `A superuser, for --admin-password (${ADMIN_USER})` },
    client: { value: "ROLE", summary: "Login role of the host application to set up too" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall migrate --config /etc/ringwall/ringwall.config.json", "before a new version's servers start"],
    [
      "ringwall migrate --admin-password /etc/ringwall/postgres-admin.password --client shop_app",
      "the first time, on a new server",
    ],
    ["ringwall migrate --with ./shop/migrations.ts", "with the application's own tables"],
  ],
  async run(input, context) {
    const { machine } = context;
    const adminFile = input.text("admin-password");
    if (adminFile === undefined && (input.text("admin-user") ?? input.text("client")) !== undefined) {
      throw new UsageError("--admin-user and --client need --admin-password FILE");
    }
    const named = input.text("with");
    const module = named === undefined ? undefined : resolve(machine.cwd, named);
    if (module !== undefined) checkTrustedFile(module, machine.uid);
    // Loaded here, because no other command needs a database driver.
    const { migrateLocally } = await import("./migration.ts");
    const applied = await migrateLocally(input, context, {
      module,
      setup:
        adminFile === undefined
          ? undefined
          : {
              user: input.text("admin-user") ?? ADMIN_USER,
              passwordFile: resolve(machine.cwd, adminFile),
              client: input.text("client"),
            },
    });
    if (input.flag("json")) context.stdout(JSON.stringify({ applied }));
    else for (const name of applied) context.stdout(`applied ${name}`);
    if (applied.length === 0 && !input.flag("json")) context.stdout("nothing to do: the schema is up to date");
    return EXIT.ok;
  },
};
