import type { Principal } from "ringwall/application/access";
import { RingwallError, type TenantId } from "ringwall/core";
import { caller, type Exchange } from "ringwall/pipeline";

/** Who asks about a tenant: the machine's own operator, who names it, or somebody of it. */
export type Party =
  | { readonly operator: true; readonly tenant: TenantId }
  | { readonly operator: false; readonly principal: Principal };

/**
 * Whose rows a request is about. A person has one tenant whatever is named, and another one answers as a missing one.
 * @param part - Where the name stands, for the answer when the operator left it out.
 */
export function partyOf(exchange: Exchange, tenant: TenantId | undefined, part: "query" | "body"): Party {
  if (exchange.operator) {
    if (tenant === undefined) throw new RingwallError("request.invalid", { detail: { fields: `${part}.tenant` } });
    return { operator: true, tenant };
  }
  const principal = caller(exchange);
  if (tenant !== undefined && tenant !== principal.tenant) throw new RingwallError("resource.not_found");
  return { operator: false, principal };
}
