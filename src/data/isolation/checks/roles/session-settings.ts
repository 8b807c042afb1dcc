import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { rightsOf } from "../rights.ts";
import { effectiveSetting, isDefault, resetSetting } from "../setting.ts";
import { roleName } from "./reached.ts";

const RINGWALL_CONTEXT = "ringwall.context";

function contextAtStart(context: CheckContext): readonly Found[] {
  const wanted = context.settings.context.kind === "setting" ? context.settings.context.name : RINGWALL_CONTEXT;
  return context.settings.appRoles.flatMap((app): readonly Found[] => {
    const setting = effectiveSetting(context.catalog, app, wanted);
    if (setting === undefined || setting.value === "") return [];
    return [
      {
        object: roleName(app),
        tables: [],
        message: `every session of ${app} begins with ${wanted} set, so that a request without a tenant is somebody's`,
        ...resetSetting(context.catalog, setting),
      },
    ];
  });
}

function rowSecurityOff(context: CheckContext): readonly Found[] {
  return context.settings.appRoles.flatMap((app): readonly Found[] => {
    const setting = effectiveSetting(context.catalog, app, "row_security");
    if (setting === undefined || isDefault(setting.value, "on")) return [];
    return [
      {
        object: roleName(app),
        tables: [],
        message: `row_security is off for ${app}: every statement on a walled table fails instead of being filtered`,
        ...resetSetting(context.catalog, setting),
      },
    ];
  });
}

/** Schemas of the search path, as PostgreSQL reads the setting: names apart by commas, quoted ones with doubled quotes. */
function pathSchemas(value: string, role: string): readonly string[] {
  const parts = value.match(/"(?:[^"]|"")*"|[^,\s]+/g) ?? [];
  return parts.map((part) => {
    const name = part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part.toLowerCase();
    return name === "$user" ? role : name;
  });
}

function writableSearchPath(context: CheckContext): readonly Found[] {
  const { catalog, settings } = context;
  return settings.appRoles.flatMap((app) => {
    const path = effectiveSetting(catalog, app, "search_path")?.value ?? '"$user", public';
    return pathSchemas(path, app).flatMap((name): readonly Found[] => {
      const schema = catalog.schemas.find((candidate) => candidate.name === name);
      if (schema === undefined) return [];
      const right = rightsOf(catalog, app, schema, ["USAGE", "CREATE"]).get("CREATE");
      if (right === undefined) return [];
      const fix = [
        `revoke create on schema ${quoted(name)} from ${right.grantee === "public" ? "public" : quoted(right.grantee)}`,
      ];
      return [
        {
          object: { kind: "schema", name },
          tables: [],
          message: `${app} may create in ${name}, which its search_path looks in: a function or table made there stands for another of that name`,
          ...(right.by === "grant" ? { fix } : {}),
        },
      ];
    });
  });
}

function activityVisible(context: CheckContext): readonly Found[] {
  return context.settings.appRoles.flatMap((app): readonly Found[] => {
    const setting = effectiveSetting(context.catalog, app, "track_activities");
    if (setting !== undefined && !isDefault(setting.value, "on")) return [];
    return [
      {
        object: roleName(app),
        tables: [],
        message: `sessions of ${app} see each other's statements in pg_stat_activity, whichever tenant they work for`,
        fix: [`alter role ${quoted(app)} set track_activities = off`],
      },
    ];
  });
}

export const SESSION_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "session-context-preset",
      title: "Sessions begin with a tenant",
      category: "session",
      level: "error",
      why: "A request that forgets to say whose it is then reads and writes as the preset tenant.",
      remediation: "Take the setting off the role, the database or the server.",
    },
    contextAtStart,
  ),
  staticCheck(
    {
      id: "session-row-security-off",
      title: "row_security is off for an app role",
      category: "session",
      level: "warning",
      why: "It turns a wall into an error, and whoever mends the error may take the wall down instead.",
      remediation: "Leave row_security on.",
    },
    rowSecurityOff,
  ),
  staticCheck(
    {
      id: "session-search-path-writable",
      title: "An app role may create in a schema of its search path",
      category: "session",
      level: "warning",
      why: "Names that are not qualified are looked up there: an injected statement puts its own function in the place of a known one.",
      remediation: "Revoke CREATE on that schema.",
    },
    writableSearchPath,
  ),
  staticCheck(
    {
      id: "session-activity-visible",
      title: "Sessions of one login see each other's statements",
      category: "session",
      level: "notice",
      why: "Values written into statements are other tenants' values; bind parameters are not shown.",
      remediation: "Send values as bind parameters, or turn track_activities off for the login.",
    },
    activityVisible,
  ),
];
