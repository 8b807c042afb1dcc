import { literal, name, sql } from "../sql.ts";
import { live } from "./check.ts";
import { type Relation, relationName } from "./planting/index.ts";
import type { Stage } from "./stage.ts";

export const RIGHT_CHECKS = {
  table: live(
    "create-table",
    "The app role can create tables",
    "A table made here has no wall, and stands in front of the real one in the search path.",
    { category: "roles", remediation: "Revoke CREATE on the schema from the app role and from PUBLIC." },
  ),
  routine: live(
    "create-function",
    "The app role can create functions",
    "A function made here is called by whoever does not qualify its name, with that one's rights.",
    { category: "roles", remediation: "Revoke CREATE on the schema from the app role and from PUBLIC." },
  ),
  shadow: live(
    "temp-table-shadow",
    "A temporary table can stand in front of a tenant table",
    "Temporary tables come first in the search path: reads and writes of the next request go into it.",
    {
      category: "session",
      level: "warning",
      remediation: "Revoke TEMPORARY on the database from PUBLIC and from the app role.",
    },
  ),
  statistics: live(
    "statistics",
    "pg_stats shows values of all tenants",
    "The most common values of each column are values of rows.",
    { category: "indirect", remediation: "Enable row-level security on the table: pg_stats hides such tables." },
  ),
  activity: live(
    "activity",
    "The app role sees the statements of other roles",
    "Statements hold values, and contexts where they are written as literals.",
    { category: "roles", remediation: "Revoke pg_monitor and pg_read_all_stats from the app role." },
  ),
  statements: live(
    "statements",
    "The app role reads other roles' statements in pg_stat_statements",
    "Statements hold values and names.",
    {
      category: "roles",
      remediation: "Revoke SELECT on pg_stat_statements, and pg_read_all_stats, from the app role and from PUBLIC.",
    },
  ),
  largeObject: live(
    "large-object",
    "Large objects are read across tenants",
    "Large objects know owners, and no tenants: every tenant of the application reads them.",
    {
      category: "indirect",
      remediation: "Keep files in a table with the wall; revoke EXECUTE on lo_get, lo_open and loread from PUBLIC.",
    },
  ),
  outward: live(
    "outward",
    "The app role can open connections from the database",
    "A connection from the database to itself is another login's session, which no policy of this one holds.",
    {
      category: "indirect",
      remediation: "Revoke EXECUTE on dblink's functions and USAGE on foreign servers from PUBLIC and the app role.",
    },
  ),
  files: live(
    "server-files",
    "The app role reads files of the server",
    "The database's own files hold every tenant's rows.",
    {
      category: "roles",
      remediation:
        "Revoke pg_read_server_files, pg_write_server_files and pg_execute_server_program from the app role.",
    },
  ),
  detail: live(
    "error-detail",
    "An error names another tenant's values",
    "What a constraint or trigger says of somebody else's row is read by whoever caused it.",
    {
      category: "indirect",
      remediation:
        "Let triggers raise without values of rows, and enable row-level security so that PostgreSQL hides them.",
    },
  ),
} as const;

const OWN_NAME = "rw_probe_made";

/** What the app role may do besides reading and writing rows. */
export async function probeRights(stage: Stage, relations: readonly Relation[]): Promise<void> {
  await probeCreate(stage);
  await probeShadow(stage, relations);
  await probeStatistics(stage);
  await probeStatements(stage);
  await probeLargeObjects(stage);
  await probeOutward(stage);
  await probeFiles(stage);
}

