import type { Exchange, Guard } from "../../pipeline.ts";

/** What is known of a request when its head is there. */
export type Arrived = Pick<Exchange, "visit" | "authorization" | "policy" | "route" | "operator">;

/** A fresh exchange: nobody is known yet, and nothing of the body. */
export function newExchange({ sessionCookie }: Guard, arrived: Arrived): Exchange {
  const { authorization, operator, policy, route, visit } = arrived;
  return {
    id: visit.requestId,
    visit,
    authorization,
    policy,
    route,
    principal: undefined,
    operator,
    sessionCookie,
    tier: 0,
    nonce: undefined,
    params: undefined,
    query: undefined,
    body: undefined,
    answered: false,
    refusal: undefined,
  };
}
