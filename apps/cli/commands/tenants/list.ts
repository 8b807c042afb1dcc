import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer, showRows } from "../answer.ts";

const Tenants = z.object({
  items: z.array(z.object({ id: z.string(), name: z.string(), status: z.string(), created_at: z.string() })),
});

export const listTenants: Command = {
  name: "tenants list",
  summary: "List the tenants",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants list", "all of them, with their status"]],
  async run(input, context) {
    const { items } = readAnswer(Tenants, await context.connect(input).request("GET", "/v1/tenants"));
    showRows(input, context, items, ["id", "name", "status", "created_at"]);
    return EXIT.ok;
  },
};
