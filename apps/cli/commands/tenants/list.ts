import { z } from "zod";
import type { Client } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { query, readAnswer, showRows } from "../answer.ts";

// As many as the server gives at once: fewer are the last.
const PAGE = 200;

const Tenants = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string(), status: z.string(), created_at: z.string() })),
});

/** The whole register, page by page. */
export async function readTenants(client: Client): Promise<z.output<typeof Tenants>["items"]> {
  const all: z.output<typeof Tenants>["items"] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const path = `/v1/tenants${query(after === undefined ? {} : { after })}`;
    const page = readAnswer(Tenants, await client.request("GET", path)).items;
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

export const listTenants: Command = {
  name: "tenants list",
  summary: "List the tenants",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants list", "all of them, with their status"]],
  async run(input, context) {
    const all = await readTenants(context.connect(input));
    showRows(input, context, all, ["id", "name", "status", "created_at"]);
    return EXIT.ok;
  },
};
