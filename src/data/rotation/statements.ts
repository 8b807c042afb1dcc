import { statement } from "../../core/index.ts";
import type { KeyRow } from "./schedule.ts";

export const LIST_KEYS = statement<KeyRow>(
  "rotation.list_keys",
  `select k.tenant_id, k.purpose, k.version, k.state, k.master_id,
          (extract(epoch from k.created_at) * 1000)::bigint::text as made_ms,
          (extract(epoch from k.wrapped_at) * 1000)::bigint::text as wrapped_ms,
          coalesce(u.reserved, 0)::text as reserved
     from ringwall.tenant_key k left join ringwall.key_usage u using (tenant_id, purpose, version)
    order by k.purpose, k.version desc`,
);

// Spans tenants: names and ages, no key. Called under the platform's context.
export const LIST_ALL_KEYS = statement<KeyRow>("rotation.list_all_keys", "select * from ringwall.key_listing($1, $2)");

export const CLAIM = statement<{ held: boolean }>(
  "rotation.claim",
  "select ringwall.key_scheduler_claim($1, $2) as held",
);

export interface ElsewhereRow {
  readonly tenant_id: string;
  readonly purpose: string;
  readonly version: number;
  readonly master_id: string;
  readonly wrapped: Buffer;
  readonly commitment: Buffer;
}

export const ELSEWHERE = statement<ElsewhereRow>(
  "rotation.elsewhere",
  "select * from ringwall.keys_elsewhere($1, $2, $3, $4, $5)",
);

export const COUNT_ELSEWHERE = statement<{ count: string }>(
  "rotation.count_elsewhere",
  "select ringwall.keys_elsewhere_count($1)::text as count",
);

// Replaced only while it is what was opened: two workers at once, or a shredding in between, change nothing twice.
export const REWRAP = statement<{ version: number }>(
  "rotation.rewrap",
  `update ringwall.tenant_key set master_id = $4, wrapped = $5, wrapped_at = now()
    where purpose = $1 and version = $2 and wrapped = $3 and state <> 'destroyed' returning version`,
);

/** What is wrapped anew: tenants' keys under a master, or row keys under a tenant's key. */
export type KeyWork = "master" | "rows";

export interface JobRow {
  readonly tenant_id: string;
  readonly job_id: string;
  readonly work: KeyWork;
  readonly target: string;
  readonly state: "running" | "waiting" | "done";
  readonly total: string;
  readonly done: string;
  readonly at_place: string;
  readonly at_row: string | null;
  readonly started_ms: string;
  readonly updated_ms: string;
  readonly finished_ms: string | null;
}

// One open job for each kind of work: asked for again, it goes on, and a newer target starts it from the beginning.
export const OPEN_JOB = statement<{ job_id: string }>(
  "rotation.open_job",
  `insert into ringwall.key_job as j (job_id, work, target, total, started_at, updated_at)
   values ($1, $2, $3, $4, $5, $5)
   on conflict (tenant_id, work) where state <> 'done' do update
      set target = excluded.target, state = 'running', updated_at = excluded.updated_at,
          total = j.done + excluded.total,
          at_place = case when j.target = excluded.target then j.at_place else '' end,
          at_row = case when j.target = excluded.target then j.at_row end
   returning job_id::text`,
);

export const READ_JOBS = statement<JobRow>(
  "rotation.read_jobs",
  `select tenant_id, job_id::text, work, target, state, total::text, done::text, at_place, at_row,
          (extract(epoch from started_at) * 1000)::bigint::text as started_ms,
          (extract(epoch from updated_at) * 1000)::bigint::text as updated_ms,
          (extract(epoch from finished_at) * 1000)::bigint::text as finished_ms
     from ringwall.key_job where $1::uuid is null or job_id = $1
    order by started_at desc limit 50`,
);

export const LIST_JOBS = statement<{ tenant_id: string; job_id: string }>(
  "rotation.list_jobs",
  "select tenant_id, job_id::text from ringwall.key_jobs($1)",
);

export const JOB_PROGRESS = statement<{ work: KeyWork; jobs: string; done: string; total: string }>(
  "rotation.job_progress",
  "select work, jobs::text, done::text, total::text from ringwall.key_job_progress()",
);

export const ADVANCE = statement(
  "rotation.advance",
  `update ringwall.key_job set done = done + $2, at_place = $3, at_row = $4, updated_at = $5, state = 'running'
    where job_id = $1 and state <> 'done'`,
);

export const SETTLE = statement(
  "rotation.settle",
  `update ringwall.key_job
      set state = case when $2 then 'done' else 'waiting' end, finished_at = case when $2 then $4::timestamptz end,
          total = done + $3, at_place = '', at_row = null, updated_at = $4
    where job_id = $1 and state <> 'done'`,
);

export const PLACES = statement<{ place: string; person_column: string | null }>(
  "rotation.places",
  "select place, person_column from ringwall.sealed_table order by place",
);

export const TAKE_ROWS = statement<{ row_id: string; record: Buffer }>(
  "rotation.take_rows",
  "select row_id, record from ringwall.row_keys_take($1, $2, $3, $4)",
);

export const PUT_ROWS = statement<{ changed: string }>(
  "rotation.put_rows",
  "select ringwall.row_keys_put($1, $2::text[], $3::text[], $4::text[])::text as changed",
);

export const COUNT_ROWS = statement<{ count: string }>(
  "rotation.count_rows",
  "select ringwall.row_keys_left($1, $2)::text as count",
);

export const RETIRE = statement(
  "rotation.retire",
  "update ringwall.tenant_key set state = 'retired' where purpose = 'data' and version < $1 and state = 'active'",
);

export const REVIVE = statement<{ version: number }>(
  "rotation.revive",
  "update ringwall.tenant_key set state = 'active' where purpose = 'data' and state = 'retired' returning version",
);
