import { createHash, createHmac, pbkdf2Sync } from "node:crypto";
import { assert, type PlainSecret, RingwallError, randomBytes } from "../../../core/index.ts";

/** PostgreSQL's own default. The passwords are 256 random bits, which no number of iterations has to protect. */
const ITERATIONS = 4_096;
const SALT_BYTES = 16;
const HASH_BYTES = 32;

/**
 * What PostgreSQL stores for a password (RFC 5803: `SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey`), so that
 * `ALTER ROLE ... PASSWORD` carries it in place of the password.
 *
 * @throws RingwallError `config.invalid` for a password with anything but printable ASCII: SASLprep would change others.
 */
export function scramVerifier(password: PlainSecret, salt = randomBytes(SALT_BYTES), iterations = ITERATIONS): string {
  const text = password.open();
  if (!/^[\x20-\x7e]{1,1000}$/.test(text)) {
    throw new RingwallError("config.invalid", { message: "a database password must be printable ASCII" });
  }
  assert(iterations >= ITERATIONS && salt.length >= SALT_BYTES, "a verifier is at least as strong as PostgreSQL's own");
  const salted = pbkdf2Sync(text, salt, iterations, HASH_BYTES, "sha256");
  const clientKey = createHmac("sha256", salted).update("Client Key").digest();
  const storedKey = createHash("sha256").update(clientKey).digest("base64");
  const serverKey = createHmac("sha256", salted).update("Server Key").digest("base64");
  return `SCRAM-SHA-256$${iterations}:${salt.toString("base64")}$${storedKey}:${serverKey}`;
}
