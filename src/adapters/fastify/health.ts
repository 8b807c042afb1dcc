import { z } from "zod";
import { RingwallError } from "../../core/index.ts";
import { type RouteDefinition, route } from "./route.ts";

/** What a process can say about itself. */
export interface Health {
  /** True while it ends: it still answers, and balancers should send nothing new. */
  readonly draining: boolean;
  /** What it cannot work without; rejects when that does not answer. */
  readonly ping: () => Promise<void>;
}

const open = { access: "public", tag: "health", auditRefusals: false } as const;

/**
 * `/healthz`, whether this process lives, and `/readyz`, whether it can do its work. Neither says anything about why not.
 * @param health - Asked at each request.
 */
export function healthRoutes(health: () => Health): readonly RouteDefinition[] {
  return [
    route(
      "GET",
      "/healthz",
      { ...open, liveness: true, output: z.strictObject({ status: z.literal("ok") }), summary: "The process lives." },
      () => ({ status: "ok" }),
    ),
    route(
      "GET",
      "/readyz",
      { ...open, output: z.strictObject({ status: z.literal("ready") }), summary: "The server can do its work." },
      async () => {
        const { draining, ping } = health();
        if (draining) throw new RingwallError("database.unavailable", { detail: { reason: "draining" } });
        await ping();
        return { status: "ready" };
      },
    ),
  ];
}
