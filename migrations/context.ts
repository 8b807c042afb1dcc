import { type Kysely, sql } from "kysely";
import { assert, RingwallError } from "../src/core/index.ts";
import { CONTEXT_KEY_BYTES, CONTEXT_LIFE_MS_MAX, type ContextKey } from "../src/data/tenants/index.ts";
import { definerFunction } from "./wall.ts";

/** Two, so that contexts signed just before a rotation still verify. */
const LIVE_KEYS = 2;
const HMAC_BLOCK_BYTES = 64;

interface Pads {
  readonly kid: string;
  readonly inner_pad: Buffer;
  readonly outer_pad: Buffer;
}

/**
 * Installs a context key beside the one in use, and retires those before. Signers may switch to it when this returned;
 * contexts signed with the previous key go on verifying until the next rotation. Doing it again changes nothing.
 *
 * @param db - Connected as `ringwall_migrate`.
 * @throws RingwallError `config.invalid` when the kid is taken by another key.
 */
export async function installContextKey(db: Kysely<unknown>, key: ContextKey): Promise<void> {
  const pads = keyPads(key);
  await db.transaction().execute(async (tx) => {
    await sql`lock table ringwall.context_key in share row exclusive mode`.execute(tx);
    await sql`
      insert into ringwall.context_key (kid, inner_pad, outer_pad, created_at)
      values (${pads.kid}, ${pads.inner_pad}, ${pads.outer_pad}, clock_timestamp()) on conflict (kid) do nothing`.execute(
      tx,
    );
    await sql`
      delete from ringwall.context_key where kid not in
        (select kid from ringwall.context_key order by created_at desc limit ${LIVE_KEYS})`.execute(tx);
    const { rows } = await sql<Pads>`
      select kid, inner_pad, outer_pad from ringwall.context_key order by created_at desc`.execute(tx);
    const same = rows.some(({ kid, inner_pad }) => kid === pads.kid && inner_pad.equals(pads.inner_pad));
    if (!same) {
      throw new RingwallError("config.invalid", {
        message: "the context key's kid was used for another key, or was retired; make a new one",
      });
    }
    await createTenantFunction(tx);
  });
}

/** The keys that verify contexts, the newest first. @param db - Connected as `ringwall_migrate`. */
export async function liveContextKeys(
  db: Kysely<unknown>,
): Promise<readonly { readonly kid: string; readonly ageSeconds: number }[]> {
  const { rows } = await sql<{ kid: string; ageSeconds: number }>`
    select kid, extract(epoch from clock_timestamp() - created_at)::float8 as "ageSeconds"
    from ringwall.context_key order by created_at desc`.execute(db);
  return rows;
}

/** The key XOR the two constants of HMAC (RFC 2104, section 2), each as long as a block of SHA-256. */
function keyPads({ kid, key }: ContextKey): Pads {
  assert(key.length === CONTEXT_KEY_BYTES, "a context key has 32 bytes");
  const pad = (constant: number): Buffer => {
    const block = Buffer.alloc(HMAC_BLOCK_BYTES, constant);
    for (const [index, byte] of key.entries()) block[index] = constant ^ byte;
    return block;
  };
  return { kid, inner_pad: pad(0x36), outer_pad: pad(0x5c) };
}

/**
 * Makes `ringwall.tenant()`: NULL without a context, the tenant of a valid one, an error for everything else.
 *
 * Runs with its owner's rights under whatever search_path the caller has, so every function and type is qualified and
 * no operator is used (an operator is looked up in the search_path too); a SET clause would do the same at a price per
 * call. Few expressions and few nodes in them, because PL/pgSQL prepares each anew in each transaction: measured, 47 us
 * of CPU for the first call in a transaction and 11 for later ones.
 *
 * The keys are rows and never a part of the text. Whoever may run any SQL can make an expression of this function fail
 * while it is prepared (by using the stack up before it is called), and PostgreSQL then quotes the expression.
 *
 * Both sides of the MAC are hashed again before they are compared, so that the time of the comparison says nothing
 * about them. The backend's number is part of what is signed and not of the token: another backend computes another MAC.
 */
export async function createTenantFunction(db: Kysely<unknown>): Promise<void> {
  await sql`
    create or replace function ringwall.tenant() returns text
      language plpgsql stable security definer parallel restricted
      as ${sql.lit(BODY)}`.execute(db);
  await sql`comment on function ringwall.tenant() is ${sql.lit("holding: table")}`.execute(db);
  const { rows } = await sql<{ owned: boolean }>`
    select proowner = 'ringwall_definer'::regrole as owned from pg_proc where oid = 'ringwall.tenant()'::regprocedure`.execute(
    db,
  );
  if (rows[0]?.owned !== true)
    await definerFunction(db, "tenant()", ["ringwall_app", "ringwall_worker", "ringwall_client"]);
}

/** Replaces a function of an earlier version that has its keys in its text. */
export async function renewTenantFunction(db: Kysely<unknown>): Promise<void> {
  const { rows } = await sql<{ holding: string | null }>`
    select pg_catalog.obj_description('ringwall.tenant()'::regprocedure, 'pg_proc') as holding`.execute(db);
  if (rows[0]?.holding !== "holding: table") await createTenantFunction(db);
}

const WINDOW_SECONDS = CONTEXT_LIFE_MS_MAX / 2_000;

/**
 * Compares with the start of the transaction, so that a context does not end in the middle of one;
 * |expiry - 15 - now| < 15 refuses both what has ended and what claims more than 30 seconds.
 */
const BODY = `
declare
  token pg_catalog.text := pg_catalog.current_setting('ringwall.context', true);
  key_inner pg_catalog.bytea;
  key_outer pg_catalog.bytea;
begin
  select k.inner_pad, k.outer_pad into key_inner, key_outer from ringwall.context_key k
    where pg_catalog.texteq(k.kid, pg_catalog.split_part(token, '.', 2));
  return case
    when pg_catalog.starts_with(token, 'v1.')
      and pg_catalog.byteaeq(
        pg_catalog.sha256(pg_catalog.decode(pg_catalog.right(token, 64), 'hex')),
        pg_catalog.sha256(pg_catalog.sha256(pg_catalog.byteacat(key_outer,
          pg_catalog.sha256(pg_catalog.byteacat(key_inner, pg_catalog.convert_to(
            pg_catalog.textcat(pg_catalog.left(token, -64), cast(pg_catalog.pg_backend_pid() as pg_catalog.text)),
            'UTF8')))))))
      and pg_catalog.float8lt(pg_catalog.float8abs(pg_catalog.float8mi(
        pg_catalog.float8mi(cast(pg_catalog.split_part(token, '.', 4) as pg_catalog.float8), ${WINDOW_SECONDS}),
        pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()))), ${WINDOW_SECONDS})
    then pg_catalog.split_part(token, '.', 3)
    when token is null or pg_catalog.texteq(token, '') then null
    else ringwall.refuse_context()
  end;
end`;
