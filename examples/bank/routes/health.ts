import { type RouteDefinition, route } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import { z } from "zod";
import type { Bank } from "../bank.ts";

const Status = z.strictObject({ status: z.string() });

/** Whether the process lives, and whether it can do its work. */
export function health({ database, draining }: Bank): readonly RouteDefinition[] {
  return [
    route(
      "GET",
      "/healthz",
      { access: "public", output: Status, summary: "The process lives.", auditRefusals: false, liveness: true },
      () => ({ status: "ok" }),
    ),
    route(
      "GET",
      "/readyz",
      { access: "public", output: Status, summary: "The bank can do its work.", auditRefusals: false },
      async () => {
        if (draining()) throw new RingwallError("database.unavailable", { detail: { reason: "draining" } });
        await database.ping();
        return { status: "ready" };
      },
    ),
  ];
}
