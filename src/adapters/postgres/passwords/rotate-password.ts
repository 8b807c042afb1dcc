import type pg from "pg";
import { type PlainSecret, RingwallError } from "../../../core/index.ts";
import type { Rotator } from "../../../data/secrets/index.ts";
import { openClient, type Target } from "../connect.ts";
import { scramVerifier } from "./scram.ts";

// ALTER ROLE takes no bind parameters. The verifier travels as one all the same, and the server puts it into the command
// itself: no text of ours ever holds it, and neither pg_stat_activity nor a log of statements shows it.
const HAND_OVER = "select pg_catalog.set_config('ringwall.verifier', $1, false)";
const ALTER = `
  do $$
  begin
    execute pg_catalog.format('alter role current_user password %L', pg_catalog.current_setting('ringwall.verifier'));
  end
  $$`;

/**
 * Rotates the password of a PostgreSQL role as that role itself: it signs in with the old password and changes its own,
 * which needs no right that it does not have. The server gets a SCRAM-SHA-256 verifier made here and never the
 * password. Connections that are open stay; new ones need the new password, and the old one is refused.
 *
 * @param target - Where the role signs in. Its `credential` is not used: the rotation brings the passwords.
 */
export function postgresPasswordRotator(target: Omit<Target, "credential">): Rotator {
  return {
    kind: "postgres-password",
    async apply(current, next) {
      // After a crash the server may have `next` already; the caller cannot always know.
      const client = (await signIn(target, current)) ?? (await signIn(target, next));
      if (client === undefined) {
        throw new RingwallError("secrets.rotation_failed", { detail: { step: "sign in", role: target.user } });
      }
      try {
        await client.query(HAND_OVER, [scramVerifier(next)]);
        await client.query(ALTER);
      } finally {
        await client.end();
      }
    },
    async test(next) {
      const client = await signIn(target, next);
      if (client === undefined) return false;
      await client.end();
      return true;
    },
  };
}

/** A connection, or undefined when the server refuses the password. @throws When the server does not answer. */
async function signIn(target: Omit<Target, "credential">, password: PlainSecret): Promise<pg.Client | undefined> {
  let asked = false;
  const refused = new Error("the password was refused");
  try {
    return await openClient(
      {
        ...target,
        // Asked a second time means that the first answer was refused. The next attempts would wait for nothing.
        credential: async () => {
          if (asked) throw refused;
          asked = true;
          return password;
        },
      },
      true,
    );
  } catch (error) {
    if (error === refused) return undefined;
    throw error;
  }
}
