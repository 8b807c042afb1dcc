/**
 * Layer 2, network: what a connection is, before and beside who uses it.
 *
 * In this form it guards four things. No listener carries credentials in clear beyond this machine, and none carries
 * development's checks there (`checkListener`, called before binding). A listener that speaks TLS speaks 1.3, or 1.2 with
 * forward secrecy where that is set, and takes a new certificate without losing a connection (`openListenerTls`). A
 * request's access tier is a pure function of facts with the reasons for what it is not (`tier`), so that a route can
 * ask for a tier and a decision can be replayed. And an application behind the gateway learns who is asking from an
 * assertion that nobody else can make (`assertion/`), over routes whose settings refuse everything that would carry it
 * elsewhere (`gateway/`).
 *
 * Does not yet identify peers by certificates or learn about devices: `managedDevice`, `location` and `posture` are
 * facts that the caller has to bring. Fails closed: unknown facts lift no tier, an unreadable host is no loopback, a
 * certificate that does not fit its key keeps a server from starting and a running one at its old certificate.
 *
 * Limits: 10 s for a handshake; new files are seen within 10 s; a file of certificates has at most 256 KiB.
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
export {
  type ListenerTls,
  openListenerTls,
  type Reload,
  type TlsFiles,
  type TlsOptions,
  type TlsParts,
} from "./tls.ts";
