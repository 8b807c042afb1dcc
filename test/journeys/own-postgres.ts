import type { ChildProcess } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EmbeddedPostgres, startEmbeddedPostgres } from "../../src/adapters/embedded-postgres/index.ts";
import { silentLogger } from "../../src/core/index.ts";
import { freePort, type TestAuthority, testAuthority } from "../../src/testing/index.ts";
import { endCli, runCli, spawnCli, untilRunning } from "../cli-process.ts";

// A test's data has to survive a killed process, and no power cut.
const SETTINGS = { fsync: "off", full_page_writes: "off", shared_buffers: "32MB", max_connections: "100" };

/** A PostgreSQL as somebody has it already: over TLS with SCRAM, with a superuser and nothing of ours in it. */
export interface OwnPostgres {
  /** A folder of the test's own, which PostgreSQL's account may pass through. */
  readonly folder: string;
  readonly postgres: EmbeddedPostgres;
  readonly authority: TestAuthority;
  /** The superuser's password, as a private file. */
  readonly adminPassword: string;
  stop(): Promise<void>;
}

/** Starts it at a free port. Needs openssl. */
export async function ownPostgres(): Promise<OwnPostgres> {
  const folder = mkdtempSync(join(tmpdir(), "rw-own-"));
  chmodSync(folder, 0o711);
  const authority = testAuthority(folder, "postgres");
  const postgres = await startEmbeddedPostgres({
    dataDir: join(folder, "postgres"),
    settings: SETTINGS,
    port: await freePort(),
    tls: authority.issue(["DNS:localhost"]),
    log: silentLogger,
  });
  const adminPassword = join(folder, "postgres-admin.password");
  writeFileSync(adminPassword, postgres.superuserPassword().open(), { mode: 0o600 });
  return {
    folder,
    postgres,
    authority,
    adminPassword,
    async stop() {
      await postgres.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** One command line as a process of its own, of this version unless another one is named. */
export async function ringwall(
  cwd: string,
  words: readonly string[],
  answers: readonly string[] = [],
  cli?: string,
): Promise<{ readonly code: number | null; readonly said: string }> {
  const { exit, stderr, stdout } = await runCli(words, { cwd, answers, cli });
  return { code: exit, said: stdout + stderr };
}

/** A start that runs. */
export interface Running {
  readonly supervisor: ChildProcess;
  /** Asks it to end, as Ctrl-C does. */
  stop(): Promise<void>;
}

/** Runs `ringwall start` until it says that it runs. @throws Error with what it said when it ends instead. */
export async function start(cwd: string, words: readonly string[], cli?: string): Promise<Running> {
  const supervisor = spawnCli(["start", ...words], { cwd, stdio: ["ignore", "pipe", "pipe"], cli });
  await untilRunning(supervisor);
  return { supervisor, stop: async () => await endCli(supervisor) };
}
