import type { Ringwall } from "ringwall";
import type { RouteDefinition } from "ringwall/adapters/fastify";
import type { Origin } from "ringwall/application/identity";
import { isoTime } from "ringwall/core";
import type { Exchange } from "ringwall/pipeline";

/** What routes need. Each resource's file is a function of this to its routes. */
export interface Services {
  readonly ringwall: Ringwall;
  /** Where people reach this server: links start with it. Never taken from a request. */
  readonly publicOrigin: string;
  /** True while the process ends: it still answers, and balancers should send nothing new. */
  readonly draining: () => boolean;
}

/** How old a second factor may be for acts that change who may do what: a stolen session must not be enough. */
export const FRESH_SECONDS = 900;

export type Routes = (services: Services) => readonly RouteDefinition[];

/** Where a request came from, for sessions and audit. */
export function originOf({ id, visit }: Exchange): Origin {
  const { userAgent } = visit.header;
  return { address: visit.client.address, requestId: id, ...(userAgent === undefined ? {} : { userAgent }) };
}

/** A link whose token stands in the fragment, which browsers send to nobody. */
export function linkAnswer(
  services: Services,
  page: "bootstrap" | "invitation" | "recovery",
  issued: { readonly token: { open(): string }; readonly expiresMs: number },
): { link: string; expires_at: string } {
  return {
    link: `${services.publicOrigin}/${page}#${issued.token.open()}`,
    expires_at: isoTime(issued.expiresMs),
  };
}
