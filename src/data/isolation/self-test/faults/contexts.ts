import type { ContextEntry } from "../../probes/index.ts";
import type { SqlSession } from "../../session.ts";
import { CONTEXT, SETTING } from "../base.ts";
import { type Fault, planting } from "../fault.ts";

const held = (condition: string): string =>
  planting`drop policy wall on shop.customer;\ncreate policy wall on shop.customer as restrictive using (${condition});\n`;
const by = (volatility: string): string =>
  planting`create function shop.me() returns text language sql ${volatility} as $body$select nullif(current_setting('${SETTING}', true), '')$body$;\n${held("tenant_id = shop.me()")}`;

/** A context with an end and a backend in it, which the database may look at or not. Not signed: it is for these faults. */
function stamped(): ContextEntry {
  const at = (ends: string, backend: string) => async (session: SqlSession, tenant: string) => {
    const text = planting`select set_config('${SETTING}', $1 || '|' || ${ends} || '|' || ${backend}, true)`;
    await session.query(text, [tenant]);
  };
  const [later, past, own] = [
    "extract(epoch from now() + interval '1 minute')",
    "extract(epoch from now() - interval '1 minute')",
    "pg_backend_pid()",
  ];
  return {
    setting: SETTING,
    context: async (_session, tenant) => tenant,
    enter: at(later, own),
    refused: { expired: at(past, own), otherBackend: at(later, planting`${own} + 1`) },
  };
}

const stampedBy = (conditions: string): string =>
  planting`create function shop.me() returns text language sql stable as $body$select split_part(current_setting('${SETTING}', true), '|', 1) where true ${conditions}$body$;\n${[
    "tenant",
    "customer",
    "purchase",
    "line",
    "event",
  ]
    .map(
      (table) =>
        planting`drop policy wall on shop.${table};\ncreate policy wall on shop.${table} as restrictive using (tenant_id = (select shop.me()));\n`,
    )
    .join("")}`;
const FRESH = planting`and nullif(split_part(current_setting('${SETTING}', true), '|', 2), '')::numeric > extract(epoch from now())`;
const BOUND = planting`and split_part(current_setting('${SETTING}', true), '|', 3) = pg_backend_pid()::text`;

/** A context that no savepoint takes back: a sequence holds it. */
const sequenced: ContextEntry = {
  setting: SETTING,
  context: async (_session, tenant) => tenant,
  async enter(session, tenant) {
    await session.query("select setval('shop.whose', (hashtext($1) & 1073741823) + 1)", [tenant]);
    await session.query("select set_config($1, $2, true)", [SETTING, tenant]);
  },
};
const SEQUENCED = planting`create sequence shop.whose;\ngrant all on sequence shop.whose to $app, $owner;\n${held("(hashtext(tenant_id) & 1073741823) + 1 = (select last_value from shop.whose)")}`;

/** Contexts that are missing, wrong, stale or somebody else's. */
export const CONTEXT_FAULTS: readonly Fault[] = [
  {
    check: "probe-no-context",
    plant: held(planting`tenant_id = ${CONTEXT} or ${CONTEXT} is null`),
    silent: held(planting`tenant_id = ${CONTEXT} and ${CONTEXT} is not null`),
  },
  {
    check: "probe-no-context",
    title: "a default that opens",
    plant: held(planting`tenant_id = coalesce(${CONTEXT}, tenant_id)`),
  },
  {
    check: "probe-empty-context",
    plant: held(planting`tenant_id = ${CONTEXT} or current_setting('${SETTING}', true) = ''`),
    silent: held(planting`tenant_id = ${CONTEXT} and current_setting('${SETTING}', true) <> ''`),
  },
  { check: "probe-malformed-context", plant: held(planting`tenant_id like current_setting('${SETTING}', true)`) },
  {
    check: "probe-malformed-context",
    title: "a word for everything",
    plant: held(planting`current_setting('${SETTING}', true) in (tenant_id, 'all', '*')`),
  },
  {
    check: "probe-expired-context",
    plant: stampedBy(BOUND),
    silent: stampedBy(planting`${FRESH} ${BOUND}`),
    entry: stamped(),
  },
  {
    check: "probe-foreign-context",
    plant: stampedBy(FRESH),
    silent: stampedBy(planting`${FRESH} ${BOUND}`),
    entry: stamped(),
  },
  { check: "probe-row-security-off", plant: "alter role $app bypassrls;\n" },
  { check: "probe-prepared-custom", plant: by("immutable"), silent: by("stable") },
  { check: "probe-prepared-generic", plant: by("immutable"), silent: by("stable") },
  {
    check: "probe-savepoint-context",
    plant: SEQUENCED,
    silent: planting`create sequence shop.whose;\ngrant all on sequence shop.whose to $app, $owner;\n${by("stable")}`,
    entry: sequenced,
  },
];
