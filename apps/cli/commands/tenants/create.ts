import { isTenantId } from "ringwall/core";
import type { Environment } from "ringwall/data/tenants";
import { z } from "zod";
import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION, UsageError } from "../../command.ts";
import { readAnswer, showRow } from "../answer.ts";

// Written out, so that no command loads the data layer for three words.
const ENVIRONMENTS = ["production", "staging", "development"] as const satisfies readonly Environment[];
const Tenant = z.object({ id: z.string(), name: z.string() });

export const createTenant: Command = {
  name: "tenants create",
  summary: "Create a tenant",
  positionals: [{ name: "ID", summary: "3 to 50 of a-z, 0-9, _ and -; it cannot be changed later" }],
  options: {
    name: { value: "NAME", summary: "The name people see; the id unless given" },
    environment: {
      value: "KIND",
      summary: `${ENVIRONMENTS.join(", ")} (production unless given); it is kept for good`,
    },
    account: { value: "ID", summary: "The production tenant that another environment is made for" },
    ...JSON_OPTION,
    ...CONNECTION_OPTIONS,
  },
  examples: [
    [`ringwall tenants create northbank --name "Northbank"`, "then: ringwall users invite --tenant northbank ..."],
    [
      "ringwall tenants create northbank-test --environment staging --account northbank",
      "test data apart from live data",
    ],
  ],
  async run(input, context) {
    const [id = ""] = input.positionals;
    if (!isTenantId(id)) throw new UsageError("ID must be 3 to 50 of a-z, 0-9, _ and -");
    const environment = input.text("environment");
    const account = input.text("account");
    if (environment !== undefined && !ENVIRONMENTS.some((one) => one === environment)) {
      throw new UsageError(`--environment is one of ${ENVIRONMENTS.join(", ")}`);
    }
    if ((account === undefined) !== (environment === undefined || environment === "production")) {
      throw new UsageError("--account goes with every environment but production: the tenant it is made for");
    }
    const kind = environment === undefined ? {} : { environment };
    const body = { ...kind, ...(account === undefined ? {} : { account }), id, name: input.text("name") ?? id };
    const tenant = readAnswer(Tenant, await context.connect(input).request("POST", "/v1/tenants", body));
    showRow(input, context, tenant, `created ${tenant.id}`);
    return EXIT.ok;
  },
};
