import { existsSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import { z } from "zod";
import { type Client, printable } from "../../client.ts";
import { CommandFailed, type Context, type Input, type Option, UsageError } from "../../command.ts";
import { writePrivateFile } from "../../private-file.ts";
import { readAnswer, showRow } from "../answer.ts";

/** Options of every command in which somebody comes in. */
export const ENTRANCE_OPTIONS = {
  url: { value: "URL", summary: "The server; http://localhost:7400 unless given" },
  ca: { value: "FILE", summary: "Believe the authorities in this PEM file alone, for a server with https" },
  credential: { value: "FILE", summary: "Write the session's credential into this file (mode 0600) (required)" },
  "factor-file": {
    value: "FILE",
    summary: "Write a new second factor's otpauth address into this file (mode 0600), not on the terminal",
  },
  json: { summary: "Print JSON, for programs" },
} as const satisfies Record<string, Option>;

/** Options of a command that takes a link. */
export const LINK_OPTION = {
  "link-file": { value: "FILE", summary: "Read the link from this file (mode 0600) instead of asking for it" },
} as const satisfies Record<string, Option>;

/** What the answers are, for the help of commands that ask. */
export const ABOUT_ANSWERS =
  "Answers are asked for on the terminal, where passwords are not shown, or taken as lines from stdin in this order.";

const Step = z.discriminatedUnion("next", [
  z.object({ next: z.literal("done"), token: z.string(), session: z.string(), expires_at: z.string() }),
  z.object({ next: z.enum(["code", "enrol"]), login: z.string() }),
]);
const Enrolment = z.object({ uri: z.string(), secret: z.string() });

// A code that has just changed, and a slip of the finger. The server counts too.
const CODE_TRIES = 3;
const LINK_BYTES_MAX = 4_096;

/** Where the credential will go: asked before anything is used up. */
export function credentialDestination(input: Input, context: Context): string {
  const file = input.text("credential");
  if (file === undefined) throw new UsageError("--credential FILE is missing: the session's credential goes there");
  const path = resolve(context.machine.cwd, file);
  if (!existsSync(dirname(path))) throw new CommandFailed(`there is no folder ${dirname(path)}`);
  return path;
}

/** A new second factor is shown on a terminal, or goes into a file: it must not end in a log. */
export function requireFactorDestination(input: Input, context: Context): void {
  if (input.text("factor-file") !== undefined || (context.stdoutIsTerminal && !input.flag("json"))) return;
  throw new UsageError("a second factor is shown on a terminal only; name a file for it: --factor-file FILE");
}

/** The link's token, and the server it leads to. */
export async function readLink(input: Input, context: Context): Promise<{ token: string; origin: string }> {
  const file = input.text("link-file");
  const text =
    file === undefined
      ? await context.ask("Link: ", "hidden")
      : await readPrivateFile(resolve(context.machine.cwd, file), {
          bytesMax: LINK_BYTES_MAX,
          uid: context.machine.uid,
        });
  const link = text.trim();
  const url = URL.canParse(link) ? new URL(link) : undefined;
  if (url === undefined || !/^#[\w-]{20,200}$/.test(url.hash)) {
    throw new CommandFailed("that is no link of Ringwall: it is an address with a part after #");
  }
  return { token: url.hash.slice(1), origin: url.origin };
}

/** Asks for a new password; twice of a person, because nobody sees what was typed. */
export async function askNewPassword(context: Context): Promise<string> {
  const password = await context.ask("New password (15 characters or more): ", "hidden");
  if (!context.stdinIsTerminal) return password;
  if ((await context.ask("The same again: ", "hidden")) === password) return password;
  throw new CommandFailed("the two are not the same; nothing was done");
}

/** Goes through the steps of a sign-in until there is a session, and writes its credential. */
export async function completeSignIn(
  input: Input,
  context: Context,
  client: Client,
  first: unknown,
  destination: string,
): Promise<void> {
  const step = readAnswer(Step, first);
  const done = step.next === "done" ? step : await giveFactor(input, context, client, step);
  keepDone(input, context, done, destination);
}

type Done = Extract<z.output<typeof Step>, { next: "done" }>;

/** Writes the credential of a session that a server's answer opened, and says until when it lives. */
export function keepSession(input: Input, context: Context, answer: unknown, destination: string): void {
  const step = readAnswer(Step, answer);
  if (step.next !== "done") throw oneMoreStep();
  keepDone(input, context, step, destination);
}

function keepDone(input: Input, context: Context, done: Done, destination: string): void {
  writePrivateFile(destination, `${done.token}\n`);
  const { expires_at, session } = done;
  const facts = { session, expires_at, credential_file: destination };
  showRow(input, context, facts, `signed in until ${expires_at}; the credential is in ${destination}`);
}

function oneMoreStep(): CommandFailed {
  return new CommandFailed("the server asks for one more step, which this command does not know");
}

async function giveFactor(
  input: Input,
  context: Context,
  client: Client,
  step: Exclude<z.output<typeof Step>, Done>,
): Promise<Done> {
  const { login, next } = step;
  if (next === "enrol") {
    requireFactorDestination(input, context);
    deliverFactor(
      input,
      context,
      readAnswer(Enrolment, await client.request("POST", "/v1/sign-in/enrolment", { login })),
    );
  }
  const path = next === "enrol" ? "/v1/sign-in/enrolment/confirm" : "/v1/sign-in/code";
  const answer = await askCode(context, async (code) => await client.request("POST", path, { login, code }));
  const given = readAnswer(Step, answer);
  if (given.next !== "done") throw oneMoreStep();
  return given;
}

/** Asks for a code until one is accepted, three times at most, and returns what the server answered to it. */
export async function askCode(context: Context, give: (code: string) => Promise<unknown>): Promise<unknown> {
  for (let tries = 1; ; tries += 1) {
    const code = (await context.ask("Code of your authenticator: ")).replaceAll(" ", "");
    try {
      return await give(code);
    } catch (error) {
      const isWrong = error instanceof CommandFailed && error.code === "identity.sign_in_failed";
      if (!isWrong || tries === CODE_TRIES) throw error;
      context.stderr("That code was not accepted. Each is good once; wait for the next one.");
    }
  }
}

/** Shows a new second factor on the terminal, or writes it into the file that was named. */
export function deliverFactor(input: Input, context: Context, { secret, uri }: z.output<typeof Enrolment>): void {
  const file = input.text("factor-file");
  if (file !== undefined) {
    const path = resolve(context.machine.cwd, file);
    writePrivateFile(path, `${uri}\n`);
    context.stderr(`the second factor's address is in ${path}`);
    return;
  }
  context.stdout("Add this to your authenticator app, by its address or by its secret:");
  context.stdout(`  ${printable(uri)}`);
  context.stdout(`  ${printable(secret)}`);
}
