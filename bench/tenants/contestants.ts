import { type SqlValue, statement, type TenantId } from "../../src/core/index.ts";
import { KEY_KEEPER } from "../../src/data/keys/index.ts";
import type { Step } from "../tax/lean/database.ts";
import { ROWS_EACH, type Stage } from "./stage.ts";

const PAGE_ROWS = 20;

/** `alone`: one statement with its context in one trip. `transaction`: BEGIN, context and statement, then COMMIT. */
export const SHAPES = ["alone", "transaction"] as const;
export const READS = ["point", "page"] as const;
export type Shape = (typeof SHAPES)[number];
export type Read = (typeof READS)[number];

/** One way to keep tenants apart. `read` asks for rows from `from` on and answers how many came. */
export interface Contestant {
  readonly name: string;
  read(shape: Shape, what: Read, tenant: TenantId, from: number): Promise<number>;
}

/** How many rows a right answer has. */
export const ROWS: Readonly<Record<Read, number>> = { point: 1, page: PAGE_ROWS };
/** The last place from which a page is full. */
export const FROM_MAX = ROWS_EACH - PAGE_ROWS;

const BEGIN: Step = { statement: statement("bench.begin", "begin"), values: [], own: true };
const COMMIT: Step = { statement: statement("bench.commit", "commit"), values: [], own: true };
// As ours is set: a filter that is never true, so that no row travels back.
const SET_TENANT = statement("bench.tenant", "select where pg_catalog.set_config('app.tenant_id', $1, true) is null");

const WALLED = {
  point: statement("bench.point_walled", "select id, title, price, created_at from shop.item_walled where id = $1"),
  page: statement(
    "bench.page_walled",
    "select id, title, price, created_at from shop.item_walled where id >= $1 order by id limit 20",
  ),
};
const NAIVE = {
  point: statement("bench.point_naive", "select id, title, price, created_at from shop.item_naive where id = $1"),
  page: statement(
    "bench.page_naive",
    "select id, title, price, created_at from shop.item_naive where id >= $1 order by id limit 20",
  ),
};
const BARE = {
  point: statement(
    "bench.point_bare",
    "select id, title, price, created_at from shop.item_bare where tenant_id = $2 and id = $1",
  ),
  page: statement(
    "bench.page_bare",
    "select id, title, price, created_at from shop.item_bare where tenant_id = $2 and id >= $1 order by id limit 20",
  ),
};

/** Ours as an application calls it. */
function signed({ ours }: Stage): Contestant {
  return {
    name: OURS,
    async read(shape, what, tenant, from) {
      const rows =
        shape === "alone"
          ? await ours.once(tenant, KEY_KEEPER, WALLED[what], [from])
          : await ours.forTenant(tenant, KEY_KEEPER, (tx) => tx.run(WALLED[what], [from]));
      return rows.length;
    },
  };
}

/** The same trips over the same pool and wire, with `before` in the place of the signed context. */
function peer(
  { bare }: Stage,
  name: string,
  texts: typeof WALLED,
  parts: { before(tenant: TenantId): readonly Step[]; values(tenant: TenantId, from: number): readonly SqlValue[] },
): Contestant {
  return {
    name,
    async read(shape, what, tenant, from) {
      const steps = [...parts.before(tenant), { statement: texts[what], values: parts.values(tenant, from) }];
      return shape === "alone"
        ? await bare.send([steps], { leases: false, answer: 0 })
        : await bare.send([[BEGIN, ...steps], [COMMIT]], { leases: true, answer: 0 });
    },
  };
}

export const OURS = "the signed context";
export const PLAIN = "set_config and naive RLS";
export const NONE = "no row-level security";

export function contestants(stage: Stage): readonly Contestant[] {
  return [
    signed(stage),
    peer(stage, PLAIN, NAIVE, {
      before: (tenant) => [{ statement: SET_TENANT, values: [tenant], own: true }],
      values: (_, from) => [from],
    }),
    // Nothing but the application's own condition keeps the tenants apart.
    peer(stage, NONE, BARE, {
      before: () => [],
      values: (tenant, from) => [from, tenant],
    }),
  ];
}
