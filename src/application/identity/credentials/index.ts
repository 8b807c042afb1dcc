/**
 * Credentials by themselves: addresses, passwords, codes and bearer tokens, before any account is known.
 *
 * Guards against two spellings of one account, passwords cut, stripped or hashed on the event loop, codes taken
 * outside their window, and bearer tokens stored in a form that could be presented. Everything but the hasher's queue
 * is a pure function; nothing here knows the database. Whether a code was used before, and how often somebody may
 * try, is decided where the rows are.
 *
 * @module
 */
export { normaliseEmail } from "./email.ts";
export { createHasher, type Hasher } from "./hasher.ts";
export { preparePassword, requireAcceptable } from "./password.ts";
export { type Credentials, sessionToken } from "./session-token.ts";
export { accountCommitment, isToken, type MintedToken, mintToken, type Pepper, tokenDigest } from "./tokens.ts";
export { enrolmentUri, matchStep, newSeed } from "./totp.ts";
