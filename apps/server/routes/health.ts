import { route } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import { z } from "zod";
import type { Routes } from "./services.ts";

const open = { access: "public", tag: "health", auditRefusals: false } as const;

/** Whether this process lives, and whether it can do its work. Neither says anything about why not. */
export const health: Routes = (services) => [
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
      const { draining, ringwall } = services();
      if (draining()) throw new RingwallError("database.unavailable", { detail: { reason: "draining" } });
      await ringwall.database.ping();
      return { status: "ready" };
    },
  ),
];
