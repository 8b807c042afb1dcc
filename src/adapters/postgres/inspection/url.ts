import { PlainSecret, RingwallError } from "../../../core/index.ts";
import { configuredTarget } from "../configured.ts";
import { isLocal, type Target } from "../connect.ts";

const URL_CHARS_MAX = 4_096;
const PORT = 5_432;
const SCHEMES = new Set(["postgres:", "postgresql:"]);
/** What it means to connect by a URL is said here alone: anything else in one is refused rather than left out. */
const PARAMETERS = new Set(["host", "port", "sslmode", "sslrootcert", "user", "application_name"]);

/**
 * Where a `postgres://user@host:port/database` leads. `?host=/folder` names a unix socket, `sslrootcert` the file of the
 * authority. TLS is always verified, whatever `sslmode` says; `sslmode=disable` is taken on this machine only.
 *
 * @param password - Used when the URL holds none; a URL in a command's arguments can be read by every process.
 * @throws RingwallError `config.invalid`; the message never holds a part of the URL, which may be a password.
 */
export async function urlTarget(text: string, password?: () => Promise<PlainSecret>): Promise<Target> {
  const url = text.length <= URL_CHARS_MAX && URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !SCHEMES.has(url.protocol)) {
    throw refused("is not of the form postgres://user@host:port/database");
  }
  const parameter = (name: string): string | undefined => url.searchParams.get(name) ?? undefined;
  for (const name of url.searchParams.keys()) {
    if (!PARAMETERS.has(name))
      throw refused("has a parameter that is not known; host, port, user, sslmode, sslrootcert are");
  }
  const host = parameter("host") ?? decoded(url.hostname).replace(/^\[(.*)\]$/, "$1");
  const user = decoded(url.username) || parameter("user");
  const database = decoded(url.pathname.slice(1));
  if (host === "" || user === undefined || user === "" || database === "") {
    throw refused("has to name a user, a host and a database");
  }
  if (parameter("sslmode") === "disable" && !isLocal(host)) {
    throw refused("turns TLS off for a server beyond this machine");
  }
  const secret = new PlainSecret(decoded(url.password));
  const credential = url.password === "" ? (password ?? (async () => secret)) : async () => secret;
  const caFile = parameter("sslrootcert");
  return await configuredTarget(
    { host, port: portOf(url.port || parameter("port")), database, caFile },
    user,
    credential,
  );
}

function portOf(text: string | undefined): number {
  const port = text === undefined ? PORT : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw refused("has a port that is none");
  return port;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw refused("has a % that begins no byte");
  }
}

function refused(why: string): RingwallError {
  return new RingwallError("config.invalid", { message: `the URL of the database ${why}` });
}
