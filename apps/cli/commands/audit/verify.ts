import type { Command } from "../../command.ts";

export const verifyAuditLog: Command = {
  name: "audit verify",
  summary: "Recompute the audit log and hold it against signatures and outside copies",
  about:
    "Reads the database as ringwall_worker; changes nothing and trusts nothing in it. Finds entries rewritten, removed, " +
    "exchanged or cut off, by the database's owner too. Exit code 1 when something is wrong.",
  options: {
    tenant: { value: "ID", summary: "Only this tenant's log" },
    key: { value: "FILE", summary: "Public or signing key, PEM (the data directory's secrets/audit.key)" },
    heads: { value: "DIR", summary: "Copies of signed heads (the data directory's audit-heads)" },
    config: { value: "FILE", summary: "Configuration file" },
    data: { value: "DIR", summary: "Data directory" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall audit verify", "every tenant, while the server runs"],
    ["ringwall audit verify --heads /mnt/worm/audit-heads --key audit.pub", "against copies kept elsewhere"],
  ],
  async run(input, context) {
    // Loaded here, so that other commands do not wait for a database driver.
    const { verify } = await import("./verification.ts");
    return await verify(input, context);
  },
};
