import { isIPv4, isIPv6 } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { checkServerIdentity, type PeerCertificate } from "node:tls";
import { Client, type QueryResult, type QueryResultRow } from "pg";
import { type PlainSecret, RingwallError } from "../../core/index.ts";
import { connectReason, isInvalidPassword, unavailable } from "./errors.ts";

/** Where a PostgreSQL is, and as whom. Never holds the password: that is fetched when a connection is made. */
export interface Target {
  /** The folder of a unix socket (starts with `/`), or a host name or address. */
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
  /** Required beyond this machine. The certificate and the host name are always verified; without `ca` against Node's own list. */
  readonly tls?: { readonly ca?: string };
  /** Fetches the password, afresh for each connection, so that a rotation needs no restart. */
  readonly credential: () => Promise<PlainSecret>;
}

/** A server that does not answer by then is treated as gone. */
export const CONNECT_MS = 5_000;
/** No statement of a request may run longer; a migration's may. */
export const STATEMENT_MS = 10_000;
/** Waiting longer for a lock is an overload, and is refused. */
export const LOCK_MS = 5_000;
/** A transaction that sits idle holds locks; the server ends it. */
export const IDLE_IN_TRANSACTION_MS = 15_000;

/** A rotated password may be known to the server a moment before it is known to us. */
const PASSWORD_ATTEMPTS = 4;
const PASSWORD_RETRY_MS = 150;
const KEEPALIVE_MS = 10_000;

/**
 * Opens one connection.
 * @param interactive - False for migrations, which have no statement timeout.
 * @param options - In place of our settings, as `-c name=value`; empty for a pooler, which takes none.
 * @throws RingwallError `database.unavailable`; `config.invalid` for a plain connection beyond this machine.
 */
export async function openClient(
  target: Target,
  interactive: boolean,
  options: string = sessionOptions(interactive),
): Promise<Client> {
  const ssl = tlsOptions(target);
  for (let attempt = 1; ; attempt += 1) {
    const client = new Client({
      host: target.host,
      port: target.port,
      database: target.database,
      user: target.user,
      password: (await target.credential()).open(),
      ssl,
      application_name: `ringwall ${target.user}`,
      connectionTimeoutMillis: CONNECT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEPALIVE_MS,
      options,
    });
    // Without a listener an error of an idle connection would end the process; the connection's owner adds its own.
    client.on("error", () => {});
    try {
      await client.connect();
      return client;
    } catch (error) {
      client.end().catch(() => {});
      if (!isInvalidPassword(error) || attempt === PASSWORD_ATTEMPTS) {
        throw unavailable(error, { stage: "connect", ...connectReason(error) });
      }
      await delay(PASSWORD_RETRY_MS * attempt);
    }
  }
}

/**
 * What a new connection answers first. The server, or the way to it, may fall silent right after it let us in, and nobody
 * watches a connection yet that nobody has: after as long as connecting may take it is ended.
 * @throws Error when the connection is lost, or was ended for that.
 */
export async function firstAnswer<Row extends QueryResultRow>(client: Client, text: string): Promise<QueryResult<Row>> {
  const late = setTimeout(() => void client.connection.stream.destroy(), CONNECT_MS);
  try {
    return await client.query<Row>(text);
  } finally {
    clearTimeout(late);
  }
}

function sessionOptions(interactive: boolean): string {
  const settings: Record<string, string | number> = {
    TimeZone: "UTC",
    DateStyle: "ISO",
    IntervalStyle: "iso_8601",
    bytea_output: "hex",
    extra_float_digits: 1,
    lock_timeout: interactive ? LOCK_MS : 0,
    statement_timeout: interactive ? STATEMENT_MS : 0,
    idle_in_transaction_session_timeout: interactive ? IDLE_IN_TRANSACTION_MS : 0,
  };
  return Object.entries(settings)
    .map(([name, value]) => `-c ${name}=${value}`)
    .join(" ");
}

interface TlsOptions {
  readonly rejectUnauthorized: true;
  readonly minVersion: "TLSv1.2";
  readonly checkServerIdentity: (name: string, certificate: PeerCertificate) => Error | undefined;
  readonly ca?: string;
}

/** A unix socket and the loopback need no TLS; everything else does, with the certificate and the name verified. */
function tlsOptions({ host, tls }: Target): false | TlsOptions {
  if (tls !== undefined) {
    return {
      rejectUnauthorized: true,
      minVersion: "TLSv1.2",
      // Written out, because the driver does not pass an address on: without a name Node would compare with "localhost".
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
      ...(tls.ca === undefined ? {} : { ca: tls.ca }),
    };
  }
  if (isLocal(host)) return false;
  throw new RingwallError("config.invalid", {
    message: "a PostgreSQL beyond this machine needs TLS; configure tls with the authority that signed its certificate",
  });
}

/** A unix socket's folder, or a name or address that stays on this machine. */
export function isLocal(host: string): boolean {
  if (host.startsWith("/") || host === "localhost") return true;
  return (isIPv4(host) && host.startsWith("127.")) || (isIPv6(host) && host === "::1");
}
