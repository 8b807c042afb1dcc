import { isTenantId } from "ringwall/core";
import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { readAnswer, showRow } from "../answer.ts";

const Tenant = z.object({ id: z.string(), name: z.string() });

export const createTenant: Command = {
  name: "tenants create",
  summary: "Create a tenant",
  positionals: [{ name: "ID", summary: "3 to 50 of a-z, 0-9, _ and -; it cannot be changed later" }],
  options: {
    name: { value: "NAME", summary: "The name people see; the id unless given" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [`ringwall tenants create northbank --name "Northbank"`, "then: ringwall users invite --tenant northbank ..."],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    if (!isTenantId(id)) throw new UsageError("ID must be 3 to 50 of a-z, 0-9, _ and -");
    const body = { id, name: input.text("name") ?? id };
    const tenant = readAnswer(Tenant, await context.connect(input).request("POST", "/v1/tenants", body));
    showRow(input, context, tenant, `created ${tenant.id}`);
    return EXIT.ok;
  },
};
