import { z } from "zod";
import { writePrivateFile } from "../../private-file.ts";

/**
 * What the supervisor tells its children, as a JSON file (mode 0600) whose path is their only argument. It holds no
 * secret: passwords are in files of their own, `<dataDir>/secrets/<role>.password`, one role each.
 */
export interface Runtime {
  /** The configuration as JSON, whatever form its owner wrote it in. Not yet checked against the schema. */
  readonly configFile: string;
  readonly dataDir: string;
  /** Where the server listens for local commands: a unix socket in a folder that only its owner enters. */
  readonly adminSocket: string;
  /** The embedded PostgreSQL's socket folder and number; null when the configuration names a PostgreSQL. */
  readonly postgres: { readonly host: string; readonly port: number; readonly database: string } | null;
  /** `bank` is null when the example does not run, `gateway` when no route is configured and there is no example. */
  readonly ports: { readonly api: number; readonly bank: number | null; readonly gateway: number | null };
}

/**
 * What a child sends over its IPC channel: once that it listens, or why it never will. A child ends itself when the
 * channel is disconnected, so that a supervisor killed with `kill -9` leaves nobody behind.
 */
export const ChildMessage = z.union([
  z.object({ ready: z.literal(true) }),
  // A reason for a person: wrong configuration, foreign schema. Starting again would change nothing.
  z.object({ fatal: z.string().max(2_000) }),
]);
export type ChildMessage = z.output<typeof ChildMessage>;

export function writeRuntime(path: string, runtime: Runtime): void {
  writePrivateFile(path, `${JSON.stringify(runtime, undefined, 2)}\n`);
}
