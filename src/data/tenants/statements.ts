import { statement } from "../../core/index.ts";

/** What the narrow look-up tells about one tenant. */
export interface EntryRow {
  readonly tenant_id: string;
  readonly name: string;
  readonly status: string;
  readonly environment: string;
  readonly account: string | null;
}

export const INSERT = statement<{ tenant_id: string }>(
  "tenants.insert",
  `insert into ringwall.tenant (tenant_id, name, environment, account) values ($1, $2, $3, $4)
   on conflict (tenant_id) do nothing returning tenant_id`,
);

// Locked until the commit, so that a deletion of the account cannot pass it by.
export const ACCOUNT = statement<{ tenant_id: string }>(
  "tenants.account",
  `select tenant_id from ringwall.tenant
    where tenant_id = $1 and tenant_id <> 'platform' and environment = 'production'
      and status in ('active', 'suspended') and deletion_at is null
      for share`,
);

export const LIST = statement<
  EntryRow & { readonly created_ms: number; readonly deletion_ms: number | null; readonly deleted_ms: number | null }
>(
  "tenants.list",
  `select tenant_id, name, status, environment, account,
          round(extract(epoch from created_at) * 1000)::float8 as created_ms,
          round(extract(epoch from deletion_at) * 1000)::float8 as deletion_ms,
          round(extract(epoch from deleted_at) * 1000)::float8 as deleted_ms
     from ringwall.tenant where tenant_id > $1 and (environment = any ($2::text[]) or tenant_id = 'platform')
    order by tenant_id limit $3`,
);

export const SET_STATUS = statement<{ tenant_id: string }>(
  "tenants.set_status",
  `update ringwall.tenant set status = $2
    where tenant_id = $1 and status <> $2 and status in ('active', 'suspended') returning tenant_id`,
);

// A tenant whose environments are still there is deleted after them; what is planned can be brought forward.
export const PLAN = statement<{ tenant_id: string }>(
  "tenants.plan_deletion",
  `update ringwall.tenant t set deletion_at = $2::timestamptz, deletion_by = $3, deletion_reason = $4
    where t.tenant_id = $1 and t.status in ('active', 'suspended')
      and (t.deletion_at is null or t.deletion_at > $2::timestamptz)
      and not exists (select from ringwall.tenant e where e.account = $1 and e.status <> 'deleted')
   returning t.tenant_id`,
);

export const UNDO = statement<{ tenant_id: string }>(
  "tenants.undo_deletion",
  `update ringwall.tenant set deletion_at = null, deletion_by = null, deletion_reason = null
    where tenant_id = $1 and status in ('active', 'suspended') and deletion_at is not null returning tenant_id`,
);

export const DUE = statement<{
  tenant_id: string;
  status: string;
  deletion_by: string;
  deletion_reason: string;
}>(
  "tenants.due_deletions",
  `select tenant_id, status, deletion_by, deletion_reason from ringwall.tenant
    where deletion_at <= $1::timestamptz order by deletion_at, tenant_id limit $2`,
);

export const BEGIN_DELETION = statement<{ tenant_id: string }>(
  "tenants.begin_deletion",
  `update ringwall.tenant set status = 'deleting'
    where tenant_id = $1 and status in ('active', 'suspended') and deletion_at <= $2::timestamptz returning tenant_id`,
);

// The name may be a person's: it goes with everything else. Who ordered it and why stands in the audit and the order.
export const FINISH_DELETION = statement<{ tenant_id: string }>(
  "tenants.finish_deletion",
  `update ringwall.tenant
      set status = 'deleted', name = tenant_id, deleted_at = $2::timestamptz, deletion_at = null, deletion_by = null,
          deletion_reason = null
    where tenant_id = $1 and status = 'deleting' returning tenant_id`,
);

export const ERASED = statement<{ erasure_id: string }>(
  "tenants.erased",
  "select erasure_id::text from ringwall.erasure where subject = 'tenant' and certificate is not null",
);

// Waits for an erasure that is under way: it holds this lock while it destroys the tenant's keys.
export const WAIT_FOR_ERASURE = statement(
  "tenants.wait_for_erasure",
  "select from (select pg_catalog.pg_advisory_xact_lock(7400008, pg_catalog.hashtext($1))) l",
);

/** An order is enough: keys are destroyed together with it, and the certificate comes after. */
export const KEYLESS = statement<{ erasure_id: string }>(
  "tenants.keyless",
  "select erasure_id::text from ringwall.erasure where subject = 'tenant' limit 1",
);

export const TABLES = statement<{
  table_oid: string;
  table_schema: string;
  table_name: string;
  kept: boolean;
  opened: boolean;
  owner: string;
}>(
  "tenants.tables",
  `select table_oid::text, table_schema, table_name, kept, opened,
          (select pg_catalog.pg_get_userbyid(c.relowner) from pg_catalog.pg_class c where c.oid = table_oid) as owner
     from ringwall.tenant_tables()`,
);

export const REFERENCES = statement<{ referring: string; referred: string }>(
  "tenants.references",
  `select conrelid::text as referring, confrelid::text as referred from (
     select conrelid::oid, confrelid::oid from pg_catalog.pg_constraint where contype = 'f' and conparentid = 0) f`,
);

export const DELETE_ROWS = statement<{ deleted: string }>(
  "tenants.delete_rows",
  "select ringwall.tenant_rows_delete($1::oid[], $2::integer)::text as deleted",
);

export const READ_SETTINGS = statement<{ version: number; settings: unknown }>(
  "tenants.read_settings",
  "select version, settings from ringwall.tenant_settings",
);

export const LOCK_SETTINGS = statement<{ version: number; settings: unknown }>(
  "tenants.lock_settings",
  "select version, settings from ringwall.tenant_settings for update",
);

export const FIRST_SETTINGS = statement<{ version: number }>(
  "tenants.first_settings",
  `insert into ringwall.tenant_settings (version, settings, changed_at) values (1, $1::jsonb, $2::timestamptz)
   on conflict (tenant_id) do nothing returning version`,
);

export const NEXT_SETTINGS = statement<{ version: number }>(
  "tenants.next_settings",
  `update ringwall.tenant_settings set version = version + 1, settings = $1::jsonb, changed_at = $2::timestamptz
    where version = $3 returning version`,
);
