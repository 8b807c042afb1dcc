/**
 * `npm run bench` lists the areas; `npm run bench -- AREA [--json] [--seconds N] [--rounds N]` runs one.
 * Exit code 0 when measured, 1 when a measurement failed, 2 for a wrong call. Progress goes to stderr.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { gatewayArea } from "./gateway/index.ts";
import { keysArea } from "./keys/index.ts";
import { type BenchArea, resultTable } from "./result.ts";
import { rotationArea } from "./rotation/index.ts";
import { taxArea } from "./tax/index.ts";
import { tenantsArea } from "./tenants/index.ts";

const AREAS: Readonly<Record<string, BenchArea>> = {
  gateway: gatewayArea,
  keys: keysArea,
  rotation: rotationArea,
  tax: taxArea,
  tenants: tenantsArea,
};
const USAGE = "usage: npm run bench -- AREA [--json] [--seconds N] [--rounds N]";

interface Call {
  readonly positionals: readonly string[];
  readonly isJson: boolean;
  readonly seconds: number;
  readonly rounds: number;
}

/** Undefined for a call that does not fit the usage. */
function readCall(args: readonly string[]): Call | undefined {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        json: { type: "boolean", default: false },
        seconds: { type: "string", default: "4" },
        rounds: { type: "string", default: "5" },
      },
    });
    const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
    if (![seconds, rounds].every((value) => Number.isInteger(value) && value >= 1) || positionals.length > 1)
      return undefined;
    return { positionals, isJson: values.json, seconds, rounds };
  } catch {
    return undefined;
  }
}

async function main(args: readonly string[], signal: AbortSignal): Promise<number> {
  const call = readCall(args);
  const [name] = call?.positionals ?? [];
  const area = name !== undefined && Object.hasOwn(AREAS, name) ? AREAS[name] : undefined;
  if (call === undefined || (name !== undefined && area === undefined)) {
    console.error(USAGE);
    return 2;
  }
  if (area === undefined) {
    for (const [known, { summary }] of Object.entries(AREAS)) console.log(`${known.padEnd(12)}${summary}`);
    console.log(`\n${USAGE}`);
    return 0;
  }
  const { seconds, rounds } = call;
  const results = await area.run({ seconds, rounds, signal, progress: (text) => console.error(text) });
  if (call.isJson) for (const result of results) console.log(JSON.stringify(result));
  else console.log(resultTable(results));
  return 0;
}

// A first Ctrl-C ends the run in order: PostgreSQL is stopped and its folder removed. A second one ends the process.
const interrupted = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const)
  process.once(name, () => interrupted.abort(new Error("interrupted")));

try {
  process.exitCode = await main(process.argv.slice(2), interrupted.signal);
} catch (error) {
  console.error(interrupted.signal.aborted ? "interrupted" : error);
  process.exitCode = 1;
}
