/** The example bank as it is, on Ringwall as it is, in a process of its own. */
import { createBank } from "../../../examples/bank/server.ts";
import { systemClock } from "../../../src/core/index.ts";
import { createLogger } from "../../../src/perimeter/index.ts";
import { linesOfATurn, lineWriter } from "../../../src/supervised.ts";
import { serve } from "../child.ts";
import { composeBank, Parts } from "./parts.ts";

serve(Parts, async (parts) => {
  const log = createLogger({
    write: lineWriter(process.stdout.fd),
    level: "info",
    clock: systemClock,
    join: linesOfATurn(process),
  });
  const app = createBank(await composeBank(parts, log));
  return app.listen({ port: 0, host: "127.0.0.1" });
});
