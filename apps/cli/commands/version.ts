import { readFileSync } from "node:fs";
import { z } from "zod";
import type { Command } from "../command.ts";
import { EXIT, JSON_OPTION } from "../command.ts";

const Package = z.object({ version: z.string() });

/** Of this command line. */
export function ringwallVersion(): string {
  const file = new URL("../package.json", import.meta.url);
  return Package.parse(JSON.parse(readFileSync(file, "utf8"))).version;
}

export const version: Command = {
  name: "version",
  summary: "Print the version",
  options: JSON_OPTION,
  examples: [["ringwall version", "Ringwall's version, Node's and the platform"]],
  async run(input, { stdout, machine }) {
    const facts = { ringwall: ringwallVersion(), node: machine.nodeVersion, platform: machine.platform };
    stdout(
      input.flag("json") ? JSON.stringify(facts) : `ringwall ${facts.ringwall} (node ${facts.node}, ${facts.platform})`,
    );
    return await Promise.resolve(EXIT.ok);
  },
};
