import type { Ringwall } from "ringwall";
import type { RouteDefinition } from "ringwall/adapters/fastify";
import type { Erasures } from "ringwall/data/erasure";
import type { KeyAdministration } from "ringwall/data/rotation";
import type { Rotator } from "ringwall/data/secrets";
import type { Metrics } from "../metrics.ts";
import type { Installation } from "./installation/installation.ts";

/** What routes need while they answer. */
export interface Services {
  readonly ringwall: Ringwall;
  /** Where people reach this server: links start with it. Never taken from a request. */
  readonly publicOrigin: string;
  /** True while the process ends: it still answers, and balancers should send nothing new. */
  readonly draining: () => boolean;
  /** How secrets of the global scope are rotated, by name. A secret that is not here cannot be. */
  readonly rotators: ReadonlyMap<string, Rotator>;
  readonly keyAdministration: KeyAdministration;
  readonly erasures: Erasures;
  /** Has deletions of tenants that are due carried out at once. */
  readonly wakeDeletions: () => void;
  /** The numbers of this process. */
  readonly metrics: Pick<Metrics, "text" | "contentType">;
  /** What the installation says about itself. */
  readonly installation: Installation;
}

/**
 * Each resource's file is a function of this to its routes. Services are asked for when a handler runs, so that the API
 * can be described without a database.
 */
export type Routes = (services: () => Services) => readonly RouteDefinition[];

/** How old a second factor may be for acts that change who may do what: a stolen session must not be enough. */
export const FRESH_SECONDS = 900;

/** No body of these routes is longer: a password of 1,024 characters, each escaped, is 6 KiB. */
export const SMALL_BODY_BYTES = 16_384;

/** What every route in which somebody proves who they are has in common. */
export const entrance = { access: "public", limit: "sign-in", bodyBytesMax: SMALL_BODY_BYTES } as const;
