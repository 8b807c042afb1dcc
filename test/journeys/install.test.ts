import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, opensslMissing } from "../../src/testing/index.ts";
import { untilRunning } from "../cli-process.ts";
import { until } from "../faults/until.ts";
import { type OwnPostgres, ownPostgres } from "./own-postgres.ts";

// docs/operating/install.md, block by block as it stands there, in production mode on a PostgreSQL that is somebody's
// own. Of its first block, which says what is where, each line keeps its name and gets this machine's value, as a reader
// would change it.

const missing = opensslMissing();
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGE = readFileSync(new URL("../../docs/operating/install.md", import.meta.url), "utf8");
const FACTOR_MS = 60_000;
const ANSWERS = ["root@ringwall.example", "Root", "tide knot 52 ember"];

interface Block {
  readonly kind: string;
  readonly text: string;
}
const BLOCKS: readonly Block[] = [...PAGE.matchAll(/^```sh ?(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, kind = "", body = ""]) => ({
    kind,
    text: body,
  }),
);

let own: OwnPostgres;
let settings: string;
let etc: string;
let service: ChildProcess | undefined;

beforeAll(async () => {
  if (missing !== undefined) return;
  own = await ownPostgres();
  etc = join(own.folder, "etc");
  mkdirSync(join(etc, "tls"), { recursive: true });
  copyFileSync(own.authority.caFile, join(etc, "postgres-ca.pem"));
  copyFileSync(own.authority.caFile, join(etc, "tls", "ca.pem"));
  const { certificate, key } = own.authority.issue(["DNS:localhost"]);
  writeFileSync(join(etc, "tls", "server.pem"), certificate);
  writeFileSync(join(etc, "tls", "server.key"), key);
  copyFileSync(own.adminPassword, join(etc, "postgres-admin.password"));
  const places = {
    SRC: ROOT.replace(/\/$/, ""),
    ETC: etc,
    DATA: join(own.folder, "data"),
    NAME: "ringwall.example.com",
    // A certificate of a test's own is worth nothing on a network; the page listens everywhere.
    LISTEN: "127.0.0.1",
    PORT: String(await freePort()),
    DB_HOST: "localhost",
    DB_PORT: String(own.postgres.port),
  };
  const page = BLOCKS.find(({ kind }) => kind === "settings")?.text ?? "";
  expect(page.match(/^[A-Z_]+(?==)/gm)).toEqual(Object.keys(places));
  settings = Object.entries(places).reduce(
    (block, [name, value]) => block.replace(new RegExp(`^${name}=.*$`, "m"), () => `${name}=${value}`),
    page,
  );
}, 120_000);

afterAll(async () => {
  if (missing !== undefined) return;
  if (service !== undefined && service.exitCode === null) {
    const exited = once(service, "exit");
    service.kill("SIGTERM");
    await exited;
  }
  await own.stop();
});

/** A shell with the settings and the page's function, which runs one block. */
function shell(block: string): ChildProcess {
  const definition = /^ringwall\(\) .*$/m.exec(PAGE)?.[0] ?? "";
  const { PATH = "", HOME = "" } = process.env;
  const script = `set -euo pipefail\n${settings}\n${definition}\n${block}`;
  return spawn("bash", ["-c", script], { cwd: own.folder, env: { PATH, HOME } });
}

async function run(block: string): Promise<void> {
  const child = shell(block);
  child.stdin?.end();
  await finished(child, block);
}

async function finished(child: ChildProcess, block: string): Promise<void> {
  const { stderr, stdout } = child;
  if (stdout === null || stderr === null) throw new TypeError("a shell has pipes");
  const [said, complained] = await Promise.all([text(stdout), text(stderr), once(child, "exit")]);
  expect(child.exitCode, `${block}\n${said}\n${complained}`).toBe(0);
}

/** Runs until it is asked to end; ready when it says so. */
async function serve(block: string): Promise<void> {
  // `exec`, so that the signal at the end reaches it and not the shell around it.
  const command = block
    .trim()
    .replace(/^ringwall /, 'exec "$SRC/node_modules/.bin/node" --conditions=source "$SRC/apps/cli/main.ts" ');
  const child = shell(command);
  service = child;
  await untilRunning(child);
}

/** Answers as a person does; the code is known when the factor's file is there. */
async function enrol(block: string): Promise<void> {
  const child = shell(block);
  const done = finished(child, block);
  child.stdin?.write(ANSWERS.map((answer) => `${answer}\n`).join(""));
  const file = join(etc, "administrator.factor");
  await Promise.race([done, until("the second factor", FACTOR_MS, () => (existsSync(file) ? true : undefined))]);
  const secret = /secret=([A-Z2-7]+)/.exec(readFileSync(file, "utf8"))?.[1] ?? "";
  child.stdin?.end(`${new TOTP({ secret }).generate()}\n`);
  await done;
}

describe.skipIf(missing !== undefined)(
  `docs/operating/install.md${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 300_000 },
  () => {
    test("leads a stranger from nothing to an administrator, a tenant and a verified audit", async () => {
      const kinds = BLOCKS.map(({ kind }) => kind);
      expect(kinds.filter((kind) => kind !== "")).toEqual(["settings", "service", "enrol"]);
      expect(kinds.length).toBeGreaterThan(7);
      for (const { kind, text: block } of BLOCKS) {
        if (kind === "settings") continue;
        if (kind === "service") await serve(block);
        else if (kind === "enrol") await enrol(block);
        else await run(block);
      }
      expect(existsSync(join(etc, "postgres-admin.password"))).toBe(false);
    });
  },
);
