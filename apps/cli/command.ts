import type { Clock } from "ringwall/core";
import type { Client } from "./client.ts";
import type { ExitCode } from "./exit.ts";
import type { Ask } from "./terminal.ts";

export { CommandFailed, EXIT, type ExitCode, UsageError } from "./exit.ts";

/** One `--name` of a command. With `value` it takes one; without, it is a switch. */
export interface Option {
  readonly value?: string;
  readonly summary: string;
}

/** One word after the command's name. Every one is required. */
export interface Positional {
  readonly name: string;
  readonly summary: string;
}

/** What a command line said, after it was checked against the command's own lists. */
export interface Input {
  readonly positionals: readonly string[];
  flag(name: string): boolean;
  text(name: string): string | undefined;
  /** @throws UsageError when it is not a whole number between `least` and `most`. */
  whole(name: string, least: number, most: number): number | undefined;
}

/** Everything of the outside a command may touch. `main.ts` is the only place that fills it from the process. */
export interface Context {
  /** Writes one line. */
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
  /** True when a person reads stdout. What must not end in a file is printed only then. */
  readonly stdoutIsTerminal: boolean;
  /** True when a person types at stdin. */
  readonly stdinIsTerminal: boolean;
  /** Asks for one line: a person at the terminal, or the next line of what was piped in. */
  readonly ask: Ask;
  /** Reads stdin to its end. @throws CommandFailed beyond `bytesMax`. */
  readonly readStdin: (bytesMax: number) => Promise<string>;
  readonly clock: Clock;
  readonly machine: Machine;
  /** Opens the connection that `--data`, `--url` and `--credential` describe; no request is made yet. */
  readonly connect: (input: Input) => Client;
  /** Opens a connection to `--url` (this machine's server unless given) for somebody who has no credential yet. */
  readonly connectAnonymously: (origin: string | undefined, caFile: string | undefined) => Client;
  /** Aborted by the first Ctrl-C or SIGTERM. */
  readonly signal: AbortSignal;
  /** Aborted by the second: stop without waiting. */
  readonly forced: AbortSignal;
}

/** Facts about the machine and the process. */
export interface Machine {
  readonly nodeVersion: string;
  /** The Node binary that children run on. */
  readonly nodePath: string;
  readonly platform: string;
  /** The user id, -1 where there is none. */
  readonly uid: number;
  readonly pid: number;
  readonly cwd: string;
  readonly home: string;
  /** `XDG_STATE_HOME`, when it is set. */
  readonly stateHome: string | undefined;
  /** The `RINGWALL_*` settings, checked: none of them looks like a secret. */
  readonly settings: Readonly<Record<string, string>>;
  /** What children inherit besides: search path, language, time zone. */
  readonly childEnvironment: Readonly<Record<string, string>>;
}

/** One command of the tree. No `process` inside; a secret is never among the arguments and never printed. */
export interface Command {
  /** As typed: "secrets rotate". */
  readonly name: string;
  /** One line, an imperative sentence without a full stop. */
  readonly summary: string;
  /** A paragraph for `--help`, when the summary does not say it all. */
  readonly about?: string;
  readonly positionals?: readonly Positional[];
  readonly options?: Readonly<Record<string, Option>>;
  /** Complete command lines, each followed by what it does. At least one. */
  readonly examples: readonly (readonly [line: string, meaning: string])[];
  run(input: Input, context: Context): Promise<ExitCode>;
}

/** Options of every command that talks to a server. */
export const CONNECTION_OPTIONS = {
  data: { value: "DIR", summary: "Data directory of the local server, whose admin socket is used" },
  url: { value: "URL", summary: "Talk to this server instead; needs --credential" },
  credential: { value: "FILE", summary: "File (mode 0600) with the credential that sign-in wrote, for --url" },
  ca: { value: "FILE", summary: "Believe the authorities in this PEM file alone, for --url with https" },
} as const satisfies Record<string, Option>;

export const JSON_OPTION = { json: { summary: "Print JSON, for programs" } } as const satisfies Record<string, Option>;