async function probeCreate(stage: Stage): Promise<void> {
  const schemas = new Set(["public", ...[...stage.schema.relations.values()].map(({ schema }) => schema)]);
  stage.ran.add(RIGHT_CHECKS.table.id).add(RIGHT_CHECKS.routine.id);
  for (const schema of schemas) {
    const where = { object: { kind: "schema", name: schema }, tables: [] } as const;
    const table = sql`create table ${name(schema, OWN_NAME)} (a int)`;
    const made = await stage.attempt(async () => await stage.run(table));
    if (made.ok)
      stage.found(
        RIGHT_CHECKS.table,
        where,
        `${stage.role} made a table in the schema ${schema}`,
        stage.evidence([], table),
      );
    const routine = sql`create function ${name(schema, OWN_NAME)}() returns int language sql as 'select 1'`;
    const called = await stage.attempt(async () => await stage.run(routine));
    if (called.ok)
      stage.found(
        RIGHT_CHECKS.routine,
        where,
        `${stage.role} made a function in the schema ${schema}`,
        stage.evidence([], routine),
      );
  }
}

async function probeShadow(stage: Stage, relations: readonly Relation[]): Promise<void> {
  stage.ran.add(RIGHT_CHECKS.shadow.id);
  const [relation] = relations;
  if (relation === undefined) return;
  const shadow = sql`create temporary table ${name(relation.name)} (a int) on commit drop`;
  const outcome = await stage.attempt(async () => {
    await stage.run(shadow);
    return await stage.run<{ shadowed: boolean }>(
      sql`select to_regclass(${literal(`"${relation.name.replaceAll('"', '""')}"`)}) <> ${literal(relationName(relation).text)}::regclass as shadowed`,
    );
  });
  if (!outcome.ok || outcome.value[0]?.shadowed !== true) return;
  const where = { object: { kind: "role", name: stage.role }, tables: [] } as const;
  stage.found(
    RIGHT_CHECKS.shadow,
    where,
    `${stage.role} put a temporary table in front of ${relation.schema}.${relation.name}`,
    stage.evidence([], shadow),
  );
}

async function probeStatistics(stage: Stage): Promise<void> {
  stage.ran.add(RIGHT_CHECKS.statistics.id);
  const tables = [...stage.garden.owners.keys()]
    .map((oid) => stage.schema.relations.get(oid))
    .filter((one) => one !== undefined);
  const statement = sql`select schemaname, tablename, attname, left(most_common_vals::text, 40) as values from pg_catalog.pg_stats
    where most_common_vals is not null or histogram_bounds is not null`;
  const rows = await stage.tried<{ schemaname: string; tablename: string }>(statement);
  for (const relation of tables) {
    const shown = rows.filter((row) => row.schemaname === relation.schema && row.tablename === relation.name);
    if (shown.length > 0)
      stage.found(
        RIGHT_CHECKS.statistics,
        relation,
        `pg_stats shows values of ${relation.schema}.${relation.name}`,
        stage.evidence(shown, statement),
      );
  }
}

async function probeStatements(stage: Stage): Promise<void> {
  const where = { object: { kind: "role", name: stage.role }, tables: [] } as const;
  const activity = sql`select usename::text as login, left(query, 40) as query from pg_catalog.pg_stat_activity
    where usename is distinct from current_user and backend_type = 'client backend' and query <> '<insufficient privilege>' and query <> '' limit 5`;
  stage.ran.add(RIGHT_CHECKS.activity.id).add(RIGHT_CHECKS.statements.id);
  // The right is asked for as well: on a quiet server nobody else has a statement to show.
  const may = await stage.tried<{ may: boolean }>(
    sql`select pg_has_role(current_user, 'pg_read_all_stats', 'usage') as may`,
  );
  const seen = may[0]?.may === true ? await stage.tried(activity) : [];
  if (may[0]?.may === true)
    stage.found(
      RIGHT_CHECKS.activity,
      where,
      `${stage.role} reads the statements of other logins`,
      stage.evidence(seen, activity),
    );
  const views = await stage.tried<{ schema: string }>(
    sql`select n.nspname as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace where c.relname = 'pg_stat_statements' and c.relkind = 'v'`,
  );
  for (const { schema } of views) {
    const statement = sql`select left(query, 40) as query from ${name(schema, "pg_stat_statements")} where query <> '<insufficient privilege>'
      and userid <> (select oid from pg_catalog.pg_roles where rolname = current_user) limit 5`;
    const rows = await stage.tried(statement);
    if (rows.length > 0)
      stage.found(
        RIGHT_CHECKS.statements,
        where,
        `${stage.role} reads other logins' statements in ${schema}.pg_stat_statements`,
        stage.evidence(rows, statement),
      );
  }
}

