import { RingwallConfig } from "ringwall";
import { parseConfig, RingwallError, silentLogger } from "ringwall/core";
import { openCounters } from "ringwall/supervised";
import { CommandFailed } from "../command.ts";
import type { ConfigFile } from "../config-file.ts";

// A counter of its own, which no visitor shares.
const PROBE = { key: "-:doctor", limit: 1_000, periodMs: 1_000, burst: 1_000 };

/**
 * Counts once where the configuration says that rates are counted. Returns what is there, for a person.
 * @throws CommandFailed with the reason and the way out.
 */
export async function checkCounters(config: ConfigFile, uid: number): Promise<string> {
  const parsed = parseConfig(RingwallConfig, config.content);
  if (parsed.counters.kind === "memory") return "in each process";
  const { url } = parsed.counters;
  try {
    const opened = await openCounters(parsed, { log: silentLogger, uid });
    try {
      await opened.counters?.take([PROBE]);
    } finally {
      await opened.close();
    }
    return url;
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    if (error.code !== "counters.unavailable") throw new CommandFailed(error.message, { cause: error });
    throw new CommandFailed(`the counters at ${url} cannot be asked${because(error.cause)}`, {
      wayOut: "Check that it runs, and url, username, password and caFile of the section counters.",
      cause: error,
    });
  }
}

/** The driver's own code ("ECONNREFUSED", "WRONGPASS"), never its text. */
function because(cause: unknown): string {
  if (!(cause instanceof Error)) return "";
  const code = "code" in cause && typeof cause.code === "string" ? cause.code : /^[A-Z]{4,20}/.exec(cause.message)?.[0];
  return code === undefined ? "" : ` (${code})`;
}
