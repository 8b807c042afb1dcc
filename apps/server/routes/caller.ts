import type { Principal } from "ringwall/application/access";
import { RingwallError } from "ringwall/core";
import type { Exchange } from "ringwall/pipeline";

/** Who is asking. The pipeline has made sure there is somebody; a route that is open to all has nobody. */
export function caller({ principal }: Exchange): Principal {
  if (principal === undefined) throw new RingwallError("identity.sign_in_required");
  return principal;
}
