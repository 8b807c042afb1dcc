/**
 * Writes the migration that walls a schema: reads the catalog and the settings, and says what is there and what will be.
 *
 * Applies nothing. On a schema that is as it should be the plan is empty. What a program cannot decide is a decision,
 * listed, and never guessed.
 *
 * Limits: it moves rights and structure, not what the application does. A team's own finer policies stay as they are.
 *
 * @module
 */
import type { Catalog } from "../catalog/index.ts";
import type { IsolationSettings } from "../settings.ts";
import { planColumns } from "./columns.ts";
import { planKeys } from "./keys.ts";
import { planObjects } from "./objects.ts";
import { Draft, type IsolationPlan } from "./plan.ts";
import { planPolicies } from "./policies.ts";
import { planRights } from "./rights.ts";
import { readSchema } from "./subjects.ts";

export { guessSettings, type SettingsGuess } from "./guess.ts";
export type { Decision, IsolationPlan, Phase, Step } from "./plan.ts";
export { planDiff, planMigration } from "./write.ts";

/**
 * What would wall the schema, in the order in which it can run.
 *
 * @throws RingwallError `config.invalid` when the settings name what is not there.
 */
export async function planIsolation(catalog: Catalog, settings: IsolationSettings): Promise<IsolationPlan> {
  const draft = new Draft();
  const schema = readSchema(catalog, settings, draft);
  planColumns(schema, draft);
  planKeys(schema, draft);
  await planPolicies(schema, draft);
  planObjects(schema, draft);
  planRights(schema, draft);
  return draft.finish(catalog.server.database);
}
