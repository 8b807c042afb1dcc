import { PLATFORM_TENANT, type TenantId, uuidv7 } from "../../core/index.ts";
import { KEY_KEEPER, type KeyPurpose } from "../keys/index.ts";
import { allJobs, type KeyJob, type RotationParts } from "./jobs.ts";
import { rewrapMasterKeys } from "./master-keys.ts";
import { openRowsJob, rewrapRows, SETTLE_MS } from "./rows.ts";
import {
  isDue,
  isMasterOverdue,
  type KeyAge,
  type KeyAgeMetric,
  keyAgeMetrics,
  keyAges,
  masterSinceMs,
} from "./schedule.ts";
import { CLAIM, LIST_ALL_KEYS } from "./statements.ts";

/** One node works; another takes over when it was not heard of for so long. */
const LEASE_MS = 60_000;
const TENANTS_PAGE = 200;
/** Ages change slowly; jobs are looked for at every tick. */
const AGES_EVERY_MS = 3_600_000;
/** A key that stays overdue is said once a day. */
const ALARM_EVERY_MS = 86_400_000;
/** Beyond so many, some are said again before their day is over. */
const ALARMS_MAX = 100_000;
const DAY_SECONDS = 86_400;

/** What one tick did. */
export interface Tick {
  /** False when another node holds the lease; nothing was done then. */
  readonly held: boolean;
  readonly rotated: number;
  readonly overdue: number;
  readonly jobs: readonly KeyJob[];
}

/** Replaces keys when they are due, does the rewrapping that is open, and says what is overdue. */
export interface KeyScheduler {
  /** One round; repeatable, and finished by the next one wherever it is cut off. */
  tick(): Promise<Tick>;
  /** Lets another node take over at once, for a node that ends. */
  release(): Promise<void>;
  /** Ages as of the last look, for a metrics endpoint; empty on nodes that do not hold the lease. */
  metrics(): readonly KeyAgeMetric[];
}

/** One node's scheduler; it does nothing while another node holds the lease. */
export function createKeyScheduler(parts: RotationParts): KeyScheduler {
  return new LeasedScheduler(parts);
}

class LeasedScheduler implements KeyScheduler {
  readonly #parts: RotationParts;
  readonly #holder: string;
  readonly #alarmed = new Map<string, number>();
  #agesMs = Number.NEGATIVE_INFINITY;
  #metrics: readonly KeyAgeMetric[] = [];

  constructor(parts: RotationParts) {
    this.#parts = parts;
    this.#holder = uuidv7(parts.clock());
  }

  metrics(): readonly KeyAgeMetric[] {
    return this.#metrics;
  }

  async tick(): Promise<Tick> {
    if (!(await this.#claim())) return { held: false, rotated: 0, overdue: 0, jobs: [] };
    let seen = { rotated: 0, overdue: 0 };
    const nowMs = this.#parts.clock();
    if (nowMs - this.#agesMs >= AGES_EVERY_MS) {
      seen = await this.#look();
      this.#agesMs = nowMs;
    }
    return { held: true, ...seen, jobs: await this.#work() };
  }

  async release(): Promise<void> {
    await this.#parts.worker.once(PLATFORM_TENANT, KEY_KEEPER, CLAIM, [this.#holder, 0]);
  }

  async #claim(): Promise<boolean> {
    const [row] = await this.#parts.worker.once(PLATFORM_TENANT, KEY_KEEPER, CLAIM, [this.#holder, LEASE_MS]);
    return row?.held === true;
  }

  /** Looks at every key once, a page of tenants at a time. */
  async #look(): Promise<{ rotated: number; overdue: number }> {
    const { clock, worker } = this.#parts;
    const seen: KeyAge[] = [];
    let [rotated, overdue] = [0, 0];
    let after = "";
    for (;;) {
      const rows = await worker.once(PLATFORM_TENANT, KEY_KEEPER, LIST_ALL_KEYS, [after, TENANTS_PAGE]);
      const ages = keyAges(rows, clock());
      for (const age of ages) {
        if (await this.#replace(age)) rotated += 1;
        else if (age.overdue) overdue += this.#alarm(age.tenant, age.purpose, age.ageSeconds) ? 1 : 0;
        if (age.purpose === "anchor") this.#alarmForMaster(age);
      }
      seen.push(...ages);
      const last = rows.at(-1)?.tenant_id;
      if (last === undefined || !(await this.#claim())) break;
      after = last;
    }
    this.#metrics = keyAgeMetrics(seen, clock());
    return { rotated, overdue };
  }

  async #replace(age: KeyAge): Promise<boolean> {
    const { clock, keys, log } = this.#parts;
    const due = isDue(age, clock());
    // One tenant's trouble is not the others': it is said, tried again at the next look, and alarmed in the end.
    try {
      // keyAges gives purposes as they are stored, and only known ones are automatic.
      if (due) await keys.rotate(age.tenant, age.purpose as KeyPurpose, KEY_KEEPER);
      const active = age.versions.filter(({ state }) => state === "active").length + (due ? 1 : 0);
      if (age.purpose === "data" && active > 1) await openRowsJob(this.#parts, age.tenant);
      return due;
    } catch (error) {
      log.error({ err: error, tenant: age.tenant, purpose: age.purpose }, "a key that is due could not be replaced");
      return false;
    }
  }

  #alarmForMaster(anchor: KeyAge): void {
    const nowMs = this.#parts.clock();
    if (isMasterOverdue(anchor, nowMs)) this.#alarm(anchor.tenant, "master", (nowMs - masterSinceMs(anchor)) / 1_000);
  }

  #alarm(tenant: TenantId, key: string, ageSeconds: number): boolean {
    const { clock, log, recorder } = this.#parts;
    const name = `${tenant}/${key}`;
    if (clock() - (this.#alarmed.get(name) ?? Number.NEGATIVE_INFINITY) < ALARM_EVERY_MS) return false;
    if (this.#alarmed.size >= ALARMS_MAX) this.#alarmed.clear();
    this.#alarmed.set(name, clock());
    const days = Math.floor(ageSeconds / DAY_SECONDS);
    log.warn({ tenant, key, days }, "a key is older than its period and was not replaced");
    const targets = [{ type: "key", id: key }];
    recorder.note({ action: "key.overdue", outcome: "error", tenant, actor: KEY_KEEPER, targets, facts: { days } });
    return true;
  }

  async #work(): Promise<readonly KeyJob[]> {
    const { clock, log, settleMs = SETTLE_MS, worker } = this.#parts;
    const done: KeyJob[] = [];
    for (const job of await allJobs(worker, { open: true })) {
      // What waits for older versions to settle has nothing to do until then.
      if (job.state === "waiting" && clock() - job.updatedMs < settleMs) continue;
      if (!(await this.#claim())) break;
      try {
        const run = job.work === "master" ? rewrapMasterKeys : rewrapRows;
        done.push(await run(this.#parts, job));
      } catch (error) {
        log.error({ err: error, tenant: job.tenant, job: job.id }, "rewrapping was cut off; the next round goes on");
      }
    }
    return done;
  }
}
