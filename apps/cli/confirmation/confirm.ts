import { CommandFailed, type Context, type Input } from "../command.ts";

/** Switch of every command that ends something. */
export const DRY_RUN_OPTION = { "dry-run": { summary: "Say what would be done, and do nothing" } } as const;

/**
 * Has a person type the name of what an act ends, so that nobody ends what stood on the line above.
 * @throws CommandFailed when something else was typed; nothing was done then.
 */
export async function confirmByName(
  input: Input,
  context: Context,
  asked: { readonly warning: string; readonly what: string; readonly name: string },
): Promise<void> {
  if (!input.flag("json")) context.stderr(asked.warning);
  const typed = (await context.ask(`${asked.what}: `)).trim();
  if (typed !== asked.name) throw new CommandFailed("that is another one; nothing was done");
}
