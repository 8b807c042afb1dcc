import type { Reach, Role } from "../../catalog/index.ts";
import type { ObjectName } from "../../finding.ts";
import { quoted } from "../../sql-text.ts";
import type { CheckContext } from "../context.ts";

/** A role that an app role can act as, itself among them. */
export interface Reached {
  readonly app: string;
  readonly role: Role;
  readonly reach: Reach;
}

export function reachedRoles({ catalog, settings }: CheckContext): readonly Reached[] {
  const byName = new Map(catalog.roles.map((role) => [role.name, role]));
  return settings.appRoles.flatMap((app) =>
    [...catalog.access.reach(app).values()].flatMap((reach): Reached[] => {
      const role = byName.get(reach.role);
      return role === undefined ? [] : [{ app, role, reach }];
    }),
  );
}

const WORDS = {
  self: "is",
  inherit: "has the rights of",
  "set role": "can switch to",
  "grant itself": "can make itself a member of",
} as const;

/** `app can switch to admin (through staff)`. */
export function howReached({ app, role, reach }: Reached): string {
  if (reach.way === "self") return app;
  const between = reach.path.slice(1, -1);
  const through = between.length === 0 ? "" : ` (through ${between.join(", ")})`;
  return `${app} ${WORDS[reach.way]} ${role.name}${through}`;
}

/** Takes the last membership of the way back. Nothing for the app role itself, nor where there is no membership to take. */
export function leave(context: CheckContext, { role, reach }: Reached): readonly string[] | undefined {
  const member = reach.path.at(-2);
  if (member === undefined) return undefined;
  const isMember = context.catalog.roles.some(
    ({ name, memberOf }) => name === member && memberOf.some((membership) => membership.role === role.name),
  );
  return isMember ? [`revoke ${quoted(role.name)} from ${quoted(member)}`] : undefined;
}

export function roleName(name: string): ObjectName {
  return { kind: "role", name };
}
