import { constants } from "node:fs";
import { open } from "node:fs/promises";
import { RingwallError } from "../../core/index.ts";
import { isLocal, type Target } from "./connect.ts";

/** What a configuration says about where PostgreSQL is. */
export interface ConfiguredPlace {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  /** The authorities whose certificates are believed, as a PEM file; those that Node knows when left out. */
  readonly caFile?: string | undefined;
}

/** A system's whole bundle of authorities has about 250 KB. */
const CA_BYTES_MAX = 1_048_576;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * A configured PostgreSQL as one of its roles. Beyond this machine there is always TLS: with `caFile` against that
 * authority alone, without it against those that Node knows.
 * @throws RingwallError `config.invalid` when the file of authorities cannot be used.
 */
export async function configuredTarget(
  { host, port, database, caFile }: ConfiguredPlace,
  user: string,
  credential: Target["credential"],
): Promise<Target> {
  const place = { host, port, database, user, credential };
  if (caFile !== undefined) return { ...place, tls: { ca: await readAuthorities(caFile) } };
  return isLocal(host) ? place : { ...place, tls: {} };
}

async function readAuthorities(path: string): Promise<string> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK).catch((cause: unknown) => {
    throw refused(path, "cannot be read", cause);
  });
  try {
    const stat = await file.stat();
    if (!stat.isFile() || stat.size > CA_BYTES_MAX) throw refused(path, "is not a file of certificates");
    if ((stat.mode & WRITABLE_BY_OTHERS) !== 0) {
      throw refused(path, "can be written by others, who could choose whom to believe; run chmod go-w on it");
    }
    const text = await file.readFile("utf8");
    if (!text.includes("-----BEGIN CERTIFICATE-----")) throw refused(path, "holds no certificate in PEM");
    return text;
  } finally {
    await file.close();
  }
}

function refused(path: string, why: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message: `database.caFile: ${path} ${why}`, cause });
}
