import type { FastifyInstance } from "fastify";
import { RingwallError } from "../../core/index.ts";

/** Both addresses of this machine: a browser that is told `localhost` tries one or the other first. */
const LOOPBACK = ["127.0.0.1", "::1"] as const;
/** Where IPv6 is switched off, its loopback address is not there. */
const ABSENT: ReadonlySet<string> = new Set(["EADDRNOTAVAIL", "EAFNOSUPPORT"]);

/** Servers that answer alike, on all their addresses. */
export interface Listening {
  readonly addresses: readonly string[];
  /** The same on all of them. */
  readonly port: number;
  /** Stops accepting, and waits for what is running. */
  close(): Promise<void>;
}

/** The addresses to listen on for a configured host: for this machine's own both, else that one. */
export function addressesOf(host: string): readonly string[] {
  return host === "localhost" || host === LOOPBACK[0] ? LOOPBACK : [host];
}

/**
 * Listens on each address with a server of its own; the first must be had, the others may be absent from this machine.
 * Written out instead of listening on the name `localhost`, whose meaning is in a file of the machine's.
 *
 * @param make - Makes a server; called once for each address.
 * @param options.port - 0 for one that the system chooses.
 * @throws RingwallError `config.invalid` when the port is taken on one of them: a stranger would answer in our place.
 */
export async function listenOn(
  make: () => FastifyInstance,
  { addresses, port }: { readonly addresses: readonly string[]; readonly port: number },
): Promise<Listening> {
  const open: { readonly server: FastifyInstance; readonly address: string }[] = [];
  const close = async (): Promise<void> => {
    await Promise.all(open.map(async ({ server }) => await server.close()));
  };
  let bound = port;
  for (const address of addresses) {
    const server = make();
    try {
      await server.listen({ host: address, port: bound });
      bound = portOf(server) ?? bound;
      open.push({ server, address });
    } catch (error) {
      await server.close();
      const code = error instanceof Error && "code" in error ? String(error.code) : "";
      if (open.length > 0 && ABSENT.has(code)) continue;
      await close();
      throw code === "EADDRINUSE" ? taken(address, bound, error) : error;
    }
  }
  return { addresses: open.map(({ address }) => address), port: bound, close };
}

function portOf(server: FastifyInstance): number | undefined {
  const place = server.server.address();
  return typeof place === "object" && place !== null ? place.port : undefined;
}

function taken(address: string, port: number, cause: unknown): RingwallError {
  const message = `port ${port} of ${address} is taken; stop what uses it, or choose another port`;
  return new RingwallError("config.invalid", { message, cause });
}
