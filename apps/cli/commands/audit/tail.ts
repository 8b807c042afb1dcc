import { z } from "zod";
import { printable } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, query, readAnswer, TENANT_OPTION } from "../answer.ts";

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 200;

const Events = z.object({
  items: z.array(
    z
      .object({
        sequence: z.number().int(),
        at: z.string(),
        action: z.string(),
        outcome: z.string(),
        actor: z.string(),
      })
      .loose(),
  ),
});

export const tailAudit: Command = {
  name: "audit tail",
  summary: "Show the newest audit records of a tenant",
  about:
    "The reading is recorded too. Over the local socket the tenant has to be named, and personal values stay sealed.",
  options: {
    limit: { value: "N", summary: `How many, at most ${LIMIT_MAX} (${LIMIT_DEFAULT})` },
    ...TENANT_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    ["ringwall audit tail --url https://ringwall.example --credential key", "the last 50"],
    ["ringwall audit tail --tenant northbank --limit 200 --json", "on this machine; one JSON object a line"],
  ],
  async run(input, context) {
    const limit = input.whole("limit", 1, LIMIT_MAX) ?? LIMIT_DEFAULT;
    const path = `/v1/audit-events${query({ limit: String(limit), ...namedTenant(input) })}`;
    const { items } = readAnswer(Events, await context.connect(input).request("GET", path));
    for (const item of items) {
      const line = `${item.sequence}  ${item.at}  ${item.action}  ${item.outcome}  ${item.actor}`;
      context.stdout(input.flag("json") ? JSON.stringify(item) : printable(line));
    }
    return EXIT.ok;
  },
};
