import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { confirmByName, DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { showRow } from "../answer.ts";
import { readTenant } from "./list.ts";

export const suspendTenant: Command = {
  name: "tenants suspend",
  summary: "Shut a tenant out: nobody in it may act, on every node within a second",
  about: "Asks for the tenant's name first. Its rows and keys stay; tenants resume ends it.",
  positionals: [{ name: "ID", summary: "The tenant's id" }],
  options: { ...DRY_RUN_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    ["ringwall tenants suspend northbank", "on this machine; asks for the tenant's name"],
    ["ringwall tenants suspend northbank --dry-run", "what it would do"],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    const client = context.connect(input);
    const { name, status } = await readTenant(client, id);
    if (input.flag("dry-run")) {
      showRow(input, context, { id, name, status, dry_run: true }, `would suspend ${id}, "${name}" (${status} now)`);
      return EXIT.ok;
    }
    const warning = `Nobody in ${id} may act until it is resumed.`;
    await confirmByName(input, context, { warning, what: "The tenant's name, as people see it", name });
    await client.request("POST", `/v1/tenants/${segment(id)}/suspend`);
    showRow(input, context, { id, status: "suspended" }, `${id} is suspended`);
    return EXIT.ok;
  },
};

export const resumeTenant: Command = {
  name: "tenants resume",
  summary: "End a suspension",
  about: "Sessions that are not over by then work again.",
  positionals: [{ name: "ID", summary: "The tenant's id" }],
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants resume northbank", "on this machine"]],
  async run(input, context) {
    const [id = ""] = input.positionals;
    await context.connect(input).request("POST", `/v1/tenants/${segment(id)}/resume`);
    showRow(input, context, { id, status: "active" }, `${id} is active`);
    return EXIT.ok;
  },
};
