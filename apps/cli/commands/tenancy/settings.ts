import { readFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { IsolationSettings } from "ringwall/data/isolation";
import { CommandFailed, type Input, type Machine, type Option } from "../../command.ts";
import { errorCode } from "../../private-file.ts";

/** Next to the team's migrations, in their repository. */
const FILE = "tenancy.json";
const BYTES_MAX = 1_048_576;

export const SETTINGS_OPTION = {
  settings: { value: "FILE", summary: `What cannot be read off the schema (${FILE})` },
} as const satisfies Record<string, Option>;

/** Where a file that a command line names is. */
export function filePath(machine: Machine, file: string): string {
  return isAbsolute(file) ? file : join(machine.cwd, file);
}

/** @throws CommandFailed that names every field at fault. */
export async function readSettings(input: Input, machine: Machine): Promise<IsolationSettings> {
  const file = filePath(machine, input.text("settings") ?? FILE);
  const parsed = IsolationSettings.safeParse(parseJson(await readText(file), file));
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.map(({ message, path }) => `${path.join(".") || "(root)"}: ${message}`);
  throw new CommandFailed(`${file}: ${fields.join("; ")}`, { wayOut: "docs/guides/tenancy.md explains every field." });
}

async function readText(file: string): Promise<string> {
  try {
    const text = await readFile(file, "utf8");
    if (text.length <= BYTES_MAX) return text;
  } catch (error) {
    throw new CommandFailed(`${file} cannot be read (${errorCode(error)})`, {
      wayOut: "ringwall tenancy init writes one by looking at the database.",
      cause: error,
    });
  }
  throw new CommandFailed(`${file} is larger than ${BYTES_MAX} bytes`);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandFailed(`${file} is not JSON`, { cause: error });
  }
}
