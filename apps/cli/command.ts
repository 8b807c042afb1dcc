import type { Clock } from "ringwall/core";

/** What the process ends with. Scripts may rely on these. */
export const EXIT = {
  /** Done. */
  ok: 0,
  /** It failed, was refused, or a check found something. */
  failed: 1,
  /** The command line was wrong; nothing was done. */
  usage: 2,
  /** No server answered. */
  unreachable: 3,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

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

export type Method = "GET" | "POST" | "PUT" | "DELETE";

/** The HTTP API of a server, local or not. `client.ts` makes one. */
export interface Client {
  /**
   * Sends one request and returns the parsed JSON, or undefined where the answer has no body.
   * @throws CommandFailed when the server refuses (exit 1) or does not answer (exit 3).
   */
  request(method: Method, path: string, body?: unknown): Promise<unknown>;
}

/** Everything of the outside a command may touch. `main.ts` is the only place that fills it from the process. */
export interface Context {
  /** Writes one line. */
  readonly stdout: (line: string) => void;
  readonly stderr: (line: string) => void;
  /** True when a person reads stdout. What must not end in a file is printed only then. */
  readonly stdoutIsTerminal: boolean;
  /** Reads stdin to its end. @throws CommandFailed beyond `bytesMax`. */
  readonly readStdin: (bytesMax: number) => Promise<string>;
  readonly clock: Clock;
  readonly machine: Machine;
  /** Opens the connection that `--data`, `--url` and `--credential` describe; no request is made yet. */
  readonly connect: (input: Input) => Client;
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
  credential: { value: "FILE", summary: "File (mode 0600) that holds the API key for --url" },
} as const satisfies Record<string, Option>;

export const JSON_OPTION = { json: { summary: "Print JSON, for programs" } } as const satisfies Record<string, Option>;

/** The command line cannot be understood. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** A failure the person at the terminal can do something about: what happened, and the way out. */
export class CommandFailed extends Error {
  override readonly name = "CommandFailed";
  readonly wayOut: string;
  readonly exit: ExitCode;
  /** The server's problem code ("resource.conflict"), when it was the server that refused. */
  readonly code: string;

  constructor(message: string, options: { wayOut?: string; exit?: ExitCode; code?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause });
    this.wayOut = options.wayOut ?? "";
    this.code = options.code ?? "";
    this.exit = options.exit ?? EXIT.failed;
  }
}
