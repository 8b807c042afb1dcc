import type { Grant } from "./principals.ts";

/** PostgreSQL's number for an object; unique among objects of one kind in one database. */
export type Oid = number;

/** What belongs to the whole server or to the database, rather than to a schema. */
export interface Server {
  /** As `server_version_num`: 180004. */
  readonly version: number;
  readonly database: string;
  readonly databaseOwner: string;
  /** CONNECT, CREATE, TEMPORARY. */
  readonly databaseGrants: readonly Grant[];
  /** As whom this was read, and whether that is a superuser. */
  readonly reader: string;
  readonly readerIsSuperuser: boolean;
  /** Whether this very connection is encrypted; `undefined` for a unix socket. */
  readonly readerTls: boolean | undefined;
  /** What the server runs with, as this login sees it. Values it may not see are not in it. */
  readonly settings: ReadonlyMap<string, string>;
  readonly roleSettings: readonly RoleSetting[];
  readonly extensions: readonly { readonly name: string; readonly version: string; readonly schema: string }[];
  readonly languages: readonly {
    readonly name: string;
    readonly trusted: boolean;
    readonly grants: readonly Grant[];
  }[];
  readonly defaultPrivileges: readonly DefaultPrivilege[];
  readonly publications: readonly Publication[];
  readonly eventTriggers: readonly {
    readonly name: string;
    readonly event: string;
    readonly enabled: boolean;
    readonly owner: string;
    readonly function: Oid;
    readonly tags: readonly string[];
  }[];
  readonly foreignServers: readonly {
    readonly name: string;
    readonly wrapper: string;
    readonly owner: string;
    readonly grants: readonly Grant[];
    /** Roles with a user mapping; `public` for everybody. */
    readonly mappedRoles: readonly string[];
  }[];
  readonly largeObjects: readonly {
    readonly owner: string;
    readonly count: number;
    readonly grants: readonly Grant[];
  }[];
  /** Rights on PostgreSQL's own functions, tables, views and parameters that were given after `initdb`. */
  readonly systemGrants: readonly SystemGrant[];
  /** `undefined` when this login may not read it. */
  readonly hba: readonly HbaRule[] | undefined;
}

/** `ALTER ROLE ... [IN DATABASE ...] SET`, `ALTER DATABASE ... SET`. Only those that hold for this database. */
export interface RoleSetting {
  /** `undefined` for every role. */
  readonly role: string | undefined;
  /** False when it holds in every database. */
  readonly inDatabase: boolean;
  readonly name: string;
  readonly value: string;
}

/** What objects that `owner` makes from now on let others do. */
export interface DefaultPrivilege {
  readonly owner: string;
  /** `undefined` for every schema. */
  readonly schema: string | undefined;
  readonly objects: "tables" | "sequences" | "functions" | "types" | "schemas" | "large objects";
  readonly grants: readonly Grant[];
}

export interface Publication {
  readonly name: string;
  readonly owner: string;
  readonly allTables: boolean;
  readonly tables: readonly Oid[];
  readonly schemas: readonly string[];
}

export interface SystemGrant extends Grant {
  readonly kind: "function" | "relation" | "parameter";
  /** `pg_read_file`, `pg_authid`, `session_replication_role`. */
  readonly name: string;
  /** Types of a function's arguments; empty for others. */
  readonly arguments: string;
  /** `pg_catalog`; empty for a parameter. */
  readonly schema: string;
}

/** A line of pg_hba.conf in force. */
export interface HbaRule {
  readonly line: number;
  readonly type: string;
  readonly databases: readonly string[];
  readonly users: readonly string[];
  readonly address: string | undefined;
  readonly netmask: string | undefined;
  readonly method: string;
  /** Why PostgreSQL could not read the line. */
  readonly error: string | undefined;
}
