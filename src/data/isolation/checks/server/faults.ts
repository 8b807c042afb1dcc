import type { Catalog, HbaRule, Server } from "../../catalog/index.ts";
import type { StaticFault as Case } from "../../self-test/fault.ts";

const NOTHING = "select 1";
const on =
  (change: (server: Server) => Partial<Server>) =>
  (catalog: Catalog): Catalog => ({
    ...catalog,
    server: { ...catalog.server, ...change(catalog.server) },
  });
const rule = (over: Partial<HbaRule>): HbaRule => ({
  line: 7,
  type: "host",
  databases: ["all"],
  users: ["all"],
  address: "10.0.0.0",
  netmask: "255.0.0.0",
  method: "scram-sha-256",
  error: undefined,
  ...over,
});
const hba = (...rules: readonly Partial<HbaRule>[]) => on(() => ({ hba: rules.map(rule) }));
const setting = (...pairs: readonly (readonly [string, string])[]) =>
  on(({ settings }) => ({ settings: new Map([...settings, ...pairs]) }));

export const SERVER_CASES: readonly Case[] = [
  {
    check: "server-unsupported",
    plant: NOTHING,
    silent: NOTHING,
    planted: on(() => ({ version: 140_019 })),
  },
  { check: "server-vulnerable", plant: NOTHING, silent: NOTHING, planted: on(() => ({ version: 170_005 })) },
  {
    check: "server-vulnerable",
    title: "a major version that is newer than the list",
    plant: NOTHING,
    silent: NOTHING,
    planted: on(() => ({ version: 180_000 })),
    silenced: on(() => ({ version: 190_000 })),
  },
  {
    check: "hba-weak-method",
    plant: NOTHING,
    silent: NOTHING,
    planted: hba({ method: "trust" }),
    silenced: hba(
      { method: "scram-sha-256" },
      { method: "trust", databases: ["replication"] },
      { method: "peer", type: "local" },
    ),
  },
  {
    check: "hba-weak-method",
    title: "a login that may not read the file",
    plant: NOTHING,
    silent: NOTHING,
    planted: on(() => ({ hba: undefined })),
    silenced: hba({ method: "trust", users: ["somebody_else"] }),
  },
  {
    check: "hba-plain",
    plant: NOTHING,
    silent: NOTHING,
    planted: hba({}),
    silenced: hba({ type: "hostssl" }, { address: "127.0.0.1" }, { type: "hostnossl", method: "reject" }),
  },
  {
    check: "server-tls-off",
    plant: NOTHING,
    silent: NOTHING,
    planted: setting(["ssl", "off"], ["listen_addresses", "*"]),
    silenced: setting(["ssl", "off"], ["listen_addresses", "localhost, 127.0.0.1"]),
  },
  {
    check: "server-md5-passwords",
    plant: NOTHING,
    silent: NOTHING,
    planted: setting(["password_encryption", "md5"]),
  },
  {
    check: "database-create",
    plant: "grant create on database $db to public",
    silent: "grant create on database $db to $owner",
  },
  {
    check: "database-temporary",
    plant: "grant temporary on database $db to $app",
    silent: "grant temporary on database $db to $owner",
  },
  {
    check: "database-connect-public",
    plant: "grant connect on database $db to public",
    silent: "grant connect on database $db to $app",
  },
  {
    check: "schema-create",
    plant: 'create schema "per""haps; drop";\n grant create on schema "per""haps; drop" to public',
    silent: "grant create on schema shop to $owner",
  },
  {
    check: "default-privileges",
    plant: "alter default privileges for role $owner in schema shop grant select on tables to $app",
    silent: "alter default privileges for role $owner in schema shop grant execute on functions to $app",
  },
  {
    check: "default-privileges",
    title: "in every schema, through PUBLIC",
    plant: "alter default privileges for role $owner grant usage on sequences to public",
    silent:
      "create role $app_reports;\n alter default privileges for role $owner grant select on tables to $app_reports",
  },
  {
    check: "system-grant",
    plant: "grant execute on function pg_catalog.pg_read_file(text) to $app",
    silent: "grant execute on function pg_catalog.pg_read_file(text) to $owner",
  },
  {
    check: "system-grant",
    title: "a table of verifiers",
    plant: "grant select on pg_catalog.pg_authid to $app",
    silent: "grant select on pg_catalog.pg_class to $owner",
  },
  {
    check: "system-grant",
    title: "a parameter that turns triggers off",
    plant: "grant set on parameter session_replication_role to $app",
    silent: "grant set on parameter session_replication_role to $owner",
  },
  {
    check: "log-values",
    plant: "alter role $app set log_min_duration_statement = 0;\n alter role $app set log_parameter_max_length = 100",
    silent: "alter role $app set log_statement = 'all';\n alter role $app set log_parameter_max_length = 0",
  },
  {
    check: "log-error-values",
    plant: "alter database $db set log_parameter_max_length_on_error = -1",
    silent: "alter role $owner set log_parameter_max_length_on_error = -1",
  },
  {
    check: "publication-unfiltered",
    plant: "create publication $app_out for tables in schema shop",
    silent: "create table public.note (a int);\n create publication $app_out for table public.note",
  },
  {
    check: "no-table-gate",
    plant: NOTHING,
    silent: `create function shop.gate() returns event_trigger language plpgsql as 'begin end';
      create event trigger $app_gate on ddl_command_end when tag in ('CREATE TABLE') execute function shop.gate()`,
  },
];
