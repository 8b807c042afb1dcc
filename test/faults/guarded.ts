import type { FastifyInstance } from "fastify";
import { createServer, register, route } from "../../src/adapters/fastify/index.ts";
import { type CounterStore, RingwallError, silentLogger, systemClock } from "../../src/core/index.ts";
import { createPerimeter, PerimeterConfig } from "../../src/perimeter/index.ts";
import { createGuard } from "../../src/pipeline.ts";

/** A server with nothing behind its guard but one act, which a test watches. */
export interface Guarded {
  readonly app: FastifyInstance;
  readonly port: number;
}

/**
 * `GET /act` runs `act` for anybody whom the perimeter lets through. `beforeClose` runs when the server was asked to end,
 * before it stops listening.
 */
export async function serveGuarded(
  counters: CounterStore,
  act: () => void,
  beforeClose: () => Promise<void> = async () => await Promise.resolve(),
): Promise<Guarded> {
  const perimeter = createPerimeter(PerimeterConfig.parse({}), { mode: "development", counters, clock: systemClock });
  const guard = createGuard({
    perimeter,
    authenticate: () => {
      throw new RingwallError("identity.sign_in_required");
    },
    recorder: { note: () => undefined },
    log: silentLogger,
    clock: systemClock,
  });
  const app = createServer(guard);
  const handler = (): object => {
    act();
    return { done: true };
  };
  register(app, [route("GET", "/act", { access: "public", summary: "Acts.", auditRefusals: false }, handler)]);
  app.addHook("preClose", beforeClose);
  await app.listen({ host: "127.0.0.1", port: 0 });
  const address = app.server.address();
  if (typeof address !== "object" || address === null) throw new Error("a server listens on a port");
  return { app, port: address.port };
}
