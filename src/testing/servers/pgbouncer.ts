import { chownSync, existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chooseAccount } from "../../adapters/embedded-postgres/index.ts";
import { freePort } from "../free-port.ts";
import { startServer } from "./child.ts";
import { serverFolder } from "./folder.ts";
import type { TestServer } from "./template.ts";

const PROGRAM = "/usr/sbin/pgbouncer";

/** Why tests through PgBouncer cannot run on this machine; `undefined` when they can. */
export function pgbouncerMissing(): string | undefined {
  return existsSync(PROGRAM) ? undefined : "PgBouncer is not installed (Debian: apt install pgbouncer)";
}

/** A PgBouncer of a test's own in front of a PostgreSQL: transaction mode, SCRAM, a free port of loopback. */
export interface TestPgBouncer {
  readonly host: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** How PgBouncer stands before the server. */
export interface PgBouncerOptions {
  /** Connections to the server for each database and role; fewer than clients make them change hands. */
  readonly serverConnections?: number;
  /** Further settings of its section `[pgbouncer]`. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Every database and every role of `server`, with the same passwords. @throws Error when it does not start. */
export async function startPgBouncer(server: TestServer, options: PgBouncerOptions = {}): Promise<TestPgBouncer> {
  const account = chooseAccount(undefined, process.getuid?.() ?? -1);
  const folder = serverFolder("pgbouncer", account);
  const port = await freePort();
  const [config, users] = [join(folder.path, "pgbouncer.ini"), join(folder.path, "users.txt")];
  const settings: Readonly<Record<string, string>> = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "scram-sha-256",
    auth_file: users,
    pool_mode: "transaction",
    default_pool_size: String(options.serverConnections ?? 2),
    max_client_conn: "200",
    // It asks the server again after a failed sign-in only when this has passed.
    server_login_retry: "1",
    ...options.settings,
  };
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`);
  write(config, `[databases]\n* = host=${server.host} port=${server.port}\n[pgbouncer]\n${lines.join("\n")}\n`);
  const secrets = Object.entries(server.passwords).map(([role, secret]) => `"${role}" "${secret}"\n`);
  write(users, secrets.join(""));
  const child = await startServer({ program: PROGRAM, args: [config], account, port });
  folder.claim(child.pid);
  return {
    host: "127.0.0.1",
    port,
    async stop() {
      // At once: it would wait for its clients otherwise.
      await child.stop("SIGTERM");
      folder.remove();
    },
  };

  function write(path: string, text: string): void {
    writeFileSync(path, text, { mode: 0o600 });
    if (account !== undefined) chownSync(path, account.uid, account.gid);
  }
}
