import { Answer, healthRoutes, route } from "ringwall/adapters/fastify";
import { z } from "zod";
import type { Routes } from "./services.ts";

/** Whether this process lives and can do its work, and its numbers: those for collectors on this machine alone. */
export const health: Routes = (services) => [
  ...healthRoutes(() => {
    const { draining, ringwall } = services();
    return { draining: draining(), ping: () => ringwall.database.ping() };
  }),
  route(
    "GET",
    "/metrics",
    {
      access: "operator",
      output: z.string(),
      summary: "The numbers of this process, in the text format of Prometheus.",
      tag: "health",
      auditRefusals: false,
    },
    async () => {
      const { metrics } = services();
      return new Answer(200, await metrics.text(), { "content-type": metrics.contentType });
    },
  ),
];
