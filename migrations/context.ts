import { type Kysely, sql } from "kysely";
import { assert, RingwallError } from "../src/core/index.ts";
import { CONTEXT_KEY_BYTES, CONTEXT_LIFE_MS_MAX, type ContextKey } from "../src/data/tenants/index.ts";
import { definerFunction } from "./wall.ts";

/**
 * Where the verifying function finds its keys. `table`: reads `ringwall.context_key`, works on any PostgreSQL.
 * `constant`: the keys stand in the function's text, which `hideFunctionTexts` hides from every login but the owner's;
 * saves the read of the table at each call, and needs a superuser once.
 */
export type Holding = "table" | "constant";

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
export async function installContextKey(db: Kysely<unknown>, key: ContextKey, holding: Holding): Promise<void> {
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
    await createTenantFunction(tx, holding === "table" ? { kind: "table" } : { kind: "constant", keys: rows });
  });
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

type KeySource = { readonly kind: "table" } | { readonly kind: "constant"; readonly keys: readonly Pads[] };

/**
 * Makes `ringwall.tenant()`: NULL without a context, the tenant of a valid one, an error for everything else.
 *
 * Runs with its owner's rights under whatever search_path the caller has, so every function and type is qualified and
 * no operator is used (an operator is looked up in the search_path too). A SET clause would do the same at a price
 * per call; see the measurements in docs/decisions. The MAC is checked first, so that only what we signed is ever parsed; both sides
 * are hashed again before they are compared, which makes the time of the comparison say nothing about the MAC.
 */
export async function createTenantFunction(db: Kysely<unknown>, source: KeySource): Promise<void> {
  const body = source.kind === "table" ? TABLE_BODY : constantBody(source.keys);
  await sql`
    create or replace function ringwall.tenant() returns text
      language plpgsql stable security definer parallel restricted
      as ${sql.lit(body)}`.execute(db);
  await sql`comment on function ringwall.tenant() is ${sql.lit(`holding: ${source.kind}`)}`.execute(db);
  const { rows } = await sql<{ owned: boolean }>`
    select proowner = 'ringwall_definer'::regrole as owned from pg_proc where oid = 'ringwall.tenant()'::regprocedure`.execute(
    db,
  );
  if (rows[0]?.owned !== true)
    await definerFunction(db, "tenant()", ["ringwall_app", "ringwall_worker", "ringwall_client"]);
}

/** True for a token that verifies. `inner` and `outer` name the two key blocks, as SQL expressions. */
function verifies(inner: string, outer: string): string {
  return `
    pg_catalog.byteaeq(
      pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.right(token, 64), 'UTF8')),
      pg_catalog.sha256(pg_catalog.convert_to(pg_catalog.encode(
        pg_catalog.sha256(pg_catalog.byteacat(${outer},
          pg_catalog.sha256(pg_catalog.byteacat(${inner},
            pg_catalog.convert_to(pg_catalog.left(token, -65), 'UTF8'))))), 'hex'), 'UTF8')))
    and pg_catalog.starts_with(token, 'v1.')
    and pg_catalog.texteq(pg_catalog.split_part(token, '.', 5), cast(pg_catalog.pg_backend_pid() as pg_catalog.text))
    and pg_catalog.float8gt(cast(pg_catalog.split_part(token, '.', 4) as pg_catalog.float8), ${NOW_MS})
    and pg_catalog.float8le(cast(pg_catalog.split_part(token, '.', 4) as pg_catalog.float8),
      pg_catalog.float8pl(${NOW_MS}, ${CONTEXT_LIFE_MS_MAX}))`;
}

/** The start of the transaction, so that a context does not end in the middle of one. */
const NOW_MS = "pg_catalog.float8mul(pg_catalog.date_part('epoch', pg_catalog.transaction_timestamp()), 1000)";

// tidy-allow(sql): a body of constants of this file; no value of a request or a row is ever part of it.
const TABLE_BODY = `
declare
  token pg_catalog.text := pg_catalog.current_setting('ringwall.context', true);
  key_inner pg_catalog.bytea;
  key_outer pg_catalog.bytea;
begin
  if token is null or pg_catalog.texteq(token, '') then
    return null;
  end if;
  select k.inner_pad, k.outer_pad into key_inner, key_outer from ringwall.context_key k
    where pg_catalog.texteq(k.kid, pg_catalog.split_part(token, '.', 2));
  return case when ${verifies("key_inner", "key_outer")}
    then pg_catalog.split_part(token, '.', 3) else ringwall.refuse_context() end;
end`;

function constantBody(keys: readonly Pads[]): string {
  // Hex digits and a kid of letters and digits: nothing in it can end the literal.
  const pick = (pad: "inner_pad" | "outer_pad"): string => {
    const whens = keys.map((key) => {
      assert(/^[a-z0-9]{1,16}$/.test(key.kid), "a kid is letters and digits");
      return `when pg_catalog.texteq(pg_catalog.split_part(token, '.', 2), '${key.kid}') then '\\x${key[pad].toString("hex")}'::pg_catalog.bytea`;
    });
    return `case ${whens.join(" ")} end`;
  };
  return `
declare
  token pg_catalog.text := pg_catalog.current_setting('ringwall.context', true);
begin
  return case
    when token is null or pg_catalog.texteq(token, '') then null
    when ${verifies(pick("inner_pad"), pick("outer_pad"))}
    then pg_catalog.split_part(token, '.', 3) else ringwall.refuse_context() end;
end`;
}
