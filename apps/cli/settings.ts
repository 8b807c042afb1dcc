import { CommandFailed, EXIT } from "./command.ts";

const PREFIX = "RINGWALL_";
const SECRET_WORDS = /SECRET|PASSWORD|PASSWD|TOKEN|CREDENTIAL|PRIVATE|(?:^|_)(?:KEY|PIN|PEPPER|SEED)(?:_|$)/;
const VALUE_CHARACTERS_MAX = 4_096;

/** What a child process inherits: enough to find programs and to speak the user's language, and nothing else. */
const INHERITED = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"];

/**
 * The `RINGWALL_*` variables. One that looks like a secret is refused, because the environment is shown by `ps`, by
 * crash reports and to every child; the message names the variable and never its value.
 */
export function readSettings(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const settings: Record<string, string> = {};
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || value === undefined) continue;
    if (SECRET_WORDS.test(name)) {
      throw new CommandFailed(`${name} looks like a secret, and secrets do not belong into the environment`, {
        wayOut: 'Unset it, and name a file (mode 0600) in the configuration: "file:/path".',
        exit: EXIT.usage,
      });
    }
    if (value.length > VALUE_CHARACTERS_MAX) {
      throw new CommandFailed(`${name} is longer than ${VALUE_CHARACTERS_MAX} characters`, { exit: EXIT.usage });
    }
    settings[name] = value;
  }
  return settings;
}

/** The environment of a child process: a short list of names, and the settings. */
export function childEnvironment(environment: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const inherited: Record<string, string> = {};
  for (const name of INHERITED) {
    const value = environment[name];
    if (value !== undefined) inherited[name] = value;
  }
  return { ...inherited, ...readSettings(environment) };
}
