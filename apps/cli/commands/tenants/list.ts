import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { query, readAnswer, showRows } from "../answer.ts";

// As many as the server gives at once: fewer are the last.
const PAGE = 200;

const Tenants = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string(), status: z.string(), created_at: z.string() })),
});

export const listTenants: Command = {
  name: "tenants list",
  summary: "List the tenants",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants list", "all of them, with their status"]],
  async run(input, context) {
    const client = context.connect(input);
    const all: z.output<typeof Tenants>["items"] = [];
    let page: typeof all;
    do {
      const after = all.at(-1)?.id;
      const path = `/v1/tenants${query(after === undefined ? {} : { after })}`;
      page = readAnswer(Tenants, await client.request("GET", path)).items;
      all.push(...page);
    } while (page.length === PAGE);
    showRows(input, context, all, ["id", "name", "status", "created_at"]);
    return EXIT.ok;
  },
};
