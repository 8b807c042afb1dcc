import { resolve } from "node:path";
import { z } from "zod";
import type { Client } from "../../client.ts";
import {
  CONNECTION_OPTIONS,
  type Command,
  type Context,
  EXIT,
  type ExitCode,
  type Input,
  JSON_OPTION,
  UsageError,
} from "../../command.ts";
import { confirmByName, DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { writePrivateFile } from "../../private-file.ts";
import { readAnswer, showRow } from "../answer.ts";
import { readPerson } from "../users/people.ts";

const Erased = z.object({ id: z.string(), certificate: z.string() });

const OPTIONS = {
  reason: { value: "TEXT", summary: "Why; stands in the certificate (required)" },
  "certificate-file": {
    value: "FILE",
    summary: "Write the certificate into this file (mode 0600), not on the terminal",
  },
  ...DRY_RUN_OPTION,
  ...JSON_OPTION,
  ...CONNECTION_OPTIONS,
} as const;
const ABOUT =
  "For administrators of the tenant, with a second factor that is not older than 5 minutes (ringwall step-up).";

export const eraseRow: Command = {
  name: "erasures row",
  summary: "Destroy the key of one row for good: its sealed fields open no more, in backups neither",
  about: `${ABOUT} Asks for the row's id again first.`,
  positionals: [
    { name: "TABLE", summary: "The table, with its schema" },
    { name: "ROW", summary: "The row's id" },
  ],
  options: OPTIONS,
  examples: [
    [
      `ringwall erasures row shop.customer 4711 --reason "asked for it" --url https://ringwall.example --credential key`,
      "asks for the id again",
    ],
  ],
  async run(input, context) {
    const [place = "", row = ""] = input.positionals;
    const act = { path: "/v1/row-erasures", body: { place, row }, what: "The row's id again", name: row };
    return await erase(input, context, context.connect(input), { ...act, of: `row ${row} of ${place}` });
  },
};

export const erasePerson: Command = {
  name: "erasures person",
  summary: "Destroy the keys of a person's rows, and what the audit log holds of them, for good",
  about: `${ABOUT} Asks for the person's e-mail address first. The account itself stays: users disable shuts it out.`,
  positionals: [{ name: "USER", summary: "The person's id, as users list shows it" }],
  options: OPTIONS,
  examples: [
    [
      `ringwall erasures person 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --reason "asked for it" --url https://ringwall.example --credential key`,
      "asks for the address",
    ],
  ],
  async run(input, context) {
    const [user = ""] = input.positionals;
    const client = context.connect(input);
    const { email: name } = await readPerson(client, user);
    const act = { path: "/v1/person-erasures", body: { user }, what: "The person's e-mail address", name };
    return await erase(input, context, client, { ...act, of: name });
  },
};

interface Act {
  readonly path: string;
  readonly body: Readonly<Record<string, string>>;
  /** What is asked for, and what has to be typed. */
  readonly what: string;
  readonly name: string;
  /** What is erased, in words. */
  readonly of: string;
}

async function erase(input: Input, context: Context, client: Client, act: Act): Promise<ExitCode> {
  const { body, of } = act;
  if (input.flag("dry-run")) {
    showRow(input, context, { ...body, dry_run: true }, `would destroy the keys of ${of}`);
    return EXIT.ok;
  }
  const reason = input.text("reason");
  if (reason === undefined) throw new UsageError("--reason is missing: it stands in the certificate");
  await confirmByName(input, context, { ...act, warning: `Nothing brings back what is sealed of ${of}.` });
  const erased = readAnswer(Erased, await client.request("POST", act.path, { ...body, reason }));
  const file = input.text("certificate-file");
  if (file !== undefined) writePrivateFile(resolve(context.machine.cwd, file), `${erased.certificate}\n`);
  const facts = { ...body, ...erased, ...(file === undefined ? {} : { file }) };
  showRow(input, context, facts, `the keys of ${of} are destroyed; certificate ${erased.id}`);
  if (file === undefined && !input.flag("json")) context.stdout(erased.certificate);
  return EXIT.ok;
}