/** Only where large objects are in use: a role that may make some and has none holds nobody's. */
async function probeLargeObjects(stage: Stage): Promise<void> {
  stage.ran.add(RIGHT_CHECKS.largeObject.id);
  const some = await stage.tried<{ oid: string }>(
    sql`select oid::text as oid from pg_catalog.pg_largeobject_metadata order by oid limit 5`,
  );
  for (const { oid } of some) {
    const statement = sql`select encode(lo_get(${literal(oid)}::oid, 0, 16), 'hex') as bytes`;
    const rows = await stage.tried(statement);
    if (rows.length === 0) continue;
    const where = { object: { kind: "database", name: "large objects" }, tables: [] } as const;
    stage.found(
      RIGHT_CHECKS.largeObject,
      where,
      `${stage.role} reads large objects in the context of any tenant`,
      stage.evidence(rows, statement),
    );
    return;
  }
}

/** Asks for the right and for what it leads to, and opens no connection: somebody else's server is not ours to try. */
async function probeOutward(stage: Stage): Promise<void> {
  stage.ran.add(RIGHT_CHECKS.outward.id);
  const statement = sql`select p.oid::regprocedure::text as routine from pg_catalog.pg_proc p
    join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    join pg_catalog.pg_extension e on e.oid = d.refobjid
    where e.extname in ('dblink', 'http', 'pg_cron', 'plproxy', 'pg_net', 'adminpack', 'plsh')
      and has_function_privilege(p.oid, 'execute') and has_schema_privilege(p.pronamespace, 'usage')
      and p.proname in ('dblink', 'dblink_connect', 'dblink_exec', 'http', 'http_get', 'http_post', 'schedule', 'net_http_get', 'http_post', 'run_query')
    union all
    select 'server ' || quote_ident(srvname) from pg_catalog.pg_foreign_server where has_server_privilege(oid, 'usage') limit 5`;
  const rows = await stage.tried(statement);
  const where = { object: { kind: "role", name: stage.role }, tables: [] } as const;
  if (rows.length > 0)
    stage.found(
      RIGHT_CHECKS.outward,
      where,
      `${stage.role} can open connections from inside the database`,
      stage.evidence(rows, statement),
    );
}

async function probeFiles(stage: Stage): Promise<void> {
  stage.ran.add(RIGHT_CHECKS.files.id);
  const statement = sql`select length(pg_catalog.pg_read_file('PG_VERSION')) as characters`;
  const rows = await stage.tried(statement);
  const membership = sql`select rolname::text as role from pg_catalog.pg_roles where pg_has_role(current_user, oid, 'usage')
    and rolname in ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program')`;
  const memberships = await stage.tried(membership);
  const where = { object: { kind: "role", name: stage.role }, tables: [] } as const;
  const read = rows.length > 0;
  if (read || memberships.length > 0)
    stage.found(
      RIGHT_CHECKS.files,
      where,
      `${stage.role} reads or writes files of the server`,
      stage.evidence(read ? rows : memberships, read ? statement : membership),
    );
}

/** What refusals have said so far, of any probe. */
export function probeDetails(stage: Stage): void {
  stage.ran.add(RIGHT_CHECKS.detail.id);
  const where = { object: { kind: "database", name: "errors" }, tables: [] } as const;
  for (const evidence of stage.leaks.values())
    stage.found(
      RIGHT_CHECKS.detail,
      where,
      "an error named values of another tenant that it had not been given",
      evidence,
    );
}
