import { existsSync, readFileSync, rmSync } from "node:fs";
import { type Client, printable } from "../../client.ts";
import type { Context } from "../../command.ts";
import { CommandFailed } from "../../command.ts";
import type { DataPaths } from "../../data-directory.ts";
import { writePrivateFile } from "../../private-file.ts";
import { readAnswer } from "../answer.ts";
import { Link } from "../link.ts";

export interface Started {
  readonly paths: DataPaths;
  readonly configFile: string;
  readonly apiPort: number;
  /** Whether the API speaks TLS itself. */
  readonly tls: boolean;
  /** Undefined when the example does not run. */
  readonly bankPort: number | undefined;
  /** Undefined when it leads nowhere. */
  readonly gatewayPort: number | undefined;
  /** `--bootstrap-file`: where the enrolment link goes instead of the terminal. */
  readonly bootstrapFile: string | undefined;
}

/**
 * Says where to go, now that everything answers. What must not end in a log (the enrolment link, the first credentials
 * of a development seed) is shown on a terminal only; elsewhere its 0600 file is named.
 */
export async function announce(context: Context, client: Client, started: Started): Promise<void> {
  const { paths } = started;
  const say = context.stdout;
  say("");
  say("Ringwall is running.");
  const scheme = started.tls ? "https" : "http";
  say(`  Console, API   ${scheme}://localhost:${started.apiPort}  (/healthz, /readyz)`);
  if (started.bankPort !== undefined) say(`  Example bank   http://localhost:${started.bankPort}`);
  if (started.gatewayPort !== undefined) say(`  Gateway        http://localhost:${started.gatewayPort}`);
  say(`  Data           ${paths.root}`);
  say(`  Configuration  ${started.configFile}`);
  say(`  Logs           ${paths.log}`);
  await announceBootstrap(context, client, started);
  announceFirstRun(context, paths.firstRun);
  say("");
  say("Ctrl-C stops everything.");
}

/** The link that enrols the first administrator: a new one at each start, until somebody is enrolled. */
async function announceBootstrap(context: Context, client: Client, started: Started): Promise<void> {
  const link = await newBootstrapLink(client);
  if (link === undefined) {
    rmSync(started.paths.bootstrapLink, { force: true });
    return;
  }
  const file = started.bootstrapFile ?? (context.stdoutIsTerminal ? undefined : started.paths.bootstrapLink);
  context.stdout("");
  if (file === undefined) {
    context.stdout("Enrol the first administrator here, once, within 30 minutes:");
    context.stdout(`  ${printable(link.link)}`);
  } else {
    writePrivateFile(file, `${link.link}\n`);
    context.stdout(`The link that enrols the first administrator, once, within 30 minutes, is in ${file}`);
  }
  context.stdout(`  A new one: ringwall bootstrap reissue`);
}

/** Undefined when there is an administrator already. */
async function newBootstrapLink(client: Client): Promise<Link | undefined> {
  try {
    return readAnswer(Link, await client.request("POST", "/v1/bootstrap/links"));
  } catch (error) {
    if (error instanceof CommandFailed && error.code === "resource.conflict") return undefined;
    throw error;
  }
}

/**
 * Shows what a development seed left for its first reader. On a terminal it is shown and then removed, so that it is
 * printed once; a start that nobody watches leaves the file where it is.
 */
function announceFirstRun(context: Context, file: string): void {
  if (!existsSync(file)) return;
  context.stdout("");
  if (!context.stdoutIsTerminal) {
    context.stdout(`The example's first credentials are in ${file} (mode 0600); delete it when you have read it.`);
    return;
  }
  context.stdout("The example's first credentials, shown once:");
  for (const line of readFileSync(file, "utf8").trimEnd().split("\n")) context.stdout(`  ${printable(line)}`);
  rmSync(file, { force: true });
}
