import { postgresPasswordRotator, type Target } from "ringwall/adapters/postgres";
import { type Logger, type SystemActor, unreachable } from "ringwall/core";
import type { Rotator, Secrets, SecretsConfig } from "ringwall/data/secrets";

type Rotation = SecretsConfig["rotations"][string];

/** The example bank's own credential; the seeder puts its first value into the store. */
const BANK_SECRET = "bank/database-password";
const BANK_ROTATION: Rotation = { kind: "postgres-password", role: "bank_app" };

const FINISHER: SystemActor = { type: "system", capability: "secrets.rotate" };

/** What is set up to be rotated: what the configuration names, and the example's password where the example runs. */
export function rotationsOf(configured: SecretsConfig["rotations"], bankRuns: boolean): ReadonlyMap<string, Rotation> {
  return new Map([...(bankRuns ? [[BANK_SECRET, BANK_ROTATION] as const] : []), ...Object.entries(configured)]);
}

/** @param targetOf - Where the database is, as one of its roles. The rotation brings the passwords itself. */
export async function openRotators(
  rotations: ReadonlyMap<string, Rotation>,
  targetOf: (role: string) => Promise<Omit<Target, "credential">>,
): Promise<ReadonlyMap<string, Rotator>> {
  const rotators = new Map<string, Rotator>();
  for (const [name, rotation] of rotations) rotators.set(name, await openRotator(rotation, targetOf));
  return rotators;
}

async function openRotator(
  rotation: Rotation,
  targetOf: (role: string) => Promise<Omit<Target, "credential">>,
): Promise<Rotator> {
  switch (rotation.kind) {
    case "postgres-password":
      return postgresPasswordRotator(await targetOf(rotation.role));
    default:
      return unreachable(rotation.kind);
  }
}

/**
 * Finishes what an earlier process began and did not end. Never throws: a place that does not answer now is tried again
 * at the next start or rotation, and until then both values are in the store. Returns the names it finished.
 */
export async function finishRotations(
  secrets: Pick<Secrets, "list" | "rotate">,
  rotators: ReadonlyMap<string, Rotator>,
  log: Logger,
): Promise<readonly string[]> {
  const finished: string[] = [];
  const failed = (error: unknown): void => log.error({ err: error }, "an unfinished rotation could not be finished");
  const pending = await pendingNames(secrets, rotators).catch((error: unknown) => {
    failed(error);
    return [];
  });
  for (const [name, rotator] of pending) {
    try {
      await secrets.rotate(name, rotator, { actor: FINISHER });
      finished.push(name);
    } catch (error) {
      // One place that does not answer keeps no other from being finished.
      failed(error);
    }
  }
  return finished;
}

async function pendingNames(
  secrets: Pick<Secrets, "list">,
  rotators: ReadonlyMap<string, Rotator>,
): Promise<readonly (readonly [string, Rotator])[]> {
  const pending: (readonly [string, Rotator])[] = [];
  let after: string | undefined;
  for (;;) {
    const page = await secrets.list(after === undefined ? { actor: FINISHER } : { actor: FINISHER, after });
    for (const { name, rotationPending } of page) {
      const rotator = rotators.get(name);
      if (rotationPending && rotator !== undefined) pending.push([name, rotator]);
    }
    after = page.at(-1)?.name;
    if (after === undefined) return pending;
  }
}
