import { quoted } from "../../sql-text.ts";
import { type Found, type StaticCheck, staticCheck } from "../check.ts";
import type { CheckContext } from "../context.ts";
import { howReached, leave, type Reached, reachedRoles, roleName } from "./reached.ts";

const SERVER_FILES = new Set(["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"]);
const ALL_DATA = new Set(["pg_read_all_data", "pg_write_all_data"]);
const OTHERS_SESSIONS = new Set([
  "pg_monitor",
  "pg_read_all_stats",
  "pg_read_all_settings",
  "pg_stat_scan_tables",
  "pg_signal_backend",
  "pg_signal_autovacuum_worker",
  "pg_create_subscription",
  "pg_maintain",
  "pg_checkpoint",
]);

function found(context: CheckContext, reached: Reached, message: string, tables: readonly string[] = []): Found {
  const fix = leave(context, reached);
  return { object: roleName(reached.app), tables, message, ...(fix === undefined ? {} : { fix }) };
}

function memberOf(names: ReadonlySet<string>) {
  return (context: CheckContext): readonly Found[] =>
    reachedRoles(context)
      .filter(({ role }) => names.has(role.name))
      .map((reached) => found(context, reached, howReached(reached)));
}

/** Owners other than superusers, which have a check of their own. */
function ownedTables(context: CheckContext): readonly Found[] {
  return reachedRoles(context)
    .filter(({ role }) => !role.superuser)
    .flatMap((reached): readonly Found[] => {
      const owned = context.tenantTables.filter(({ relation }) => relation.owner === reached.role.name);
      if (owned.length === 0) return [];
      const names = owned.map(({ name }) => name);
      const open = owned.filter(({ relation }) => !relation.forced).length;
      const how = reached.reach.way === "self" ? `${reached.app} owns` : `${howReached(reached)}, which owns`;
      const message = `${how} ${owned.length} tables of tenants: it can turn their row-level security off${
        open === 0 ? "" : `, and ${open} of them do not force it, so that it reads every row`
      }`;
      const owner = context.settings.ownerRoles[0];
      if (reached.reach.way !== "self" || owner === undefined) return [found(context, reached, message, names)];
      const fix = owned.map(
        ({ relation }) => `alter table ${quoted(relation.schema, relation.name)} owner to ${quoted(owner)}`,
      );
      return [{ object: roleName(reached.app), tables: names, message, fix }];
    });
}

function ownedContainers(context: CheckContext): readonly Found[] {
  const { server, schemas } = context.catalog;
  const inUse = new Set(context.tables.map(({ relation }) => relation.schema));
  return reachedRoles(context)
    .filter(({ role }) => !role.superuser)
    .flatMap((reached): readonly Found[] => {
      const owned = schemas.filter(({ name, owner }) => owner === reached.role.name && inUse.has(name));
      const things = [
        ...(server.databaseOwner === reached.role.name ? [`the database ${server.database}`] : []),
        ...owned.map(({ name }) => `the schema ${name}`),
      ];
      if (things.length === 0) return [];
      const how = reached.reach.way === "self" ? `${reached.app} owns` : `${howReached(reached)}, which owns`;
      return [found(context, reached, `${how} ${things.join(" and ")}`)];
    });
}

function reachesOwnerRole(context: CheckContext): readonly Found[] {
  const owners = new Set(context.settings.ownerRoles);
  return reachedRoles(context)
    .filter(({ role }) => owners.has(role.name))
    .map((reached) => {
      const is = reached.reach.way === "self";
      return found(
        context,
        reached,
        is
          ? `${reached.app} serves requests and owns what they reach`
          : `${howReached(reached)}, which owns the schema`,
      );
    });
}

/** Predefined and stronger roles are named by checks of their own. */
function switches(context: CheckContext): readonly Found[] {
  return reachedRoles(context)
    .filter(({ role, reach }) => ["set role", "grant itself"].includes(reach.way) && !role.superuser && !role.bypassRls)
    .filter(({ role }) => !role.name.startsWith("pg_"))
    .map((reached) =>
      found(context, reached, `${howReached(reached)}: a statement that says SET ROLE has its rights as well`),
    );
}

