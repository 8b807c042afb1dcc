import { z } from "zod";
import type { Client } from "../../client.ts";
import { query, readAnswer } from "../answer.ts";

export const Job = z
  .object({
    id: z.string(),
    work: z.string(),
    tenant: z.string(),
    target: z.string(),
    state: z.string(),
    done: z.number(),
    total: z.number(),
  })
  .loose();
export type Job = z.output<typeof Job>;

const Key = z
  .object({
    tenant: z.string(),
    purpose: z.string(),
    version: z.number(),
    min_version: z.number().nullable(),
    age_seconds: z.number(),
    due_at: z.string(),
    overdue: z.boolean(),
    automatic: z.boolean(),
    versions: z.array(z.object({ version: z.number(), state: z.string(), master: z.string() }).loose()),
  })
  .loose();
export type Key = z.output<typeof Key>;

const Page = z.object({
  master: z.object({ id: z.string(), elsewhere: z.number().nullable() }),
  items: z.array(Key),
});
const Jobs = z.object({ items: z.array(Job) });

// As many tenants as the server gives at once: fewer are the last.
const TENANTS_PAGE = 200;

/** Every key of a tenant, or of all tenants, and the master key in use. */
export async function readKeys(
  client: Client,
  tenant: string | undefined,
): Promise<{ readonly master: z.output<typeof Page>["master"]; readonly keys: readonly Key[] }> {
  const keys: Key[] = [];
  for (;;) {
    const after = tenant === undefined ? keys.at(-1)?.tenant : undefined;
    const named = { ...(tenant === undefined ? {} : { tenant }), ...(after === undefined ? {} : { after }) };
    const page = readAnswer(Page, await client.request("GET", `/v1/keys${query(named)}`));
    keys.push(...page.items);
    const tenants = new Set(page.items.map((key) => key.tenant)).size;
    if (tenant !== undefined || tenants < TENANTS_PAGE) return { master: page.master, keys };
  }
}

export async function readJobs(client: Client, tenant: string | undefined): Promise<readonly Job[]> {
  const path = `/v1/key-jobs${query(tenant === undefined ? {} : { tenant })}`;
  return readAnswer(Jobs, await client.request("GET", path)).items;
}
