/**
 * The questions to the catalog. Each is one statement over the whole database, so that their number does not grow with the
 * schema. Every name is qualified; operators are PostgreSQL's, because the transaction pins the search path.
 * Nothing is put into their text.
 */

/** Rights as `[{grantee, privilege, grantable}]`; what was never granted has the built-in rights. */
export const RELATIONS = `
  select c.oid as oid, c.relkind::pg_catalog.text as kind, n.nspname::pg_catalog.text as schema,
    c.relname::pg_catalog.text as name, pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text as owner,
    c.relpersistence::pg_catalog.text as persistence, c.relrowsecurity as row_security, c.relforcerowsecurity as forced,
    c.relispartition as is_partition, c.reltuples::pg_catalog.float8 as rows_estimate,
    coalesce(c.reloptions, '{}') as options,
    (select coalesce(pg_catalog.json_agg(i.inhparent::pg_catalog.int8 order by i.inhseqno), '[]')
       from pg_catalog.pg_inherits i where i.inhrelid = c.oid) as parents,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(c.relacl,
         pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::pg_catalog."char", c.relowner))) a) as grants,
    (select e.extname::pg_catalog.text from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
       where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.objid = c.oid and d.objsubid = 0
         and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e' limit 1) as extension,
    case when c.relkind in ('v', 'm') then pg_catalog.pg_get_viewdef(c.oid) end as definition,
    (select s.srvname::pg_catalog.text from pg_catalog.pg_foreign_table f join pg_catalog.pg_foreign_server s on s.oid = f.ftserver
       where f.ftrelid = c.oid) as server
  from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p', 'v', 'm', 'f', 'S') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by n.nspname, c.relname`;

export const COLUMNS = `
  with recursive types as (
    select t.oid, t.oid as base, t.typnotnull as not_null, t.typdefault as default_text
      from pg_catalog.pg_type t
    union all
    select types.oid, t.oid, types.not_null or t.typnotnull, coalesce(types.default_text, t.typdefault)
      from types
      join pg_catalog.pg_type u on u.oid = types.base
      join pg_catalog.pg_type t
        on t.oid = case when u.typtype = 'd' then u.typbasetype when u.typcategory = 'A' and u.typelem <> 0 then u.typelem end
  ), bases as (
    select types.oid, types.not_null, types.default_text, b.typtype, bn.nspname, b.typname
      from types join pg_catalog.pg_type b on b.oid = types.base join pg_catalog.pg_namespace bn on bn.oid = b.typnamespace
      where b.typtype <> 'd' and not (b.typcategory = 'A' and b.typelem <> 0)
  )
  select a.attrelid as relation, a.attname::pg_catalog.text as name,
    pg_catalog.format_type(a.atttypid, a.atttypmod) as type,
    case bases.nspname when 'pg_catalog' then '' else bases.nspname || '.' end || bases.typname as base_type,
    bases.typtype::pg_catalog.text as type_kind, a.attnotnull or bases.not_null as not_null,
    coalesce(pg_catalog.pg_get_expr(x.adbin, x.adrelid), bases.default_text) as expression,
    a.attgenerated::pg_catalog.text as generated, a.attidentity <> '' as identity,
    case when a.attacl is not null then
      (select pg_catalog.json_agg(pg_catalog.json_build_array(
           case g.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(g.grantee)::pg_catalog.text end, g.privilege_type, g.is_grantable))
         from pg_catalog.aclexplode(a.attacl) g) end as grants
  from pg_catalog.pg_attribute a
  join pg_catalog.pg_class c on c.oid = a.attrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  join bases on bases.oid = a.atttypid
  left join pg_catalog.pg_attrdef x on x.adrelid = a.attrelid and x.adnum = a.attnum
  where a.attnum > 0 and not a.attisdropped and c.relkind in ('r', 'p', 'v', 'm', 'f')
    and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by a.attrelid, a.attnum`;

/** Which relations a view, a materialized view or a rule names. */
export const VIEW_READS = `
  select distinct r.ev_class as relation, d.refobjid as reads
  from pg_catalog.pg_rewrite r
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass and d.objid = r.oid
    and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refobjid <> r.ev_class
  where r.oid >= 16384`;

