/**
 * `npm run bench` lists the areas; `npm run bench -- AREA [--json] [--seconds N] [--rounds N]` runs one.
 * Exit code 0 when measured, 1 when a measurement failed, 2 for a wrong call. Progress goes to stderr.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { type BenchArea, resultTable } from "./result.ts";
import { taxArea } from "./tax/index.ts";

const AREAS: Readonly<Record<string, BenchArea>> = { tax: taxArea };
const USAGE = "usage: npm run bench -- AREA [--json] [--seconds N] [--rounds N]";

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      json: { type: "boolean", default: false },
      seconds: { type: "string", default: "4" },
      rounds: { type: "string", default: "5" },
    },
  });
  const [name, ...rest] = positionals;
  if (name === undefined) {
    for (const [area, { summary }] of Object.entries(AREAS)) console.log(`${area.padEnd(12)}${summary}`);
    console.log(`\n${USAGE}`);
    return 0;
  }
  const area = Object.hasOwn(AREAS, name) ? AREAS[name] : undefined;
  const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
  if (area === undefined || rest.length > 0 || !(seconds >= 1) || !Number.isInteger(rounds) || rounds < 1) {
    console.error(USAGE);
    return 2;
  }
  const results = await area.run({ seconds, rounds, progress: (text) => console.error(text) });
  if (values.json) for (const result of results) console.log(JSON.stringify(result));
  else console.log(resultTable(results));
  return 0;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
