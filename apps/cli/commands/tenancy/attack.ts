import { existsSync } from "node:fs";
import { readPrivateFile } from "ringwall/adapters/files";
import { inspectionAccess, type Target } from "ringwall/adapters/postgres";
import { PlainSecret } from "ringwall/core";
import {
  contextEntry,
  type IsolationSettings,
  PROBE_LIMITS,
  type ProbeAccess,
  type ProbeLimits,
} from "ringwall/data/isolation";
import { type ContextSigner, contextSigner } from "ringwall/data/tenants";
import { CommandFailed, type Context, type Input, type Machine, UsageError } from "../../command.ts";
import { dataDirectory, dataPaths } from "../../data-directory.ts";
import { parseContextKey } from "../key-files.ts";
import { targetOf } from "./database.ts";
import { filePath } from "./settings.ts";

const KEY_BYTES_MAX = 256;

/** The limits of `--attack`: 5 minutes in all, 5 s a statement, and 0.2 s for a lock that the application holds. */
export function attackLimits({ clock }: Context): ProbeLimits {
  return { clock, ...PROBE_LIMITS };
}

/** The ways of `--attack` to the database, each tried once. @throws RingwallError `database.unavailable` */
export async function attackAccess(
  input: Input,
  { clock, machine }: Context,
  { target, settings }: { readonly target: Target; readonly settings: IsolationSettings },
): Promise<ProbeAccess> {
  const signer = settings.context.kind === "ringwall" ? await readSigner(input, machine) : undefined;
  const admin = inspectionAccess((await otherTarget(input, machine, "admin")) ?? target, { writes: true });
  const appTarget = await otherTarget(input, machine, "app");
  // A pooler takes no settings of a session.
  const app = appTarget === undefined ? undefined : inspectionAccess(appTarget, { writes: true, pooled: true });
  // A login that does not get in is a mistake to be told of, not a check that could not run.
  for (const access of [admin, app]) await (await access?.connect())?.close();
  return { entry: contextEntry(settings, clock, signer), admin, ...(app === undefined ? {} : { app }) };
}

async function otherTarget(input: Input, machine: Machine, who: "admin" | "app"): Promise<Target | undefined> {
  const [url, urlFile, passwordFile] = [`${who}-url`, `${who}-url-file`, `${who}-password-file`].map((option) =>
    input.text(option),
  );
  if (url !== undefined && urlFile !== undefined) {
    throw new UsageError(`--${who}-url and --${who}-url-file do not go together`);
  }
  if (url !== undefined || urlFile !== undefined) return await targetOf(url, urlFile, passwordFile, machine);
  if (passwordFile !== undefined) throw new UsageError(`--${who}-password-file belongs to --${who}-url`);
  return undefined;
}

async function readSigner(input: Input, machine: Machine): Promise<ContextSigner> {
  const given = input.text("context-key");
  const file =
    given === undefined ? dataPaths(dataDirectory(input.text("data"), machine)).contextKey : filePath(machine, given);
  if (!existsSync(file)) {
    throw new CommandFailed(`there is no context key in ${file}`, {
      wayOut:
        "The signed context is attacked with its key: name it with --context-key, or the data directory with --data.",
    });
  }
  const text = await readPrivateFile(file, { bytesMax: KEY_BYTES_MAX, uid: machine.uid });
  return contextSigner(parseContextKey(new PlainSecret(text.trim())));
}
