import { z } from "zod";
import { segment } from "../../client.ts";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { confirmByName, DRY_RUN_OPTION } from "../../confirmation/confirm.ts";
import { readAnswer, showRow } from "../answer.ts";
import { readTenant } from "./list.ts";

const Planned = z.object({ id: z.string(), deletion_at: z.string() });

export const deleteTenant: Command = {
  name: "tenants delete",
  summary: "Plan the end of a tenant: its keys, then its rows; its id stays taken",
  about:
    "Asks for the tenant's name first. The tenant goes on as before for the days that the configuration says (7), and " +
    "tenants restore takes the plan back. With --now it begins at once: over --url, with a second factor that is not older " +
    "than 5 minutes.",
  positionals: [{ name: "ID", summary: "The tenant's id" }],
  options: {
    reason: { value: "TEXT", summary: "Why; stands in the certificate (required)" },
    now: { summary: "Without the days in which it could be undone" },
    ...DRY_RUN_OPTION,
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [`ringwall tenants delete northbank --reason "contract 17 ended"`, "asks for the tenant's name"],
    ["ringwall tenants delete northbank --dry-run", "what it would do"],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    const client = context.connect(input);
    const { name, status } = await readTenant(client, id);
    const isNow = input.flag("now");
    if (input.flag("dry-run")) {
      const said = `would delete ${id}, "${name}" (${status} now), ${isNow ? "at once" : "after the days to undo it"}`;
      showRow(input, context, { id, name, status, now: isNow, dry_run: true }, said);
      return EXIT.ok;
    }
    const reason = input.text("reason");
    if (reason === undefined) throw new UsageError("--reason is missing: it stands in the certificate");
    const warning = isNow ? `Nothing brings ${id} back.` : `Nothing brings ${id} back once its deletion has begun.`;
    await confirmByName(input, context, { warning, what: "The tenant's name, as people see it", name });
    const path = `/v1/tenants/${segment(id)}/${isNow ? "immediate-deletion" : "deletion"}`;
    const planned = readAnswer(Planned, await client.request("POST", path, { confirm: name, reason }));
    showRow(input, context, planned, `${id} is deleted from ${planned.deletion_at} on`);
    return EXIT.ok;
  },
};

export const restoreTenant: Command = {
  name: "tenants restore",
  summary: "Take the planned deletion of a tenant back, as long as it has not begun",
  positionals: [{ name: "ID", summary: "The tenant's id" }],
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall tenants restore northbank", "on this machine"]],
  async run(input, context) {
    const [id = ""] = input.positionals;
    await context.connect(input).request("DELETE", `/v1/tenants/${segment(id)}/deletion`);
    showRow(input, context, { id, deletion_at: null }, `${id} is not deleted`);
    return EXIT.ok;
  },
};
