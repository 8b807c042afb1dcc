import type { Command } from "../../command.ts";
import { EXIT, UsageError } from "../../command.ts";

const DATABASE_OPTIONS = {
  config: { value: "FILE", summary: "Configuration file" },
  data: { value: "DIR", summary: "Data directory" },
  "admin-password": {
    value: "FILE",
    summary: "File (mode 0600) of a superuser's password, for a PostgreSQL of your own",
  },
  "admin-user": { value: "NAME", summary: "That superuser (postgres)" },
} as const;

export const backup: Command = {
  name: "backup",
  summary: "Write the database and the key files into one file",
  about:
    "One snapshot of every table, together with keys, passwords, head copies and configuration, with checksums, as a tar " +
    "file of mode 0600. It holds every key and is not encrypted: encrypt it before it leaves this machine. Sessions, " +
    "unfinished sign-ins and links are not part of it.",
  options: {
    out: { value: "FILE", summary: "The file to write (required); it must not exist" },
    ...DATABASE_OPTIONS,
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall backup --out /backup/ringwall-2026-11-24.tar", "while the server runs"],
    [
      "ringwall backup --out ringwall.tar --config /etc/ringwall/ringwall.config.json --admin-password admin.password",
      "on a PostgreSQL of your own",
    ],
  ],
  async run(input, context) {
    const out = input.text("out");
    if (out === undefined) throw new UsageError("--out FILE is missing: the backup is written there");
    // Loaded here, because no other command needs a database driver.
    const { writeBackup } = await import("./write.ts");
    await writeBackup(input, context, out);
    return EXIT.ok;
  },
};

export const restore: Command = {
  name: "restore",
  summary: "Make a new data directory and its database from a backup",
  about:
    "Checks every byte of the file first. The data directory must not exist, and a database of your own must be new. " +
    "Everybody has to sign in again, and links have to be made anew: what was ended or used after the backup must not " +
    "come back. What was erased after it is erased again by the first start, when --erasures names the erasure ledger of " +
    "the installation that was backed up, as it is now.",
  positionals: [{ name: "FILE", summary: "What ringwall backup wrote" }],
  options: {
    ...DATABASE_OPTIONS,
    erasures: { value: "FILE", summary: "The erasure ledger as it is now, not as of the backup" },
    with: { value: "FILE", summary: "Module of the host application's own migrations" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    [
      "ringwall restore /backup/ringwall-2026-11-24.tar --data /var/lib/ringwall --erasures /safe/erasures.jsonl",
      "then: ringwall start",
    ],
    [
      "ringwall restore ringwall.tar --data ./data --config ./ringwall.config.json --admin-password admin.password",
      "into a new database on a PostgreSQL of your own",
    ],
  ],
  async run(input, context) {
    const { restoreBackup } = await import("./restore.ts");
    await restoreBackup(input, context, input.positionals[0] ?? "");
    return EXIT.ok;
  },
};