export const SEQUENCE_OWNERS = `
  select d.objid as sequence, d.refobjid as relation, a.attname::pg_catalog.text as column
  from pg_catalog.pg_depend d
  join pg_catalog.pg_class s on s.oid = d.objid and s.relkind = 'S'
  join pg_catalog.pg_attribute a on a.attrelid = d.refobjid and a.attnum = d.refobjsubid
  where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
    and d.deptype in ('a', 'i')`;

export const POLICIES = `
  select p.polrelid as relation, p.polname::pg_catalog.text as name, p.polcmd::pg_catalog.text as command,
    p.polpermissive as permissive,
    (select pg_catalog.json_agg(case r when 0 then 'public' else pg_catalog.pg_get_userbyid(r)::pg_catalog.text end)
       from pg_catalog.unnest(p.polroles) r) as roles,
    pg_catalog.pg_get_expr(p.polqual, p.polrelid) as using, pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) as check
  from pg_catalog.pg_policy p order by p.polrelid, p.polname`;

export const CONSTRAINTS = `
  select o.oid as oid, o.conrelid as relation, o.conname::pg_catalog.text as name,
    o.contype::pg_catalog.text as kind, pg_catalog.pg_get_constraintdef(o.oid) as definition,
    case when o.conindid <> 0 and o.contype <> 'f' then o.conindid end as index,
    o.conparentid <> 0 as inherited,
    (select coalesce(pg_catalog.json_agg(a.attname order by k.place), '[]')
       from pg_catalog.unnest(o.conkey) with ordinality k (number, place)
       join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.number) as columns,
    case when o.contype = 'f' then o.confrelid end as referenced,
    (select coalesce(pg_catalog.json_agg(a.attname order by k.place), '[]')
       from pg_catalog.unnest(o.confkey) with ordinality k (number, place)
       join pg_catalog.pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.number) as referenced_columns,
    o.confdeltype::pg_catalog.text as on_delete, o.confupdtype::pg_catalog.text as on_update,
    (select coalesce(pg_catalog.json_agg(a.attname order by a.attnum), '[]')
       from pg_catalog.unnest(o.confdelsetcols) k (number)
       join pg_catalog.pg_attribute a on a.attrelid = o.conrelid and a.attnum = k.number) as delete_columns,
    (select coalesce(pg_catalog.json_agg(distinct d.refobjid::pg_catalog.int8), '[]') from pg_catalog.pg_depend d
       where d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass and d.objid = o.oid
         and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass) as calls
  from pg_catalog.pg_constraint o
  join pg_catalog.pg_class c on c.oid = o.conrelid
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where o.contype in ('p', 'u', 'x', 'f', 'c') and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by o.conrelid, o.conname`;

export const INDEXES = `
  select i.indexrelid as oid, i.indrelid as relation, x.relname::pg_catalog.text as name,
    i.indisunique as is_unique, i.indisprimary as is_primary, i.indisvalid as valid, m.amname::pg_catalog.text as method,
    (select pg_catalog.json_agg(a.attname order by k.place)
       from pg_catalog.unnest(i.indkey::pg_catalog.int2[]) with ordinality k (number, place)
       left join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number and k.number <> 0
       where k.place <= i.indnkeyatts) as columns,
    pg_catalog.pg_get_expr(i.indpred, i.indrelid) as predicate, pg_catalog.pg_get_indexdef(i.indexrelid) as definition,
    exists (select from pg_catalog.pg_constraint o where o.conindid = i.indexrelid and o.contype in ('p', 'u', 'x')) as of_constraint,
    x.relispartition as inherited
  from pg_catalog.pg_index i
  join pg_catalog.pg_class x on x.oid = i.indexrelid
  join pg_catalog.pg_am m on m.oid = x.relam
  join pg_catalog.pg_namespace n on n.oid = x.relnamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by i.indrelid, x.relname`;

export const TRIGGERS = `
  select t.tgrelid as relation, t.tgname::pg_catalog.text as name, t.tgfoid as function,
    t.tgenabled <> 'D' as enabled, pg_catalog.pg_get_triggerdef(t.oid) as definition
  from pg_catalog.pg_trigger t where not t.tgisinternal order by t.tgrelid, t.tgname`;

