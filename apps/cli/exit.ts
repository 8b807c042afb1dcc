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

/** The command line cannot be understood. Exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}
