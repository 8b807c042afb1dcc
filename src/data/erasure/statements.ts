import { statement } from "../../core/index.ts";

export const AUDIT_VERSION = statement<{ version: number }>(
  "erasure.audit_version",
  "select coalesce(max(version), 0)::int as version from ringwall.tenant_key where purpose = 'audit'",
);

// Which tenants there are is the register's; asked through the narrow look-up that everybody has.
export const SHRED = statement<{ purpose: string; version: number; commitment: Buffer }>(
  "erasure.shred",
  "select purpose, version, commitment from ringwall.tenant_shred($1, $2, $3)",
);

export const INSERT = statement<{ erasure_id: string }>(
  "erasure.insert",
  `insert into ringwall.erasure (erasure_id, subject, ordered) values ($1, $2, $3)
   on conflict do nothing returning erasure_id::text`,
);

export const CERTIFY = statement(
  "erasure.certify",
  "update ringwall.erasure set certificate = $2 where erasure_id = $1 and certificate is null",
);

export const FIND = statement<{ ordered: string; certificate: string | null }>(
  "erasure.find",
  "select ordered, certificate from ringwall.erasure where erasure_id = $1",
);

export const LIST = statement<{ ordered: string; certificate: string | null }>(
  "erasure.list",
  "select ordered, certificate from ringwall.erasure order by erasure_id desc limit 200",
);

export const LIST_ALL = statement<{
  tenant_id: string;
  erasure_id: string;
  ordered: string;
  certificate: string | null;
}>(
  "erasure.list_all",
  "select tenant_id, erasure_id::text, ordered, certificate from ringwall.erasure_listing($1, $2::uuid)",
);

export const PLACES = statement<{ place: string; person_column: string | null }>(
  "erasure.places",
  "select place, person_column from ringwall.sealed_table order by place",
);

export const ERASE_ROW = statement<{ changed: string }>(
  "erasure.row",
  "select ringwall.row_keys_erase($1, $2)::text as changed",
);

export const ERASE_ROWS_OF = statement<{ changed: string }>(
  "erasure.rows_of",
  "select ringwall.row_keys_erase_person($1, $2)::text as changed",
);

export const ERASE_ACCOUNT_OF = statement<{ changed: string }>(
  "erasure.account_of",
  "select ringwall.account_erase($1)::text as changed",
);

export const ERASE_DETAILS_OF = statement<{ changed: string }>(
  "erasure.details_of",
  "select ringwall.audit_erase_person($1)::text as changed",
);
