import { closeSync, openSync, readSync } from "node:fs";
import { resolve } from "node:path";
import { z } from "zod";
import { printable } from "../../client.ts";
import type { Command, Context, Input } from "../../command.ts";
import { CONNECTION_OPTIONS, CommandFailed, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { errorCode } from "../../private-file.ts";
import { namedTenant, query, readAnswer, TENANT_OPTION } from "../answer.ts";

const PATH = "/v1/tenant-settings";
/** As much as the server takes. */
const FILE_BYTES_MAX = 65_536;
const VERSION_MAX = 2_147_483_646;
const OWN = "application.";

const JsonObject = z.record(z.string(), z.unknown());
type JsonObject = z.output<typeof JsonObject>;
const Settings = z.object({ tenant: z.string(), version: z.int(), settings: JsonObject });

export const tenantSettingsCommand: Command = {
  name: "tenants settings",
  summary: "Show a tenant's settings, or change them",
  about:
    "Without --set or --from it shows them. A change is made of the version that was read: when somebody else changes them " +
    "in between, it is refused and nothing is lost. A value is JSON, or text where it is none; no value takes the setting " +
    "back to what the installation says. application.NAME is one of the application's own. No secrets: every administrator " +
    "reads them. On this machine --tenant has to be named.",
  options: {
    ...TENANT_OPTION,
    set: { value: "CHANGE", summary: "NAME=VALUE: change one of them" },
    from: { value: "FILE", summary: "Replace all of them by the JSON object in this file" },
    version: { value: "N", summary: "Change this version alone; the one that is read now unless given" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall tenants settings --tenant northbank", "what is set, and its version"],
    ["ringwall tenants settings --tenant northbank --set second_factor=everybody", "one of them"],
    ["ringwall tenants settings --tenant northbank --set session_idle_seconds=", "as the installation says again"],
    [
      "ringwall tenants settings --tenant northbank --from settings.json --version 3",
      "all, if they are still version 3",
    ],
  ],
  async run(input, context) {
    const change = readChange(input, context);
    const client = context.connect(input);
    const named = namedTenant(input);
    const wanted = input.whole("version", 0, VERSION_MAX);
    const before = readAnswer(Settings, await client.request("GET", `${PATH}${query(named)}`));
    if (change === undefined) {
      if (wanted !== undefined) throw new UsageError("--version goes with --set or --from");
      show(input, context, before);
      return EXIT.ok;
    }
    const version = wanted ?? before.version;
    if (version !== before.version) {
      throw new CommandFailed(`the settings are version ${before.version} by now; nothing was changed`, {
        wayOut: "Read them again, and change what is there now.",
      });
    }
    const body = { ...named, version, settings: change(before.settings) };
    show(input, context, readAnswer(Settings, await client.request("PUT", PATH, body)));
    return EXIT.ok;
  },
};

type Change = (before: JsonObject) => JsonObject;

function readChange(input: Input, { machine }: Context): Change | undefined {
  const [set, from] = [input.text("set"), input.text("from")];
  if (set !== undefined && from !== undefined) throw new UsageError("--set and --from do not go together");
  if (set !== undefined) return changeOf(set);
  if (from === undefined) return undefined;
  const path = resolve(machine.cwd, from);
  const whole = JsonObject.safeParse(parseJson(readText(path)));
  if (!whole.success) throw new CommandFailed(`${path} is no JSON object`);
  return () => whole.data;
}

function readText(path: string): string {
  const bytes = Buffer.alloc(FILE_BYTES_MAX + 1);
  let length: number;
  try {
    const descriptor = openSync(path, "r");
    try {
      length = readSync(descriptor, bytes);
    } finally {
      closeSync(descriptor);
    }
  } catch (cause) {
    throw new CommandFailed(`${path} cannot be read (${errorCode(cause)})`, { cause });
  }
  if (length > FILE_BYTES_MAX) throw new CommandFailed(`${path} has more than ${FILE_BYTES_MAX} bytes`);
  return bytes.toString("utf8", 0, length);
}

/** One at a time: a value may hold any sign, so nothing would part two of them. */
function changeOf(text: string): Change {
  const at = text.indexOf("=");
  if (at < 1) throw new UsageError("--set takes NAME=VALUE");
  const [name, given] = [text.slice(0, at), text.slice(at + 1)];
  const parsed = parseJson(given);
  const value = parsed === undefined ? given : parsed;
  const put = (into: JsonObject, key: string): JsonObject => {
    const rest = Object.entries(into).filter(([one]) => one !== key);
    return Object.fromEntries(given === "" ? rest : [...rest, [key, value]]);
  };
  return (before) => {
    if (!name.startsWith(OWN)) return put(before, name);
    const own = JsonObject.parse(before["application"] ?? {});
    return { ...before, application: put(own, name.slice(OWN.length)) };
  };
}

/** undefined for what is no JSON. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

function show(input: Input, { stdout }: Context, found: z.output<typeof Settings>): void {
  if (input.flag("json")) {
    stdout(JSON.stringify(found));
    return;
  }
  stdout(`${found.tenant}, version ${found.version}`);
  for (const [name, value] of Object.entries(found.settings)) stdout(printable(`${name} = ${JSON.stringify(value)}`));
}
