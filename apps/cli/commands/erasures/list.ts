import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, query, readAnswer, showRows, TENANT_OPTION } from "../answer.ts";

const Erasures = z.object({
  items: z.array(
    z
      .object({
        id: z.string(),
        subject: z.string(),
        place: z.string(),
        name: z.string(),
        reason: z.string(),
        approver: z.string(),
        ordered_at: z.string(),
        certificate: z.string().nullable(),
      })
      .loose(),
  ),
});

export const listErasures: Command = {
  name: "erasures list",
  summary: "List what was erased of a tenant; --json has the certificates",
  options: { ...TENANT_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    ["ringwall erasures list --tenant northbank", "on this machine, newest first"],
    ["ringwall erasures list --json --url https://ringwall.example --credential key", "with the certificates"],
  ],
  async run(input, context) {
    const path = `/v1/erasures${query(namedTenant(input))}`;
    const { items } = readAnswer(Erasures, await context.connect(input).request("GET", path));
    const rows = items.map((item) => (input.flag("json") ? item : { ...item, certificate: null }));
    showRows(input, context, rows, ["ordered_at", "subject", "place", "name", "approver", "reason", "id"]);
    return EXIT.ok;
  },
};
