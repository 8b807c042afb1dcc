import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { granteeText, holder } from "../grants.ts";
import { type Right, rightsOf, superuserOf } from "../rights.ts";

const DATABASE_PRIVILEGES = ["CONNECT", "CREATE", "TEMPORARY"];
const SCHEMA_PRIVILEGES = ["USAGE", "CREATE"];

/** Superusers have everything, and a check of their own. */
function ordinaryRoles({ catalog, settings }: CheckContext): readonly string[] {
  return settings.appRoles.filter((app) => superuserOf(catalog, app) === undefined);
}

function databaseRight(privilege: "CREATE" | "TEMPORARY", says: string) {
  return (context: CheckContext): readonly Found[] => {
    const { database, databaseOwner, databaseGrants } = context.catalog.server;
    const object = { owner: databaseOwner, grants: databaseGrants };
    return ordinaryRoles(context).flatMap((app): readonly Found[] => {
      const right = rightsOf(context.catalog, app, object, DATABASE_PRIVILEGES).get(privilege);
      if (right === undefined || right.by !== "grant") return [];
      return [
        {
          object: { kind: "database", name: database },
          tables: [],
          message: `${holder(right)} ${says} in the database ${database}`,
          fix: [`revoke ${privilege} on database ${quoted(database)} from ${granteeText(right.grantee)}`],
        },
      ];
    });
  };
}

function connectPublic({ catalog }: CheckContext): readonly Found[] {
  const { database, databaseGrants } = catalog.server;
  if (!databaseGrants.some(({ grantee, privilege }) => grantee === "public" && privilege === "CONNECT")) return [];
  return [
    {
      object: { kind: "database", name: database },
      tables: [],
      message: `every login of the server may connect to ${database}`,
      fix: [`revoke connect on database ${quoted(database)} from public`],
    },
  ];
}

function schemaCreate(context: CheckContext): readonly Found[] {
  return ordinaryRoles(context).flatMap((app) =>
    context.catalog.schemas.flatMap((schema): readonly Found[] => {
      const right = rightsOf(context.catalog, app, schema, SCHEMA_PRIVILEGES).get("CREATE");
      if (right === undefined || right.by !== "grant") return [];
      return [
        {
          object: { kind: "schema", name: schema.name },
          tables: [],
          message: `${holder(right)} may create tables and functions in the schema ${schema.name}`,
          fix: [`revoke create on schema ${quoted(schema.name)} from ${granteeText(right.grantee)}`],
        },
      ];
    }),
  );
}

function defaultPrivileges(context: CheckContext): readonly Found[] {
  const apps = ordinaryRoles(context);
  return context.catalog.server.defaultPrivileges
    .filter(({ objects }) => objects === "tables" || objects === "sequences" || objects === "large objects")
    .flatMap(({ owner, schema, objects, grants }) => {
      const rights = new Map<string, Right>();
      for (const app of apps) {
        for (const [, grantee] of context.catalog.access.privileges(app, grants)) {
          if (grantee !== owner) rights.set(grantee, { role: app, grantee, by: "grant" });
        }
      }
      return [...rights.values()].map((right): Found => {
        const where = schema === undefined ? "" : ` in schema ${quoted(schema)}`;
        return {
          object: schema === undefined ? { kind: "role", name: owner } : { kind: "schema", name: schema },
          tables: [],
          message: `${objects} that ${owner} makes${schema === undefined ? "" : ` in ${schema}`} are open to ${holder(right)} before anybody walled them`,
          fix: [
            `alter default privileges for role ${quoted(owner)}${where} revoke all on ${objects} from ${granteeText(right.grantee)}`,
          ],
        };
      });
    });
}

/** What `initdb` keeps from ordinary logins and somebody gave to them, or a right to set what the server keeps for itself. */
function systemGrants(context: CheckContext): readonly Found[] {
  return context.catalog.server.systemGrants.flatMap((granted): readonly Found[] => {
    const { kind, schema, name, privilege, grantee } = granted;
    const right = ordinaryRoles(context).find((app) => context.catalog.access.privileges(app, [granted]).size > 0);
    if (right === undefined) return [];
    const full =
      kind === "function"
        ? `${schema}.${name}(${granted.arguments})`
        : kind === "parameter"
          ? name
          : `${schema}.${name}`;
    return [
      {
        object:
          kind === "parameter"
            ? { kind: "setting", name }
            : { kind: kind === "function" ? "function" : "table", schema, name },
        tables: [],
        message: `${holder({ role: right, grantee, by: "grant" })} was given ${privilege} on ${full}`,
        ...revokeSystem(granted),
      },
    ];
  });
}

function revokeSystem(granted: CheckContext["catalog"]["server"]["systemGrants"][number]): Pick<Found, "fix"> {
  const { kind, schema, name, privilege } = granted;
  const from = granteeText(granted.grantee);
  switch (kind) {
    case "function":
      // The types are PostgreSQL's own text of the signature; names of arguments that are in it are quoted by it.
      return { fix: [`revoke ${privilege} on function ${quoted(schema, name)}(${granted.arguments}) from ${from}`] };
    case "relation":
      return { fix: [`revoke ${privilege} on ${quoted(schema, name)} from ${from}`] };
    case "parameter":
      return {
        fix: [
          `revoke ${privilege} on parameter ${name
            .split(".")
            .map((part) => quoted(part))
            .join(".")} from ${from}`,
        ],
      };
  }
}

export const RIGHT_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "database-create",
      title: "An app role may create schemas",
      category: "server",
      level: "error",
      why: "In a schema of its own it makes tables without a wall, and functions that others may call by mistake.",
      remediation: "Revoke CREATE on the database.",
    },
    databaseRight("CREATE", "may create schemas"),
  ),
  staticCheck(
    {
      id: "database-temporary",
      title: "An app role may make temporary tables",
      category: "server",
      level: "warning",
      why: "A temporary table outlives its transaction and shows its rows to the next tenant of a pooled connection; it also stands in front of a table of the same name.",
      remediation: "Revoke TEMPORARY on the database, also from PUBLIC.",
    },
    databaseRight("TEMPORARY", "may make temporary tables"),
  ),
  staticCheck(
    {
      id: "database-connect-public",
      title: "Every login may connect",
      category: "server",
      level: "notice",
      why: "A login of another application on the same server is one forgotten GRANT away from the rows.",
      remediation: "Revoke CONNECT from PUBLIC and grant it to the logins that need it.",
    },
    connectPublic,
  ),
  staticCheck(
    {
      id: "schema-create",
      title: "An app role may create in a schema",
      category: "server",
      level: "error",
      why: "What it creates it owns, without a wall: a copy of rows, a function that replaces another in somebody's search_path.",
      remediation: "Revoke CREATE on the schema, also from PUBLIC.",
    },
    schemaCreate,
  ),
  staticCheck(
    {
      id: "default-privileges",
      title: "New tables are open to an app role",
      category: "server",
      level: "warning",
      why: "A table made tomorrow is readable by every tenant until somebody thinks of its wall.",
      remediation: "Grant in the migration that walls the table, not by default.",
    },
    defaultPrivileges,
  ),
  staticCheck(
    {
      id: "system-grant",
      title: "An app role was given what PostgreSQL keeps for administrators",
      category: "server",
      level: "error",
      why: "Files of the server, password verifiers, statistics with values of rows, and settings that turn triggers and foreign keys off are kept from ordinary logins for a reason.",
      remediation: "Revoke it; give it to a login that only administers.",
    },
    systemGrants,
  ),
];
