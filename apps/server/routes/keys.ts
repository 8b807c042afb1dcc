import { route } from "ringwall/adapters/fastify";
import { isoTime } from "ringwall/core";
import { listKeys } from "ringwall/data/keys";
import { z } from "zod";
import { list, Time } from "./answers.ts";
import { caller } from "./caller.ts";
import type { Routes } from "./services.ts";

const Key = z.strictObject({ purpose: z.string(), version: z.int(), current: z.boolean(), created_at: Time });

/** The tenant's keys by what they are for. No key, wrapped or not, ever leaves the server. */
export const keys: Routes = (services) => [
  route(
    "GET",
    "/v1/keys",
    {
      access: { permission: "admin:settings" },
      output: list(Key),
      summary: "Lists the tenant's keys by purpose, version and age; never a key.",
      tag: "keys",
    },
    async ({ exchange }) => {
      const principal = caller(exchange);
      const found = await listKeys(services().ringwall.database, principal.tenant, principal);
      return {
        items: found.map(({ createdMs, purpose, version }, index) => ({
          purpose,
          version,
          // The newest of a purpose comes first.
          current: found[index - 1]?.purpose !== purpose,
          created_at: isoTime(createdMs),
        })),
      };
    },
  ),
];
