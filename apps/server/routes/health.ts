import { route } from "ringwall/adapters/fastify";
import { RingwallError } from "ringwall/core";
import type { Routes } from "./services.ts";

/** Whether this process lives, and whether it can do its work. Neither says anything about why not. */
export const health: Routes = ({ ringwall, draining }) => [
  route(
    "GET",
    "/healthz",
    { access: "public", summary: "The process lives.", tag: "health", auditRefusals: false },
    () => ({ status: "ok" }),
  ),
  route(
    "GET",
    "/readyz",
    { access: "public", summary: "The server can do its work.", tag: "health", auditRefusals: false },
    async () => {
      if (draining()) throw new RingwallError("database.unavailable", { detail: { reason: "draining" } });
      await ringwall.database.ping();
      return { status: "ready" };
    },
  ),
];
