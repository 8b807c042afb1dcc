/**
 * Passwords of database roles: the verifier that stands for one, and their rotation.
 *
 * Guards: a password reaches the server as a SCRAM verifier only. Does not guard what is done with the role. Fails closed:
 * a rotation that the server did not confirm is an error.
 *
 * @module
 */
export { postgresPasswordRotator } from "./rotate-password.ts";
export { scramVerifier } from "./scram.ts";
