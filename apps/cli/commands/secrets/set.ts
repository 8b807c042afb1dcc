import { resolve } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import { z } from "zod";
import type { Command, Context, Input } from "../../command.ts";
import { CONNECTION_OPTIONS, CommandFailed, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, readAnswer, showRow, TENANT_OPTION } from "../answer.ts";

// The largest thing people keep as a secret is a certificate chain with its key.
const VALUE_BYTES_MAX = 65_536;

const Version = z.object({ name: z.string(), version: z.number().int() });

export const setSecret: Command = {
  name: "secrets set",
  summary: "Store a new version of a secret, read from stdin or a file",
  about:
    "The value never is an argument, because arguments are seen by every user of the machine and kept by shells. " +
    "One final line break is removed.",
  positionals: [{ name: "NAME", summary: "The secret's name, such as bank/mail-password" }],
  options: {
    file: { value: "FILE", summary: "Read the value from this file (mode 0600) instead of stdin" },
    ...TENANT_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall secrets set bank/mail-password < mail-password.txt", "from stdin"],
    ["ringwall secrets set bank/mail-password --file mail-password.txt", "from a file that only you can read"],
  ],
  async run(input, context) {
    const [name = ""] = input.positionals;
    const value = await readValue(input, context);
    if (value === "") throw new CommandFailed("the value is empty; nothing was stored");
    // The name is in the body: it holds `/`, and an encoded one in a path is refused by the server's perimeter.
    const body = { name, value, ...namedTenant(input) };
    const answer = readAnswer(Version, await context.connect(input).request("PUT", "/v1/secrets", body));
    showRow(input, context, answer, `stored ${answer.name} as version ${answer.version}`);
    return EXIT.ok;
  },
};

async function readValue(input: Input, context: Context): Promise<string> {
  const file = input.text("file");
  const text =
    file === undefined
      ? await context.readStdin(VALUE_BYTES_MAX)
      : await readPrivateFile(resolve(context.machine.cwd, file), {
          bytesMax: VALUE_BYTES_MAX,
          uid: context.machine.uid,
        });
  return text.replace(/\r?\n$/, "");
}
