import type { Layer } from "../../src/pipeline.ts";
import { type Attack, expected } from "./attack.ts";
import { attacksBelowHttp } from "./attacks-below-http.ts";
import { attacksOverHttp } from "./attacks-over-http.ts";

/** Every attack there is. */
export const ATTACKS: readonly Attack[] = [...attacksOverHttp, ...attacksBelowHttp];

export const LAYERS: readonly Layer[] = [1, 2, 3, 4, 5];

/** The table of README.md: what becomes of each attack when one layer is out. */
export function breachTable(): string {
  const head = ["attack", "the attacker wants that", ...LAYERS.map((layer) => `without ${layer}`)];
  const rows = ATTACKS.map((attack) => [
    `\`${attack.id}\``,
    attack.aim,
    ...LAYERS.map((without) => {
      const layer = attack.stops.find(([one]) => one !== without)?.[0];
      return layer === undefined ? "**reached**" : `layer ${layer}`;
    }),
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** How many attacks a layer's absence leaves stopped, and how many it lets through. */
export function counts(without: Layer): { readonly stopped: number; readonly reached: number } {
  const reached = ATTACKS.filter((attack) => expected(attack, without).reached).length;
  return { stopped: ATTACKS.length - reached, reached };
}
