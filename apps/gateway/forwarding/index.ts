/** One request and its answer between visitor and upstream, and connections that become something else. */
export { Relay, Relays } from "./relay.ts";
export { joinUpgrade } from "./upgrade.ts";
export { openUpstream, type Upstream } from "./upstream.ts";
