import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { type RingwallConfig, RingwallConfig as Schema } from "ringwall";
import { readPrivateFile } from "ringwall/adapters/files";
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
/** `uid` is this process's user, where there is such a thing: files with secrets must be its own or root's. */
export type Runtime = z.output<typeof Runtime> & { readonly uid: number | undefined };

const SECRET_BYTES_MAX = 4_096;

export async function readRuntime(
  path: string,
  uid: number | undefined,
): Promise<{ runtime: Runtime; config: RingwallConfig }> {
  const runtime = { ...parseConfig(Runtime, JSON.parse(await readFile(path, "utf8"))), uid };
  const config = parseConfig(Schema, JSON.parse(await readFile(runtime.configFile, "utf8")));
  return { runtime, config };
}

/** Where the database is, as one of its roles. The password is read anew for each connection. */
export async function targetOf(runtime: Runtime, config: RingwallConfig, role: string): Promise<Target> {
  const credential = (): Promise<PlainSecret> => readSecret(runtime, `${role}.password`);
  if (runtime.postgres !== null) return { ...runtime.postgres, user: role, credential };
  const { database } = config;
  if (database.kind !== "postgres") throw new RingwallError("config.invalid", { message: "there is no PostgreSQL" });
  const { caFile, host, port } = database;
  const tls = caFile === undefined ? {} : { tls: { ca: await readFile(caFile, "utf8") } };
  return { host, port, database: database.database, user: role, credential, ...tls };
}

/** The key that signs tenant contexts, as `kid:base64url` in its file. */
export async function readSigner(runtime: Runtime): Promise<ContextSigner> {
  const text = (await readSecret(runtime, "context.key")).open();
  const colon = text.indexOf(":");
  return contextSigner({ kid: text.slice(0, colon), key: Buffer.from(text.slice(colon + 1), "base64url") });
}

/** A password or key of Ringwall's own, from its 0600 file. */
async function readSecret({ dataDir, uid }: Runtime, name: string): Promise<PlainSecret> {
  const path = join(dataDir, "secrets", name);
  return new PlainSecret((await readPrivateFile(path, { bytesMax: SECRET_BYTES_MAX, uid })).trim());
}
