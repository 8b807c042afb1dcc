import { route } from "ringwall/adapters/fastify";
import { TenantIdText, Uuid } from "ringwall/application/input";
import { isoTime, PLATFORM_TENANT, RingwallError, type TenantId } from "ringwall/core";
import type { KeyAge, KeyJob } from "ringwall/data/rotation";
import { caller, type Exchange } from "ringwall/pipeline";
import { z } from "zod";
import { list, Time } from "../answers.ts";
import { FRESH_SECONDS, type Routes, SMALL_BODY_BYTES } from "../services.ts";

const read = { access: { permission: "admin:settings", orOperator: true }, tag: "keys" } as const;
const write = { ...read, stepUpSeconds: FRESH_SECONDS, bodyBytesMax: SMALL_BODY_BYTES } as const;

const Purpose = z.string().regex(/^[a-z][a-z-]{1,31}$/, "must be a purpose, such as data");

const KeyVersion = z.strictObject({
  version: z.int(),
  state: z
    .enum(["active", "retired", "destroyed"])
    .describe(
      "Active versions open, and the newest of them seals; a retired one is not used any more; a destroyed one is gone.",
    ),
  master: z.string().describe("Which master key wraps it."),
  made_at: Time,
  wraps: z
    .number()
    .describe("Uses reserved so far, of 2^31 before the next version is made; 0 where uses are not counted."),
});

const Key = z.strictObject({
  tenant: TenantIdText,
  purpose: z.string(),
  class: z.enum(["tenant", "service"]),
  version: z.int().describe("The newest version."),
  min_version: z.int().nullable().describe("The oldest version that still opens; null for a key that was erased."),
  made_at: Time,
  age_seconds: z.int(),
  period_seconds: z.int(),
  due_at: Time,
  overdue: z.boolean(),
  automatic: z.boolean().describe("Whether the server makes the next version by itself when it is due."),
  versions: z.array(KeyVersion),
});

const Job = z.strictObject({
  id: Uuid,
  work: z
    .enum(["master", "rows"])
    .describe("Wrapping keys under another master key, or row keys under a newer version."),
  tenant: TenantIdText,
  target: z.string().describe("The master key, or the version, that everything is wrapped under when it is done."),
  state: z.enum(["running", "waiting", "done"]),
  done: z.int(),
  total: z.int(),
  started_at: Time,
  updated_at: Time,
  finished_at: Time.nullable(),
});

/** Keys are named, counted and replaced here; no key, wrapped or not, is ever part of an answer. */
export const keys: Routes = (services) => [
  route(
    "GET",
    "/v1/keys",
    {
      ...read,
      query: z.strictObject({ tenant: TenantIdText.optional(), after: TenantIdText.optional() }),
      output: z.strictObject({
        master: z.strictObject({
          id: z.string(),
          elsewhere: z
            .int()
            .nullable()
            .describe("Keys that another master key still wraps; told to the platform alone."),
        }),
        items: z.array(Key),
      }),
      problems: ["resource.not_found"],
      summary: "Lists keys by tenant and purpose, with their versions and ages, 200 tenants at a time.",
    },
    async ({ exchange, query }) => {
      const { keyAdministration } = services();
      const scope = scopeOf(exchange, query.tenant);
      const ages = await keyAdministration.ages(scope, query.after);
      return { master: await keyAdministration.master(scope), items: ages.map(keyAnswer) };
    },
  ),
  route(
    "GET",
    "/v1/key-jobs",
    {
      ...read,
      query: z.strictObject({ tenant: TenantIdText.optional() }),
      output: list(Job),
      problems: ["resource.not_found"],
      summary: "Lists the newest 50 rewrapping jobs of a tenant, or of all for the platform, with their progress.",
    },
    async ({ exchange, query }) => {
      const jobs = await services().keyAdministration.jobs(scopeOf(exchange, query.tenant));
      return { items: jobs.map(jobAnswer) };
    },
  ),
  ...acts(services),
];

const acts: Routes = (services) => [
  route(
    "POST",
    "/v1/key-rotations",
    {
      ...write,
      body: z.strictObject({ purpose: Purpose, tenant: TenantIdText.optional() }),
      output: z.strictObject({ tenant: TenantIdText, purpose: z.string(), version: z.int(), job: Job.nullable() }),
      problems: ["resource.not_found", "keys.erased"],
      summary: "Makes the next version of a key. Row keys are wrapped anew in the background.",
    },
    async ({ body, exchange }) => {
      const scope = scopeOf(exchange, body.tenant);
      const made = await services().keyAdministration.rotate(scope, body.purpose);
      return { ...made, job: made.job === undefined ? null : jobAnswer(made.job) };
    },
  ),
  route(
    "POST",
    "/v1/key-rewraps",
    {
      ...write,
      body: z.strictObject({ what: z.enum(["master", "rows"]), tenant: TenantIdText.optional() }),
      output: Job,
      problems: ["resource.not_found"],
      summary: "Wraps every key under the present master key, or a tenant's row keys under its newest version.",
    },
    async ({ body, exchange }) => {
      const scope = scopeOf(exchange, body.tenant);
      return jobAnswer(await services().keyAdministration.rewrap(scope, body.what));
    },
  ),
];

/** Whose keys: the platform's people and the local operator may name anybody, or nobody for all. */
function scopeOf(exchange: Exchange, named: TenantId | undefined) {
  if (exchange.operator) {
    return { actor: { type: "system", capability: "keys.manage" } as const, tenant: named };
  }
  const actor = caller(exchange);
  if (actor.tenant === PLATFORM_TENANT) return { actor, tenant: named };
  if (named !== undefined && named !== actor.tenant) throw new RingwallError("resource.not_found");
  return { actor, tenant: actor.tenant };
}

function keyAnswer(age: KeyAge): z.input<typeof Key> {
  return {
    tenant: age.tenant,
    purpose: age.purpose,
    class: age.class,
    version: age.version,
    min_version: age.minVersion ?? null,
    made_at: isoTime(age.madeMs),
    age_seconds: age.ageSeconds,
    period_seconds: age.periodSeconds,
    due_at: isoTime(age.dueMs),
    overdue: age.overdue,
    automatic: age.automatic,
    versions: age.versions.map(({ madeMs, masterId, state, version, wraps }) => ({
      version,
      state,
      master: masterId,
      made_at: isoTime(madeMs),
      wraps,
    })),
  };
}

export function jobAnswer(job: KeyJob): z.input<typeof Job> {
  return {
    id: job.id,
    work: job.work,
    tenant: job.tenant,
    target: job.target,
    state: job.state,
    done: job.done,
    total: job.total,
    started_at: isoTime(job.startedMs),
    updated_at: isoTime(job.updatedMs),
    finished_at: job.finishedMs === undefined ? null : isoTime(job.finishedMs),
  };
}
