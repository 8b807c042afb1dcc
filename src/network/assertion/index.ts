/**
 * The identity assertion: how the gateway tells an application who is asking, in a way that nobody else can.
 *
 * A JWT, ES256, at most a minute old, for one route, method and request target, used once. Guards against whoever
 * reaches the application without the gateway, against assertions kept, replayed, made for another route or for
 * another purpose, against another algorithm or issuer, and against keys that are past their time. Keys rotate with an
 * overlap: the next one is shown a quarter of an hour before it signs, the last one until what it signed is over.
 *
 * Does not bind the body: an assertion travels only over a unix socket or mutual TLS, where nobody stands in between;
 * whoever takes assertions from anything else has given that up. Does not look anybody up: revocation is the gateway's,
 * which asks at every request.
 *
 * Limits: 60 seconds of life, 5 of skew, 524,288 assertions remembered in a generation. Fails closed: no key in its
 * time signs nothing, whatever cannot be checked is `access.denied`.
 *
 * @module
 */
export { ASSERTION_HEADER, type Asserted, type AssertedPerson, type AssertionPurpose } from "./claims.ts";
export { type AssertionKeys, openAssertionKeys } from "./keys.ts";
export { type AssertionSigner, assertionSigner } from "./sign.ts";
export { type AssertionVerifier, assertionVerifier, remoteKeys, type VerifierOptions } from "./verify.ts";
