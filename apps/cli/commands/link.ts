import { resolve } from "node:path";
import { z } from "zod";
import { printable } from "../client.ts";
import type { Context, Input, Option } from "../command.ts";
import { UsageError } from "../command.ts";
import { writePrivateFile } from "../private-file.ts";

/** A link whose fragment is a credential. Whoever has it first is the person it is for. */
export const Link = z.object({ link: z.url({ protocol: /^https?$/ }), expires_at: z.string() });
export type Link = z.output<typeof Link>;

export const LINK_FILE_OPTION = {
  "link-file": { value: "FILE", summary: "Write the link into this file (mode 0600) instead of the terminal" },
} as const satisfies Record<string, Option>;

/**
 * Where a link will go: a 0600 file, or the terminal (undefined). Asked before it is made, because a new link kills the
 * one before. It never goes into a pipe or a redirected output, where it would end in a log.
 */
export function linkDestination(input: Input, context: Context): string | undefined {
  const file = input.text("link-file");
  if (file !== undefined) return resolve(context.machine.cwd, file);
  if (context.stdoutIsTerminal && !input.flag("json")) return undefined;
  throw new UsageError("a link is shown on a terminal only; name a file for it: --link-file FILE");
}

/** Shows a link, or writes it into its file and shows the file's name. `--json` prints everything but the link. */
export function deliverLink(input: Input, context: Context, link: Link, destination: string | undefined): void {
  if (destination !== undefined) writePrivateFile(destination, `${link.link}\n`);
  if (input.flag("json")) {
    context.stdout(JSON.stringify({ link_file: destination, expires_at: link.expires_at }));
    return;
  }
  context.stdout(destination === undefined ? printable(link.link) : `the link is in ${destination}`);
  context.stdout(`valid until ${printable(link.expires_at)}, once`);
}
