import type { StaticFault as Case } from "../../self-test/fault.ts";

const table = "shop.customer";

export const ROLE_CASES: readonly Case[] = [
  { check: "role-superuser", plant: "alter role $app superuser", silent: "alter role $owner superuser" },
  {
    check: "role-superuser",
    title: "through a chain of memberships that inherit nothing",
    plant: `create role $app_staff noinherit;
      create role $app_root superuser;
      grant $app_root to $app_staff;
      grant $app_staff to $app`,
    silent: "create role $app_root superuser;\n grant $app to $app_root",
  },
  { check: "role-bypassrls", plant: "alter role $app bypassrls", silent: "alter role $owner bypassrls" },
  {
    check: "role-bypassrls",
    title: "a role to switch to",
    plant: "create role $app_all bypassrls;\n grant $app_all to $app",
    silent: "create role $app_all bypassrls;\n grant $app to $app_all",
  },
  { check: "role-createrole", plant: "alter role $app createrole", silent: "alter role $owner createrole" },
  { check: "role-createdb", plant: "alter role $app createdb", silent: "alter role $owner createdb" },
  { check: "role-replication", plant: "alter role $app replication", silent: "alter role $owner replication" },
  {
    check: "role-server-files",
    plant: "grant pg_read_server_files to $app",
    silent: "grant pg_read_server_files to $owner",
  },
  { check: "role-all-data", plant: "grant pg_read_all_data to $app", silent: "grant pg_read_all_data to $owner" },
  { check: "role-monitor", plant: "grant pg_read_all_stats to $app", silent: "grant pg_monitor to $owner" },
  {
    check: "role-owns-tables",
    plant: `alter table ${table} owner to $app`,
    silent: "create table shop.mine (a int);\n alter table shop.mine owner to $app",
  },
  {
    check: "role-owns-tables",
    title: "as a member of the owner",
    plant: "grant $owner to $app",
    silent: "grant $app to $owner",
  },
  { check: "role-owns-schema", plant: "grant $owner to $app", silent: "grant all on schema shop to $app" },
  { check: "role-owner-shared", plant: "grant $owner to $app", silent: "grant $app to $owner" },
  {
    check: "role-switches",
    plant: "create role $app_other;\n grant $app_other to $app",
    silent: "create role $app_other;\n alter role $app inherit;\n grant $app_other to $app",
  },
  {
    check: "role-switches",
    title: "a role that it may give itself",
    plant: "create role $app_other;\n grant $app_other to $app with admin option",
    silent: "create role $app_other;\n grant $app to $app_other with admin option",
  },
  { check: "role-reset", plant: "alter role $app nologin", silent: "alter role $app connection limit 5" },
  {
    check: "session-context-preset",
    plant: "alter role $app in database $db set shop.tenant = 'a'",
    silent: "alter role $app in database $db set shop.other = 'a';\n alter role $owner set shop.tenant = 'a'",
  },
  {
    check: "session-context-preset",
    title: "for the whole database",
    plant: "alter database $db set shop.tenant = 'a'",
    silent: "alter role $app set shop.tenant = ''",
  },
  {
    check: "session-row-security-off",
    plant: "alter role $app set row_security = off",
    silent: "alter role $owner set row_security = off",
  },
  {
    check: "session-search-path-writable",
    plant:
      'create schema "Odd ""name";\n grant create on schema "Odd ""name" to $app;\n alter role $app set search_path = pg_catalog, "Odd ""name"',
    silent:
      "create schema other;\n grant create on schema other to $app;\n alter role $app set search_path = pg_catalog, shop",
  },
  {
    check: "session-search-path-writable",
    title: "by the built-in path",
    plant: "grant create on schema public to public",
    silent: "alter role $app set search_path = shop;\n grant create on schema public to public",
  },
  {
    check: "session-activity-visible",
    plant: "select 1",
    silent: "alter role $app set track_activities = off",
  },
];
