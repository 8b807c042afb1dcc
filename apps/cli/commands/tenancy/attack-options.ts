import { type Input, type Option, UsageError } from "../../command.ts";

const ATTACK_ONLY = {
  "admin-url": { value: "URL", summary: "A login that may plant rows and become the app roles (that of --url)" },
  "admin-url-file": { value: "FILE", summary: "File (mode 0600) that holds that URL" },
  "admin-password-file": { value: "FILE", summary: "File (mode 0600) that holds the password for --admin-url" },
  "app-url": { value: "URL", summary: "The application's own login, through its pooler: for probes of sessions" },
  "app-url-file": { value: "FILE", summary: "File (mode 0600) that holds that URL" },
  "app-password-file": { value: "FILE", summary: "File (mode 0600) that holds the password for --app-url" },
  "context-key": { value: "FILE", summary: "Signs Ringwall's contexts (secrets/context.key of the data directory)" },
} as const satisfies Record<string, Option>;

/** How `tenancy verify` attacks. */
export const ATTACK_OPTIONS = {
  attack: { summary: "Try it too: as two tenants that are made up, in transactions that are rolled back" },
  ...ATTACK_ONLY,
} as const satisfies Record<string, Option>;

/** @throws UsageError for an option that says how to attack, where nothing is attacked. */
export function refuseWithoutAttack(input: Input): void {
  const idle = Object.keys(ATTACK_ONLY).find((option) => input.text(option) !== undefined);
  if (idle !== undefined && !input.flag("attack")) throw new UsageError(`--${idle} belongs to --attack`);
}
