import {
  type Actor,
  assert,
  type Clock,
  type Database,
  isoTime,
  isTenantId,
  type Logger,
  PLATFORM_TENANT,
  type Recorder,
  RingwallError,
  type TenantId,
  uuidv7,
} from "../../core/index.ts";
import { KEY_KEEPER, type Keys } from "../keys/index.ts";
import { JOB_PROGRESS, type JobRow, type KeyWork, LIST_JOBS, OPEN_JOB, READ_JOBS } from "./statements.ts";

/** What rewrapping stands on. */
export interface RotationParts {
  /** As `ringwall_worker`, which wraps keys anew and cannot open one: that is this process's doing. */
  readonly worker: Database;
  readonly keys: Keys;
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly log: Logger;
  /** Waits after so many rows or keys, so that the work does not crowd out what people do. */
  readonly pace: (rows: number) => Promise<void>;
  /**
   * How long after a version was made older ones are kept in use although no row refers to them: a node that has not
   * heard of it may still seal with one. Default: the 300 seconds for which a key is cached at most.
   */
  readonly settleMs?: number;
}

/** Rewrapping under way, or done. */
export interface KeyJob {
  readonly id: string;
  readonly tenant: TenantId;
  readonly work: KeyWork;
  /** The master key, or the version, that everything is wrapped under in the end. */
  readonly target: string;
  readonly state: "running" | "waiting" | "done";
  readonly done: number;
  readonly total: number;
  readonly startedMs: number;
  readonly updatedMs: number;
  readonly finishedMs: number | undefined;
  /** Where it goes on. */
  readonly at: { readonly place: string; readonly row: string | null };
}

/** Opens the job, or finds the one that is open. */
export async function openJob(
  { clock, worker }: RotationParts,
  job: { readonly tenant: TenantId; readonly work: KeyJob["work"]; readonly target: string; readonly total: number },
): Promise<KeyJob> {
  const { target, tenant, total, work } = job;
  const values = [uuidv7(clock()), work, target, total, isoTime(clock())];
  const [opened] = await worker.forTenant(tenant, KEY_KEEPER, async (tx) => await tx.run(OPEN_JOB, values));
  assert(opened !== undefined, "an open job has an id");
  return await readJob(worker, tenant, opened.job_id);
}

export async function readJob(worker: Database, tenant: TenantId, id: string): Promise<KeyJob> {
  const [row] = await worker.once(tenant, KEY_KEEPER, READ_JOBS, [id]);
  if (row === undefined) throw new RingwallError("resource.not_found", { detail: { tenant, job: id } });
  return jobOf(row);
}

/** The newest 50 jobs of a tenant. */
export async function jobsOf(worker: Database, tenant: TenantId, actor: Actor): Promise<readonly KeyJob[]> {
  return (await worker.once(tenant, actor, READ_JOBS, [null])).map(jobOf);
}

/** The newest 50 jobs of all tenants, open ones first. */
export async function allJobs(worker: Database, options: { readonly open: boolean }): Promise<readonly KeyJob[]> {
  const listed = await worker.once(PLATFORM_TENANT, KEY_KEEPER, LIST_JOBS, [options.open]);
  const jobs: KeyJob[] = [];
  for (const { job_id, tenant_id } of listed) {
    assert(isTenantId(tenant_id), "a job belongs to a tenant");
    jobs.push(await readJob(worker, tenant_id, job_id));
  }
  return jobs;
}

/** How far all open jobs of one kind are together; every kind is named, also when nothing is open. No tenant is. */
export interface KeyProgress {
  readonly work: KeyWork;
  readonly jobs: number;
  readonly done: number;
  readonly total: number;
}

/** For a metrics endpoint: one statement, however many jobs there are. */
export async function jobProgress(worker: Database): Promise<readonly KeyProgress[]> {
  const rows = await worker.once(PLATFORM_TENANT, KEY_KEEPER, JOB_PROGRESS);
  return (["master", "rows"] as const).map((work) => {
    const row = rows.find((one) => one.work === work);
    return { work, jobs: Number(row?.jobs ?? 0), done: Number(row?.done ?? 0), total: Number(row?.total ?? 0) };
  });
}

function jobOf(row: JobRow): KeyJob {
  assert(isTenantId(row.tenant_id), "a job belongs to a tenant");
  return {
    id: row.job_id,
    tenant: row.tenant_id,
    work: row.work,
    target: row.target,
    state: row.state,
    done: Number(row.done),
    total: Number(row.total),
    startedMs: Number(row.started_ms),
    updatedMs: Number(row.updated_ms),
    finishedMs: row.finished_ms === null ? undefined : Number(row.finished_ms),
    at: { place: row.at_place, row: row.at_row },
  };
}
