import { constants } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { type RingwallConfig, RingwallConfig as Schema } from "ringwall";
import type { Target } from "ringwall/adapters/postgres";
import { PlainSecret, parseConfig, RingwallError } from "ringwall/core";
import { type ContextSigner, contextSigner } from "ringwall/data/tenants";
import { z } from "zod";

/** What the supervisor tells its children, in the file that is their only argument. It holds no secret. */
export const Runtime = z.object({
  configFile: z.string(),
  dataDir: z.string(),
  adminSocket: z.string(),
  postgres: z.object({ host: z.string(), port: z.int(), database: z.string() }).nullable(),
  ports: z.object({ api: z.int(), bank: z.int().nullable() }),
});
export type Runtime = z.output<typeof Runtime>;

const SECRET_BYTES_MAX = 4_096;
const OTHERS = 0o077;

export async function readRuntime(path: string): Promise<{ runtime: Runtime; config: RingwallConfig }> {
  const runtime = parseConfig(Runtime, JSON.parse(await readFile(path, "utf8")));
  const config = parseConfig(Schema, JSON.parse(await readFile(runtime.configFile, "utf8")));
  return { runtime, config };
}

/** Where the database is, as one of its roles. The password is read anew for each connection. */
export async function targetOf(runtime: Runtime, config: RingwallConfig, role: string): Promise<Target> {
  const credential = (): Promise<PlainSecret> => readSecret(join(runtime.dataDir, "secrets", `${role}.password`));
  if (runtime.postgres !== null) return { ...runtime.postgres, user: role, credential };
  const { database } = config;
  if (database.kind !== "postgres") throw new RingwallError("config.invalid", { message: "there is no PostgreSQL" });
  const { caFile, host, port } = database;
  const tls = caFile === undefined ? {} : { tls: { ca: await readFile(caFile, "utf8") } };
  return { host, port, database: database.database, user: role, credential, ...tls };
}

/** The key that signs tenant contexts, as `kid:base64url` in its file. */
export async function readSigner(runtime: Runtime): Promise<ContextSigner> {
  const text = (await readSecret(join(runtime.dataDir, "secrets", "context.key"))).open();
  const colon = text.indexOf(":");
  return contextSigner({ kid: text.slice(0, colon), key: Buffer.from(text.slice(colon + 1), "base64url") });
}

/** A secret in a file that its owner alone may read. @throws RingwallError `config.invalid` that names the file. */
async function readSecret(path: string): Promise<PlainSecret> {
  const refused = (why: string, cause?: unknown): RingwallError =>
    new RingwallError("config.invalid", { message: `the file ${path} ${why}`, cause });
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((error: unknown) => {
    throw refused("cannot be read", error);
  });
  try {
    // Asked of the open file, so that it cannot be exchanged between the check and the reading.
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > SECRET_BYTES_MAX) throw refused("is not a secret's file");
    if ((stat.mode & OTHERS) !== 0) throw refused("can be read by others: chmod 600");
    return new PlainSecret((await file.readFile("utf8")).trim());
  } finally {
    await file.close();
  }
}
