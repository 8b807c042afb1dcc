import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { readPrivateFile } from "ringwall/adapters/files";
import { PlainSecret } from "ringwall/core";
import type { Client, Target } from "./client.ts";
import { makeClient, serverUrl } from "./client.ts";
import type { Input, Machine } from "./command.ts";
import { CommandFailed, UsageError } from "./command.ts";
import { checkTrustedFile } from "./config-file.ts";
import { dataDirectory, dataPaths } from "./data-directory.ts";

const CREDENTIAL_BYTES_MAX = 4_096;
// RFC 6750's b64token: anything else would break out of the header.
const CREDENTIAL_FORM = /^[A-Za-z0-9._~+/=-]{16,2048}$/;

/** Opens the connection that the options name. The credential is read when the first request needs it. */
export function connect(input: Input, machine: Machine, signal: AbortSignal): Client {
  return makeClient(target(input, machine), signal);
}

// What `ringwall start` serves at, when nothing else is said.
const LOCAL_SERVER = "http://localhost:7400";

/** A connection for somebody who is about to prove who they are. The local socket is not for that: it is an operator's. */
export function connectAnonymously(
  { origin, caFile }: { readonly origin: string | undefined; readonly caFile: string | undefined },
  machine: Machine,
  signal: AbortSignal,
): Client {
  const url = serverUrl(origin ?? machine.settings["RINGWALL_URL"] ?? LOCAL_SERVER);
  return makeClient({ kind: "url", url, ca: readAuthorities(caFile, machine) }, signal);
}

/** Whoever may write that file decides which servers are believed, so it is checked as configuration is. */
function readAuthorities(caFile: string | undefined, machine: Machine): string | undefined {
  if (caFile === undefined) return undefined;
  const path = resolve(machine.cwd, caFile);
  checkTrustedFile(path, machine.uid);
  return readFileSync(path, "utf8");
}

function target(input: Input, machine: Machine): Target {
  const url = input.text("url") ?? (input.text("data") === undefined ? machine.settings["RINGWALL_URL"] : undefined);
  const credential = input.text("credential");
  if (url === undefined) {
    if (credential !== undefined) throw new UsageError("--credential needs --url");
    if (input.text("ca") !== undefined) throw new UsageError("--ca needs --url");
    return { kind: "socket", path: dataPaths(dataDirectory(input.text("data"), machine)).adminSocket };
  }
  if (input.text("data") !== undefined) throw new UsageError("--data and --url exclude each other");
  if (credential === undefined) throw new UsageError("--url needs --credential FILE");
  const file = resolve(machine.cwd, credential);
  const ca = readAuthorities(input.text("ca"), machine);
  return { kind: "url", url: serverUrl(url), ca, credential: () => readCredential(file, machine.uid) };
}

async function readCredential(file: string, uid: number): Promise<PlainSecret> {
  const text = (await readPrivateFile(file, { bytesMax: CREDENTIAL_BYTES_MAX, uid })).trim();
  if (!CREDENTIAL_FORM.test(text)) throw new CommandFailed(`${file} does not hold one credential and nothing else`);
  return new PlainSecret(text);
}
