import { z } from "zod";
import type { Client } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, CommandFailed, EXIT, JSON_OPTION } from "../../command.ts";
import { query, readAnswer, showRow, showRows } from "../answer.ts";

// As many as the server gives at once: fewer are the last.
const PAGE = 200;

const Entry = z.object({
  id: z.string(),
  name: z.string(),
  status: z.string(),
  environment: z.string(),
  account: z.string().nullable(),
  created_at: z.string(),
  deletion_at: z.string().nullable(),
  deleted_at: z.string().nullable(),
});
/** A tenant, as the register tells of it. */
export type Entry = z.output<typeof Entry>;
const Tenants = z.object({ items: z.array(Entry) });

/** The whole register, page by page. */
export async function readTenants(client: Client): Promise<readonly Entry[]> {
  const all: Entry[] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const path = `/v1/tenants${query(after === undefined ? {} : { after })}`;
    const page = readAnswer(Tenants, await client.request("GET", path)).items;
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

/** @throws CommandFailed when there is none, or none that whoever asks may see. */
export async function readTenant(client: Client, id: string): Promise<Entry> {
  const tenant = (await readTenants(client)).find((one) => one.id === id);
  if (tenant === undefined) throw new CommandFailed(`there is no tenant ${id}`, { wayOut: "ringwall tenants list" });
  return tenant;
}

export const listTenants: Command = {
  name: "tenants list",
  summary: "List the tenants",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants list", "all of them, with their status"]],
  async run(input, context) {
    const all = await readTenants(context.connect(input));
    showRows(input, context, all, ["id", "name", "status", "environment", "deletion_at", "created_at"]);
    return EXIT.ok;
  },
};

export const showTenant: Command = {
  name: "tenants show",
  summary: "Show one tenant: its environment, its state, and when it is deleted",
  positionals: [{ name: "ID", summary: "The tenant's id" }],
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants show northbank", "on this machine"]],
  async run(input, context) {
    const [id = ""] = input.positionals;
    const tenant = await readTenant(context.connect(input), id);
    const {
      account,
      created_at: created,
      deleted_at: deleted,
      deletion_at: planned,
      environment,
      name,
      status,
    } = tenant;
    const facts = [
      `${id}, "${name}": ${status}, ${environment}`,
      account === null ? "" : ` of ${account}`,
      `, created ${created}`,
      planned === null ? "" : `, deleted from ${planned} on`,
      deleted === null ? "" : `, deleted ${deleted}`,
    ];
    showRow(input, context, tenant, facts.join(""));
    return EXIT.ok;
  },
};
