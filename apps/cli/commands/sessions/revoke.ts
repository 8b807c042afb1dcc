import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { namedTenant, query, showRow, TENANT_OPTION } from "../answer.ts";

export const revokeSession: Command = {
  name: "sessions revoke",
  summary: "End one session at once, on every node",
  positionals: [{ name: "SID", summary: "The session's public id, as sessions list and the log show it" }],
  options: { ...TENANT_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    [
      "ringwall sessions revoke 0198c6f2-6d3f-7a10-9c55-5e8a2f0b7d11 --tenant northbank",
      "on this machine; its next request is refused",
    ],
  ],
  async run(input, context) {
    const [sid = ""] = input.positionals;
    await context.connect(input).request("DELETE", `/v1/sessions/${segment(sid)}${query(namedTenant(input))}`);
    showRow(input, context, { sid }, `revoked ${sid}`);
    return EXIT.ok;
  },
};