/** An app role that cannot sign in is switched to by a login, which can switch back. */
function switchedTo({ catalog, settings }: CheckContext): readonly Found[] {
  return settings.appRoles.flatMap((app): readonly Found[] => {
    const role = catalog.roles.find(({ name }) => name === app);
    if (role === undefined || role.login) return [];
    const logins = catalog.roles.filter(
      ({ name, login }) => login && catalog.access.reach(name).get(app)?.canBecome === true,
    );
    const unnamed = logins.filter(({ name, superuser }) => !superuser && !settings.appRoles.includes(name));
    const who =
      unnamed.length === 0 ? "" : `; ${unnamed.map(({ name }) => name).join(", ")} can switch to it, and back`;
    return [
      {
        object: roleName(app),
        tables: [],
        message: `${app} cannot sign in, so that a session becomes it by SET ROLE, and RESET ROLE ends that${who}`,
      },
    ];
  });
}

export const MEMBERSHIP_CHECKS: readonly StaticCheck[] = [
  staticCheck(
    {
      id: "role-server-files",
      title: "An app role reads or writes the server's files, or runs its programs",
      category: "roles",
      level: "error",
      why: "COPY FROM PROGRAM and the files of the cluster stand below every policy.",
      remediation: "Take the membership back.",
    },
    memberOf(SERVER_FILES),
  ),
  staticCheck(
    {
      id: "role-all-data",
      title: "An app role reads or writes all tables by a predefined role",
      category: "roles",
      level: "error",
      why: "pg_read_all_data and pg_write_all_data reach every table that has no policy of its own: materialized views, copies, queues, and those of tomorrow.",
      remediation: "Take the membership back and grant what is needed table by table.",
    },
    memberOf(ALL_DATA),
  ),
  staticCheck(
    {
      id: "role-monitor",
      title: "An app role sees or ends other sessions by a predefined role",
      category: "roles",
      level: "warning",
      why: "Statements of other sessions hold other tenants' values; statistics tell how much they store.",
      remediation: "Take the membership back; monitoring has a login of its own.",
    },
    memberOf(OTHERS_SESSIONS),
  ),
  staticCheck(
    {
      id: "role-owns-tables",
      title: "An app role owns tables of tenants, or can act as their owner",
      category: "roles",
      level: "error",
      why: "An owner passes row-level security that is not forced, and can turn off what is.",
      remediation: "Let another role own the tables, one that only migrations sign in as.",
    },
    ownedTables,
  ),
  staticCheck(
    {
      id: "role-owns-schema",
      title: "An app role owns the database or a schema, or can act as the owner",
      category: "roles",
      level: "error",
      why: "The owner of a schema makes and drops what it likes there; the owner of a database sets what every session begins with.",
      remediation: "Let another role own them, one that only migrations sign in as.",
    },
    ownedContainers,
  ),
  staticCheck(
    {
      id: "role-owner-shared",
      title: "Requests and migrations are not apart",
      category: "roles",
      level: "error",
      why: "A login that serves requests and can act as an owner role holds the keys to its own wall.",
      remediation: "Give migrations a login of their own that no server process holds.",
    },
    reachesOwnerRole,
  ),
  staticCheck(
    {
      id: "role-switches",
      title: "An app role can switch to another role",
      category: "roles",
      level: "warning",
      why: "What a session is not by itself it becomes with SET ROLE, which any injected statement can say.",
      remediation: "Take the membership back, or grant it WITH SET FALSE.",
    },
    switches,
  ),
  staticCheck(
    {
      id: "role-reset",
      title: "An app role is only switched to",
      category: "roles",
      level: "error",
      why: "SET ROLE is no wall: RESET ROLE takes a session back to the login, with all its rights.",
      remediation: "Let the app sign in as a role that has the least rights by itself, and name that login.",
    },
    switchedTo,
  ),
];
