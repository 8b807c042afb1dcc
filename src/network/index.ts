/**
 * Layer 2, network: what a connection is, before and beside who uses it.
 *
 * It guards three things. No listener carries credentials in clear beyond this machine, and none
 * carries development's checks there (`checkListener`, called before binding). And a request's access tier is a pure
 * function of facts with the reasons for what it is not (`tier`), so that a route can ask for a tier and a decision can
 * be replayed. And an application behind the gateway learns who is asking from an assertion that nobody else can make
 * (`assertion/`), over routes whose settings refuse everything that would carry it elsewhere (`gateway/`).
 *
 * Does not yet issue certificates, identify peers by them, or learn about devices: `managedDevice`, `location` and
 * `posture` are facts that the caller has to bring. Fails closed: unknown facts lift no tier, an unreadable host is no
 * loopback.
 *
 * @module
 */
export {
  ASSERTION_HEADER,
  type Asserted,
  type AssertionKeys,
  type AssertionPurpose,
  type AssertionSigner,
  type AssertionVerifier,
  assertionSigner,
  assertionVerifier,
  openAssertionKeys,
  remoteKeys,
} from "./assertion/index.ts";
export {
  carriesAssertion,
  GatewayConfig,
  type GatewayRoute,
  type UpstreamPlace,
  upstreamPlace,
} from "./gateway/index.ts";
export { checkListener, type ListenerFacts, NetworkConfig } from "./listener.ts";
export { isLoopback } from "./loopback.ts";
export { type Tier, type TierDecision, type TierFacts, type TierReason, tier } from "./tier.ts";
