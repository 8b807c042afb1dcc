import { type Command, EXIT, JSON_OPTION } from "../../command.ts";

export const listTenancyChecks: Command = {
  name: "tenancy checks",
  summary: "List every check of the isolation of tenants, why it matters and what to do",
  options: JSON_OPTION,
  examples: [
    ["ringwall tenancy checks", "to read"],
    ["ringwall tenancy checks --json", "for programs"],
  ],
  async run(input, context) {
    // Loaded here, so that other commands do not wait for a parser of SQL.
    const { ISOLATION_CHECKS } = await import("ringwall/data/isolation");
    if (input.flag("json")) {
      context.stdout(JSON.stringify(ISOLATION_CHECKS));
      return EXIT.ok;
    }
    for (const { category, id, kind, level, remediation, title, why } of ISOLATION_CHECKS) {
      context.stdout(`${id}  (${level}, ${category}, ${kind})\n  ${title}\n  ${why}\n  To do: ${remediation}\n`);
    }
    context.stdout(`${ISOLATION_CHECKS.length} checks`);
    return EXIT.ok;
  },
};
