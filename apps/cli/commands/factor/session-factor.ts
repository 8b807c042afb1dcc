import { resolve } from "node:path";
import { type Context, type Input, UsageError } from "../../command.ts";
import { askCode, keepSession } from "../entrance/steps.ts";

/** The credential file that is replaced. @throws UsageError without one: the local socket is nobody's session. */
export function heldCredential(input: Input, context: Context): string {
  const file = input.text("credential");
  if (file === undefined) throw new UsageError("--credential FILE is missing: it says whose session this is");
  return resolve(context.machine.cwd, file);
}

/** Gives a code within a session, and keeps the new session's credential in place of the old one's. */
export async function giveSessionCode(input: Input, context: Context, path: string, file: string): Promise<void> {
  const client = context.connect(input);
  const answer = await askCode(context, async (code) => await client.request("POST", path, { code }));
  keepSession(input, context, answer, file);
}
