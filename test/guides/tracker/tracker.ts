/**
 * Code of `docs/guides/embedding.md`, as it stands there; `embedding.test.ts` compares and runs it.
 *
 * @module
 */
import type { FastifyInstance } from "fastify";
import { createRingwall } from "ringwall";
import { createServer, register } from "ringwall/adapters/fastify";
import { postgresDatabase } from "ringwall/adapters/postgres";
import { type Logger, systemClock } from "ringwall/core";
import { openInstallation } from "ringwall/installation";
import type { Tracker } from "./parts.ts";
import { people } from "./people.ts";
import { tickets } from "./tickets.ts";

export function createTracker(tracker: Tracker): FastifyInstance {
  const { guard } = tracker.ringwall;
  const app = createServer(guard);
  register(app, [...people(tracker), ...tickets(tracker)], guard);
  return app;
}

export async function openTracker(place: { configFile: string; dataDir: string; origin: string }, log: Logger) {
  const { origin, ...files } = place;
  const clock = systemClock;
  const installation = await openInstallation({ ...files, uid: process.getuid?.(), log });
  const ringwall = await createRingwall(installation.config, { ...installation.parts, clock });
  const target = await installation.targetOf("tracker_app");
  const database = postgresDatabase({ target, signer: installation.parts.signer, clock });
  const app = createTracker({ ringwall, database, clock, origin });
  return {
    app,
    async close(): Promise<void> {
      await app.close();
      await database.close();
      await ringwall.close();
      await installation.close();
    },
  };
}
