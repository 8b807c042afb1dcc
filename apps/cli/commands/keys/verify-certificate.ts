import type { Command } from "../../command.ts";
import { JSON_OPTION } from "../../command.ts";

export const verifyCertificate: Command = {
  name: "keys verify-certificate",
  summary: "Check an erasure certificate's signature, without a server",
  about:
    "The public half is enough: openssl pkey -in erasure.key -pubout -out erasure.pub. Exit code 1 when the certificate is not " +
    "letter by letter what was signed.",
  positionals: [{ name: "FILE", summary: "The certificate, one line of JSON" }],
  options: {
    key: { value: "FILE", summary: "Public or signing key, PEM (the data directory's secrets/erasure.key)" },
    data: { value: "DIR", summary: "Data directory" },
    ...JSON_OPTION,
  },
  examples: [["ringwall keys verify-certificate northbank.json --key erasure.pub", "anywhere, by anybody"]],
  async run(input, context) {
    // Loaded here, so that other commands do not wait for what it needs.
    const { verify } = await import("./verification.ts");
    return await verify(input, context);
  },
};
