import type { SqlSession } from "../session.ts";
import type { Catalog, Oid } from "./model.ts";
import type { Membership, Role } from "./principals.ts";
import { type GrantRows, grantsOf, wordOf } from "./rows.ts";
import type { DefaultPrivilege, HbaRule, Publication, RoleSetting, Server, SystemGrant } from "./server-model.ts";
import * as queries from "./server-queries.ts";

/** What this login may read beyond what everybody may. */
export interface Permitted {
  readonly source: boolean;
  readonly body: boolean;
}

interface DatabaseRow {
  readonly database: string;
  readonly owner: string;
  readonly version: number;
  readonly reader: string;
  readonly is_superuser: boolean;
  readonly tls: boolean | null;
  readonly is_socket: boolean;
  readonly reads_source: boolean;
  readonly reads_body: boolean;
  readonly reads_hba: boolean;
  readonly reads_settings: boolean;
  readonly grants: GrantRows;
}

interface RoleRow {
  readonly oid: number;
  readonly name: string;
  readonly login: boolean;
  readonly superuser: boolean;
  readonly bypass_rls: boolean;
  readonly create_role: boolean;
  readonly create_db: boolean;
  readonly replication: boolean;
  readonly connection_limit: number;
  readonly valid_until: string | null;
  readonly member_of: readonly Membership[];
}

const DEFAULT_OBJECTS = {
  r: "tables",
  S: "sequences",
  f: "functions",
  T: "types",
  n: "schemas",
  L: "large objects",
} as const;

export async function readRoles(session: SqlSession): Promise<readonly Role[]> {
  const rows = await session.query<RoleRow>(queries.ROLES);
  return rows.map((row) => ({
    oid: row.oid,
    name: row.name,
    login: row.login,
    superuser: row.superuser,
    bypassRls: row.bypass_rls,
    createRole: row.create_role,
    createDb: row.create_db,
    replication: row.replication,
    connectionLimit: row.connection_limit,
    validUntil: row.valid_until ?? undefined,
    memberOf: row.member_of,
  }));
}

/** The server and the database, what this login may read, and what it may not. */
export async function readServer(
  session: SqlSession,
): Promise<{ readonly server: Server; readonly may: Permitted; readonly unreadable: Catalog["unreadable"] }> {
  const [database] = await session.query<DatabaseRow>(queries.DATABASE);
  if (database === undefined) throw new TypeError("PostgreSQL does not know the database we are connected to");
  const settings = await session.query<{ name: string; value: string }>(queries.SETTINGS);
  const server: Server = {
    version: database.version,
    database: database.database,
    databaseOwner: database.owner,
    databaseGrants: grantsOf(database.grants),
    reader: database.reader,
    readerIsSuperuser: database.is_superuser,
    readerTls: database.is_socket ? undefined : database.tls === true,
    settings: new Map(settings.map(({ name, value }) => [name, value])),
    roleSettings: await readRoleSettings(session),
    extensions: await session.query<Server["extensions"][number]>(queries.EXTENSIONS),
    ...(await readGranted(session)),
    publications: await readPublications(session),
    eventTriggers: await session.query<Server["eventTriggers"][number]>(queries.EVENT_TRIGGERS),
    systemGrants: await session.query<SystemGrant>(queries.SYSTEM_GRANTS),
    hba: database.reads_hba ? await readHba(session) : undefined,
  };
  return { server, may: { source: database.reads_source, body: database.reads_body }, unreadable: hidden(database) };
}

function hidden(database: DatabaseRow): Catalog["unreadable"] {
  const { reader } = database;
  const unreadable: Catalog["unreadable"][number][] = [];
  if (!database.reads_source || !database.reads_body) {
    unreadable.push({ what: "function source", reason: `${reader} may not read the text of functions` });
  }
  if (!database.reads_hba) unreadable.push({ what: "pg_hba", reason: `${reader} may not read pg_hba_file_rules` });
  if (!database.reads_settings) {
    unreadable.push({ what: "settings", reason: `${reader} is no member of pg_read_all_settings` });
  }
  return unreadable;
}

type Granted = Pick<Server, "languages" | "defaultPrivileges" | "foreignServers" | "largeObjects">;

async function readGranted(session: SqlSession): Promise<Granted> {
  type With<Row> = Omit<Row, "grants"> & { readonly grants: GrantRows };
  type Mapped = With<Server["foreignServers"][number]> & { readonly mapped_roles: readonly string[] };
  const withGrants = <Row extends { readonly grants: GrantRows }>(row: Row) => ({
    ...row,
    grants: grantsOf(row.grants),
  });
  const languages = await session.query<With<Server["languages"][number]>>(queries.LANGUAGES);
  const defaults = await session.query<{
    owner: string;
    schema: string | null;
    objects: string;
    grants: GrantRows;
  }>(queries.DEFAULT_PRIVILEGES);
  const servers = await session.query<Mapped>(queries.FOREIGN_SERVERS);
  const largeObjects = await session.query<With<Server["largeObjects"][number]>>(queries.LARGE_OBJECTS);
  return {
    languages: languages.map(withGrants),
    defaultPrivileges: defaults.map(
      (row): DefaultPrivilege => ({
        owner: row.owner,
        schema: row.schema ?? undefined,
        objects: wordOf(DEFAULT_OBJECTS, row.objects),
        grants: grantsOf(row.grants),
      }),
    ),
    foreignServers: servers.map(({ name, wrapper, owner, grants, mapped_roles }) => ({
      name,
      wrapper,
      owner,
      grants: grantsOf(grants),
      mappedRoles: mapped_roles,
    })),
    largeObjects: largeObjects.map(withGrants),
  };
}

async function readRoleSettings(session: SqlSession): Promise<readonly RoleSetting[]> {
  const rows = await session.query<{ role: string | null; in_database: boolean; entry: string }>(queries.ROLE_SETTINGS);
  return rows.map(({ role, in_database, entry }) => {
    const at = entry.indexOf("=");
    return {
      role: role ?? undefined,
      inDatabase: in_database,
      name: entry.slice(0, at),
      value: entry.slice(at + 1),
    };
  });
}

async function readPublications(session: SqlSession): Promise<readonly Publication[]> {
  const rows = await session.query<{
    name: string;
    owner: string;
    all_tables: boolean;
    tables: readonly Oid[];
    schemas: readonly string[];
  }>(queries.PUBLICATIONS);
  return rows.map(({ name, owner, all_tables, tables, schemas }) => ({
    name,
    owner,
    allTables: all_tables,
    tables,
    schemas,
  }));
}

async function readHba(session: SqlSession): Promise<readonly HbaRule[]> {
  const rows = await session.query<{
    line: number;
    type: string;
    databases: readonly string[];
    users: readonly string[];
    address: string | null;
    netmask: string | null;
    method: string;
    error: string | null;
  }>(queries.HBA);
  return rows.map(({ address, netmask, error, ...rest }) => ({
    ...rest,
    address: address ?? undefined,
    netmask: netmask ?? undefined,
    error: error ?? undefined,
  }));
}
