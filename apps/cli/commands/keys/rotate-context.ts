import { existsSync, renameSync } from "node:fs";
import { installContextKey, liveContextKeys } from "ringwall/migrations";
import { type Command, CommandFailed, EXIT, JSON_OPTION } from "../../command.ts";
import { keptSecret } from "../../private-file.ts";
import { showRow } from "../answer.ts";
import { newContextKey, parseContextKey } from "../key-files.ts";
import { findInstallation, findLocalTarget } from "../local-target.ts";
import { asOwner } from "../owner-connection.ts";

/** A context lives for 30 seconds and a process looks for a new key each second: by then nobody signs with the one before. */
const AGE_SECONDS_MIN = 60;

export const rotateContextKey: Command = {
  name: "keys rotate-context",
  summary: "Replace the key that signs tenant contexts",
  about:
    "The database verifies the new key beside the one in use, and the one before that no longer. Processes of this data " +
    "directory sign with it within a second, without a restart. Interrupted anywhere, everything works on, and the same " +
    "command goes on where it was. Servers with a data directory of their own need the new secrets/context.key before the " +
    "next rotation. Twice, a minute apart, ends a key that somebody may have read.",
  options: {
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    ...JSON_OPTION,
  },
  examples: [["ringwall keys rotate-context", "on the machine with the data directory"]],
  async run(input, context) {
    const { machine } = context;
    const { paths } = await findInstallation(input, machine);
    if (!existsSync(paths.contextKey)) {
      throw new CommandFailed(`there is no context key at ${paths.contextKey}`, {
        wayOut: "ringwall start makes the first one; for a PostgreSQL of your own, ringwall migrate does.",
      });
    }
    const owner = await findLocalTarget(input, machine, "ringwall_migrate");
    const current = parseContextKey(await keptSecret(paths.contextKey, machine.uid, newContextKey));
    // Kept until it is in its place, so that a run that was interrupted is continued with the same key.
    const file = `${paths.contextKey}.next`;
    const kid = await asOwner(owner, async (db) => {
      const live = await liveContextKeys(db);
      const waiting = existsSync(file);
      if (!waiting) refuseEarly(live, current.kid);
      const next = parseContextKey(await keptSecret(file, machine.uid, newContextKey));
      if (waiting && !live.some((one) => one.kid === next.kid)) refuseEarly(live, current.kid);
      await installContextKey(db, next);
      return next.kid;
    });
    renameSync(file, paths.contextKey);
    const facts = { kid, before: current.kid };
    showRow(
      input,
      context,
      facts,
      `tenant contexts are signed with ${kid}; ${current.kid} verifies until the next rotation`,
    );
    return EXIT.ok;
  },
};

function refuseEarly(live: readonly { readonly kid: string; readonly ageSeconds: number }[], current: string): void {
  const [newest] = live;
  if (newest !== undefined && newest.kid !== current) {
    throw new CommandFailed("the database has a newer context key than this data directory", {
      wayOut: "Copy secrets/context.key from where it was rotated; all servers of one database share it.",
    });
  }
  if (newest !== undefined && newest.ageSeconds < AGE_SECONDS_MIN && live.length > 1) {
    throw new CommandFailed("the context key was replaced less than a minute ago", {
      wayOut: "Wait a minute: contexts signed with the key before it are still in use.",
    });
  }
}
