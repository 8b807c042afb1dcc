import { describeObject, migrationText, visible } from "../report/index.ts";
import type { IsolationPlan } from "./plan.ts";

/** What is there and what will be, by table, for a person to read before anything is written. */
export function planDiff(plan: IsolationPlan): string {
  const bySubject = Map.groupBy(plan.steps, ({ subject }) => subject);
  const parts = [...bySubject].map(([subject, steps]) =>
    [
      visible(subject),
      ...steps.flatMap(({ before, slow, sql }) => [
        ...(before === undefined ? [] : [`  - ${visible(before)}`]),
        `  + ${visible(sql)}${slow === true ? "   -- as long as the table is big" : ""}`,
      ]),
    ].join("\n"),
  );
  const decisions = plan.decisions.map(
    ({ message, object }) => `  ? ${visible(describeObject(object))}: ${visible(message)}`,
  );
  if (decisions.length > 0) parts.push(["For a person to decide", ...decisions].join("\n"));
  if (plan.steps.length === 0) parts.push("Nothing to change.");
  return parts.join("\n\n");
}

/** The migration as a file of SQL, in one transaction. */
export function planMigration(plan: IsolationPlan): string {
  return migrationText(
    `Walls the tenants of ${plan.database}; written by ringwall tenancy generate`,
    plan.steps.map(({ sql }) => `${sql};`),
    plan.decisions.map(({ message, object }) => `${describeObject(object)}: ${message}`),
  );
}
