/**
 * The HTTP API, one file a resource. Guards: each route says who may come and what it takes, or it is not registered.
 *
 * @module
 */
import type { RouteDefinition } from "ringwall/adapters/fastify";
import { auditChain } from "./audit/chain.ts";
import { auditEvents } from "./audit/events.ts";
import { bootstrap } from "./bootstrap.ts";
import { description } from "./description.ts";
import { health } from "./health.ts";
import { gatewayRoutes } from "./installation/gateway-routes.ts";
import { overview } from "./installation/overview.ts";
import { invitations } from "./invitations.ts";
import { keys } from "./keys/index.ts";
import { recoveries } from "./recoveries.ts";
import { secrets } from "./secrets.ts";
import type { Services } from "./services.ts";
import { sessions } from "./sessions.ts";
import { signIn } from "./sign-in.ts";
import { tenants } from "./tenants/index.ts";
import { users } from "./users.ts";

export type { Services } from "./services.ts";

const RESOURCES = [
  health,
  bootstrap,
  signIn,
  sessions,
  tenants,
  invitations,
  recoveries,
  users,
  secrets,
  keys,
  auditEvents,
  auditChain,
  overview,
  gatewayRoutes,
];

/** Every route there is, for the API's port and the local socket alike. Services are asked for when a handler runs. */
export function allRoutes(services: () => Services): readonly RouteDefinition[] {
  const routes = RESOURCES.flatMap((resource) => resource(services));
  return [...routes, description(routes)];
}
