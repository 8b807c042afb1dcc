import { chmod, rm } from "node:fs/promises";
import type { FastifyInstance } from "fastify";
import { addressesOf, createServer, listenOn, type RouteDefinition, register } from "ringwall/adapters/fastify";
import type { ListenerTls } from "ringwall/network";
import { allRoutes, type Services } from "./routes/index.ts";

const SOCKET_MODE = 0o600;

/** Where the API is reached. */
export interface Places {
  readonly host: string;
  readonly port: number;
  /** The local administration socket; its mode is the credential. */
  readonly adminSocket: string;
  /** Certificate and key of the port; left out, it speaks plain HTTP. */
  readonly tls?: ListenerTls | undefined;
  /** The console's pages, for the port alone; none where it is not built. */
  readonly console?: readonly RouteDefinition[];
}

/** The running API. */
export interface Api {
  readonly port: number;
  /** Answers what is under way, then closes both listeners. */
  close(): Promise<void>;
}

/**
 * Serves every route at a port and at the local socket. The caller has set a umask that keeps others out of the socket
 * from the moment it is made.
 */
export async function createApi(services: Services, places: Places): Promise<Api> {
  const { guard } = services.ringwall;
  const routes = allRoutes(() => services);
  const make = (options: { operator: boolean; tls?: ListenerTls | undefined }): FastifyInstance => {
    const server = createServer(guard, options);
    register(server, routes, guard);
    // What comes over the local socket is a program of this machine's operator, which has no use for pages.
    if (!options.operator) register(server, places.console ?? []);
    return server;
  };
  const admin = make({ operator: true });
  await rm(places.adminSocket, { force: true });
  await admin.listen({ path: places.adminSocket });
  await chmod(places.adminSocket, SOCKET_MODE);
  const addresses = addressesOf(places.host);
  const api = await listenOn(() => make({ operator: false, tls: places.tls }), { addresses, port: places.port });
  return {
    port: api.port,
    async close() {
      await api.close();
      await admin.close();
    },
  };
}