export const RULES = `
  select r.ev_class as relation, r.rulename::pg_catalog.text as name, r.ev_type::pg_catalog.text as event,
    r.is_instead as instead, pg_catalog.pg_get_ruledef(r.oid) as definition
  from pg_catalog.pg_rewrite r join pg_catalog.pg_class c on c.oid = r.ev_class
  join pg_catalog.pg_namespace n on n.oid = c.relnamespace
  where r.rulename <> '_RETURN' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by r.ev_class, r.rulename`;

/** Without the text: PostgreSQL refuses the whole statement when one column is not to be read. */
export const ROUTINES = `
  select p.oid as oid, n.nspname::pg_catalog.text as schema, p.proname::pg_catalog.text as name,
    pg_catalog.pg_get_function_identity_arguments(p.oid) as arguments, p.prokind::pg_catalog.text as kind,
    pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text as owner, l.lanname::pg_catalog.text as language, p.prosecdef as definer,
    p.provolatile::pg_catalog.text as volatility, p.proleakproof as leakproof, p.proparallel::pg_catalog.text as parallel,
    coalesce(p.proconfig, '{}') as config, coalesce(pg_catalog.pg_get_function_result(p.oid), '') as returns,
    p.proretset as returns_set,
    (select t.typrelid from pg_catalog.pg_type t where t.oid = p.prorettype and t.typrelid <> 0) as returns_relation,
    p.prorettype in ('pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype) as is_trigger,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a) as grants,
    (select e.extname::pg_catalog.text from pg_catalog.pg_depend d join pg_catalog.pg_extension e on e.oid = d.refobjid
       where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid
         and d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass and d.deptype = 'e' limit 1) as extension
  from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  join pg_catalog.pg_language l on l.oid = p.prolang
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
  order by n.nspname, p.proname, p.oid`;

export const ROUTINE_SOURCES = `
  select p.oid as oid, p.prosrc as source from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

export const ROUTINE_BODIES = `
  select p.oid as oid, pg_catalog.pg_get_function_sqlbody(p.oid) as body from pg_catalog.pg_proc p
  join pg_catalog.pg_namespace n on n.oid = p.pronamespace
  where p.prosqlbody is not null and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'`;

export const SCHEMAS = `
  select n.nspname::pg_catalog.text as name, pg_catalog.pg_get_userbyid(n.nspowner)::pg_catalog.text as owner,
    (select pg_catalog.json_agg(pg_catalog.json_build_array(
         case a.grantee when 0 then 'public' else pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text end, a.privilege_type, a.is_grantable))
       from pg_catalog.aclexplode(coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a) as grants
  from pg_catalog.pg_namespace n where n.nspname !~ '^pg_' and n.nspname <> 'information_schema' order by n.nspname`;

export const EXPRESSION_CALLS = `
  select x.adrelid as relation, a.attname::pg_catalog.text as column, d.refobjid as routine
  from pg_catalog.pg_attrdef x
  join pg_catalog.pg_attribute a on a.attrelid = x.adrelid and a.attnum = x.adnum
  join pg_catalog.pg_depend d on d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass and d.objid = x.oid
    and d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass`;

export const LEAKPROOF_TYPES = `
  select distinct case n.nspname when 'pg_catalog' then '' else n.nspname || '.' end || t.typname as name
  from pg_catalog.pg_opclass c
  join pg_catalog.pg_am m on m.oid = c.opcmethod and m.amname = 'btree'
  join pg_catalog.pg_amop o on o.amopfamily = c.opcfamily and o.amoplefttype = c.opcintype and o.amoprighttype = c.opcintype
    and o.amopstrategy = 3
  join pg_catalog.pg_operator e on e.oid = o.amopopr
  join pg_catalog.pg_proc p on p.oid = e.oprcode and p.proleakproof
  join pg_catalog.pg_type t on t.oid = c.opcintype
  join pg_catalog.pg_namespace n on n.oid = t.typnamespace
  where c.opcdefault`;
