/** The questions about roles, the server and the database; the rules of `queries.ts` hold. */

/** The columns of memberships differ by version: what is not there is what PostgreSQL did before it was. */
export const ROLES = `
  select r.oid, r.rolname::pg_catalog.text as name, r.rolcanlogin as login, r.rolsuper as superuser, r.rolbypassrls as bypass_rls,
    r.rolcreaterole as create_role, r.rolcreatedb as create_db, r.rolreplication as replication,
    r.rolconnlimit as connection_limit, r.rolvaliduntil::pg_catalog.text as valid_until,
    (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_object(
         'role', pg_catalog.pg_get_userbyid(m.roleid), 'admin', m.admin_option,
         'inherit', coalesce((pg_catalog.to_jsonb(m) ->> 'inherit_option')::pg_catalog.bool, r.rolinherit),
         'set', coalesce((pg_catalog.to_jsonb(m) ->> 'set_option')::pg_catalog.bool, true))), '[]')
       from pg_catalog.pg_auth_members m where m.member = r.oid) as member_of
  from pg_catalog.pg_roles r order by r.rolname`;

export const DATABASE = `
  select pg_catalog.current_database()::pg_catalog.text as database, pg_catalog.pg_get_userbyid(d.datdba)::pg_catalog.text as owner,
    pg_catalog.current_setting('server_version_num')::pg_catalog.int4 as version, current_user::pg_catalog.text as reader,
    pg_catalog.current_setting('is_superuser') = 'on' as is_superuser,
    (select s.ssl from pg_catalog.pg_stat_ssl s where s.pid = pg_catalog.pg_backend_pid()) as tls,
    pg_catalog.inet_client_addr() is null as is_socket,
    pg_catalog.has_column_privilege('pg_catalog.pg_proc', 'prosrc', 'select') as reads_source,
    pg_catalog.has_function_privilege('pg_catalog.pg_get_function_sqlbody(oid)', 'execute') as reads_body,
    pg_catalog.has_function_privilege('pg_catalog.pg_hba_file_rules()', 'execute')
      and pg_catalog.has_table_privilege('pg_catalog.pg_hba_file_rules', 'select') as reads_hba,
    pg_catalog.pg_has_role('pg_read_all_settings', 'usage') as reads_settings,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a) as grants
  from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()`;

export const SETTINGS = `select name, setting as value from pg_catalog.pg_settings`;

export const ROLE_SETTINGS = `
  select case s.setrole when 0 then null else pg_catalog.pg_get_userbyid(s.setrole)::pg_catalog.text end as role,
    s.setdatabase <> 0 as in_database, c.entry
  from pg_catalog.pg_db_role_setting s cross join lateral pg_catalog.unnest(s.setconfig) c (entry)
  where s.setdatabase = 0
    or s.setdatabase = (select d.oid from pg_catalog.pg_database d where d.datname = pg_catalog.current_database())`;

export const EXTENSIONS = `
  select e.extname::pg_catalog.text as name, e.extversion as version, n.nspname::pg_catalog.text as schema
  from pg_catalog.pg_extension e join pg_catalog.pg_namespace n on n.oid = e.extnamespace order by e.extname`;

export const LANGUAGES = `
  select l.lanname::pg_catalog.text as name, l.lanpltrusted as trusted,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(l.lanacl, pg_catalog.acldefault('l', l.lanowner))) a) as grants
  from pg_catalog.pg_language l where l.lanispl order by l.lanname`;

export const DEFAULT_PRIVILEGES = `
  select pg_catalog.pg_get_userbyid(d.defaclrole)::pg_catalog.text as owner, n.nspname::pg_catalog.text as schema,
    d.defaclobjtype::pg_catalog.text as objects,
    (select coalesce(pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable)), '[]')
       from pg_catalog.aclexplode(d.defaclacl) a) as grants
  from pg_catalog.pg_default_acl d left join pg_catalog.pg_namespace n on n.oid = d.defaclnamespace order by d.oid`;

