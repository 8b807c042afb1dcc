import { appendFileSync } from "node:fs";
import { type Logger, RingwallError } from "../core/index.ts";
import { runSupervised } from "../supervised.ts";

/**
 * A process under supervision, for tests of how one starts and ends: `supervised-child.ts <how> <journal>`. What it
 * does is in the journal, a line each; it goes on when its parent says so.
 */
const [, , how = "", journal = ""] = process.argv;
const note = (line: string): void => appendFileSync(journal, `${line}\n`);
const log: Logger = { info() {}, warn() {}, error: (_, message) => note(message) };

/** Settles when the parent sends something. */
async function word(): Promise<void> {
  await new Promise((resolve) => {
    process.once("message", resolve);
  });
}

runSupervised(process, log, async () => {
  if (how === "final") throw new RingwallError("config.invalid", { message: "the bank has no port" });
  if (how === "long") throw new RingwallError("config.invalid", { message: "x".repeat(100_000) });
  if (how === "passing") throw new RingwallError("database.unavailable", { message: "not yet" });
  if (how === "broken") throw new TypeError("a bug");
  if (how === "slow-start") {
    await Promise.resolve();
    process.send?.({ starting: true });
    await word();
  }
  const alive = setInterval(() => {}, 1_000);
  note("started");
  return async () => {
    note("draining");
    if (how === "slow-stop") {
      process.send?.({ draining: true });
      await word();
    }
    if (how === "broken-stop") throw new TypeError("a bug");
    clearInterval(alive);
    note("drained");
  };
});
