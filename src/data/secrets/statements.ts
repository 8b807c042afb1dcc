import { statement } from "../../core/index.ts";

// The wall supplies the tenant in every one of these: what another tenant calls by the same name is not there.

export interface CurrentRow {
  readonly version: number;
  readonly sealed: Buffer;
  readonly expires_ms: number | null;
}

export const READ_CURRENT = statement<CurrentRow>(
  "secrets.read_current",
  `select v.version, v.sealed, (extract(epoch from v.expires_at) * 1000)::float8 as expires_ms
     from ringwall.secret s
     join ringwall.secret_version v
       on v.tenant_id = s.tenant_id and v.name = s.name and v.version = s.current_version
    where s.name = $1`,
);

export const READ_VERSION = statement<{ sealed: Buffer }>(
  "secrets.read_version",
  "select sealed from ringwall.secret_version where name = $1 and version = $2",
);

export const ENSURE = statement(
  "secrets.ensure",
  "insert into ringwall.secret (name) values ($1) on conflict (tenant_id, name) do nothing",
);

export interface PointersRow {
  readonly latest_version: number;
  readonly current_version: number | null;
  readonly pending_version: number | null;
}

export const LOCK_POINTERS = statement<PointersRow>(
  "secrets.lock_pointers",
  "select latest_version, current_version, pending_version from ringwall.secret where name = $1 for update",
);

export const ADD_VERSION = statement(
  "secrets.add_version",
  `insert into ringwall.secret_version (name, version, sealed, expires_at)
   values ($1, $2, $3, $4::timestamptz)`,
);

export const POINT_CURRENT = statement(
  "secrets.point_current",
  "update ringwall.secret set latest_version = $2, current_version = $2 where name = $1",
);

export const POINT_PENDING = statement(
  "secrets.point_pending",
  "update ringwall.secret set latest_version = $2, pending_version = $2 where name = $1",
);

// Conditional, so that a rotation that lost its lock promotes nothing.
export const PROMOTE = statement<{ name: string }>(
  "secrets.promote",
  `update ringwall.secret set current_version = pending_version, pending_version = null
    where name = $1 and pending_version = $2
   returning name`,
);

export const LIST = statement<{
  readonly name: string;
  readonly current_version: number | null;
  readonly pending_version: number | null;
  readonly created_ms: number;
  readonly changed_ms: number | null;
  readonly expires_ms: number | null;
}>(
  "secrets.list",
  `select s.name, s.current_version, s.pending_version,
          (extract(epoch from s.created_at) * 1000)::float8 as created_ms,
          (extract(epoch from v.created_at) * 1000)::float8 as changed_ms,
          (extract(epoch from v.expires_at) * 1000)::float8 as expires_ms
     from ringwall.secret s
     left join ringwall.secret_version v
       on v.tenant_id = s.tenant_id and v.name = s.name and v.version = s.current_version
    where s.name > $1
    order by s.name
    limit 1000`,
);

// Ends with its transaction, also when the process is killed: the next rotation can go on at once.
export const TRY_ROTATION = statement<{ locked: boolean }>(
  "secrets.try_rotation",
  "select pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended($1, 7400)) as locked",
);

/** Keeps the transaction that holds the lock from counting as idle, and fails when it is gone. */
export const STILL_HELD = statement("secrets.still_held", "select 1 as held");
