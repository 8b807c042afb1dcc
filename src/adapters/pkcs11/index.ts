/**
 * A master key in a PKCS#11 token: an HSM of any maker, or SoftHSM.
 *
 * Guards: the key is used inside the token and never leaves it; a key that could be taken out is refused. What it wraps
 * opens only with the same key and in the same context. Calls run in a thread of their own, so a slow token holds up
 * nobody else.
 *
 * Does not guard against who can sign in to the token: the PIN is read from a 0600 file when a session is opened, and
 * passes through this process's memory. Tenant keys that the token unwrapped are in this process, like with any master.
 *
 * Needs the package `pkcs11js`, which is native and optional: without it everything else installs and runs, and this one
 * says so. Tokens that insist on nonces of their own cannot do `aes-gcm` here; `aes-key-wrap` is for them, and needs a
 * second key for the MAC.
 *
 * Fails closed: a token that does not answer within ten seconds is `keys.unavailable`; a PIN that was refused is never
 * tried again by the same process.
 *
 * @module
 */
export { type Pkcs11Options, pkcs11Master } from "./master-key.ts";
export type { TokenPlace, Wrapping } from "./token.ts";