export const PUBLICATIONS = `
  select p.pubname::pg_catalog.text as name, pg_catalog.pg_get_userbyid(p.pubowner)::pg_catalog.text as owner, p.puballtables as all_tables,
    (select coalesce(pg_catalog.json_agg(r.prrelid::pg_catalog.int8), '[]') from pg_catalog.pg_publication_rel r where r.prpubid = p.oid) as tables,
    (select coalesce(pg_catalog.json_agg(n.nspname), '[]') from pg_catalog.pg_publication_namespace s
       join pg_catalog.pg_namespace n on n.oid = s.pnnspid where s.pnpubid = p.oid) as schemas
  from pg_catalog.pg_publication p order by p.pubname`;

export const EVENT_TRIGGERS = `
  select e.evtname::pg_catalog.text as name, e.evtevent::pg_catalog.text as event, e.evtenabled <> 'D' as enabled,
    pg_catalog.pg_get_userbyid(e.evtowner)::pg_catalog.text as owner, e.evtfoid as function, coalesce(e.evttags, '{}') as tags
  from pg_catalog.pg_event_trigger e order by e.evtname`;

export const FOREIGN_SERVERS = `
  select s.srvname::pg_catalog.text as name, w.fdwname::pg_catalog.text as wrapper, pg_catalog.pg_get_userbyid(s.srvowner)::pg_catalog.text as owner,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(s.srvacl, pg_catalog.acldefault('S', s.srvowner))) a) as grants,
    (select coalesce(pg_catalog.json_agg(u.usename), '[]') from pg_catalog.pg_user_mappings u where u.srvid = s.oid) as mapped_roles
  from pg_catalog.pg_foreign_server s join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw order by s.srvname`;

/** There may be millions: those that are alike are counted. */
export const LARGE_OBJECTS = `
  select l.owner, l.count,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(l.acl, pg_catalog.acldefault('L', l.owner_oid))) a) as grants
  from (select m.lomowner as owner_oid, pg_catalog.pg_get_userbyid(m.lomowner)::pg_catalog.text as owner, m.lomacl as acl,
      pg_catalog.count(*)::pg_catalog.float8 as count
    from pg_catalog.pg_largeobject_metadata m group by m.lomowner, m.lomacl) l`;

/** Rights on what is in `pg_catalog` that were given after `initdb`. The views of `information_schema` filter by themselves. */
export const SYSTEM_GRANTS = `
  with given as (
    select 'relation' as kind, c.oid, 'pg_catalog.pg_class'::pg_catalog.regclass as class, n.nspname, c.relname::pg_catalog.text as name, '' as arguments,
        coalesce(c.relacl, pg_catalog.acldefault('r', c.relowner)) as acl, c.relowner as owner
      from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where n.nspname = 'pg_catalog' and c.relkind in ('r', 'v', 'p')
    union all
    select 'function', p.oid, 'pg_catalog.pg_proc'::pg_catalog.regclass, n.nspname,
        p.proname::pg_catalog.text, pg_catalog.pg_get_function_identity_arguments(p.oid),
        coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner)), p.proowner
      from pg_catalog.pg_proc p join pg_catalog.pg_namespace n on n.oid = p.pronamespace
      where n.nspname = 'pg_catalog'
  )
  select g.kind, g.nspname::pg_catalog.text as schema, g.name, g.arguments,
    case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end as grantee, a.privilege_type as privilege,
    a.is_grantable as grantable
  from given g cross join lateral pg_catalog.aclexplode(g.acl) a
  left join pg_catalog.pg_init_privs i on i.classoid = g.class and i.objoid = g.oid and i.objsubid = 0
  where a.grantee <> g.owner and not exists (
    select from pg_catalog.aclexplode(coalesce(i.initprivs, pg_catalog.acldefault(case g.kind when 'relation' then 'r' else 'f' end::pg_catalog."char", g.owner))) b
    where b.grantee = a.grantee and b.privilege_type = a.privilege_type)
  union all
  select 'parameter', '', p.parname, '',
    case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable
  from pg_catalog.pg_parameter_acl p cross join lateral pg_catalog.aclexplode(p.paracl) a`;

export const HBA = `
  select h.line_number as line, coalesce(h.type, '') as type, coalesce(h.database, '{}') as databases, coalesce(h.user_name, '{}') as users,
    h.address, h.netmask, coalesce(h.auth_method, '') as method, h.error
  from pg_catalog.pg_hba_file_rules h order by h.line_number`;
