import { z } from "zod";
import {
  assert,
  type Clock,
  isTenantId,
  RingwallError,
  randomToken,
  type ServiceActor,
  type TenantId,
} from "../../core/index.ts";
import { decryptFailed, type Keys } from "../keys/index.ts";
import type { TenantRegister } from "./register.ts";

/** As sealed and in base64url it stays below what common queues take (256 KiB in Amazon SQS). */
export const JOB_PAYLOAD_BYTES_MAX = 131_072;
/** A job that waited for longer is somebody's forgotten one. */
export const JOB_LIFE_MS_MAX = 30 * 86_400_000;

const VERSION = "rwj1";
const ID_BYTES = 16;
/** The payload with its envelope, sealed, in base64url; everything longer is not one of ours. */
const TEXT_CHARS_MAX = 200_000;
const NAME_PATTERN = /^[a-z][a-z0-9._-]{0,63}$/;

const Content = z.strictObject({ id: z.string().length(22), madeMs: z.int(), untilMs: z.int(), payload: z.unknown() });

/** Work for later, of one tenant. */
export interface Job {
  readonly tenant: TenantId;
  /** Which queue it is for, and as what it works there: constants of the code, 1 to 64 of a-z, 0-9, `.`, `_`, `-`. */
  readonly queue: string;
  readonly name: string;
  /** Anything that JSON can say; at most 128 KiB of it. */
  readonly payload: unknown;
  /** How long it is good for; 30 days at most. */
  readonly lifeMs: number;
}

/** A job whose envelope was opened. */
export interface OpenedJob {
  readonly tenant: TenantId;
  readonly name: string;
  /** Unique. A queue may deliver twice: whoever must not work twice keeps it, in the transaction of the work. */
  readonly id: string;
  /** As whom the job works: a service of the tenant, with the job's name. For `Database.forTenant`. */
  readonly actor: ServiceActor;
  readonly madeMs: number;
  readonly payload: unknown;
}

/**
 * Carries a tenant's job over a queue that anybody may write to. The envelope is sealed under the tenant's own key and
 * bound to tenant, queue and name: none can be made, changed, moved to another queue or given to another tenant without
 * that key, the queue's keeper reads nothing of it, and it dies with the tenant's keys.
 *
 * Does not guard against a delivery that is repeated or held back within the job's life: `id` is there for the first.
 */
export interface JobEnvelopes {
  /** @throws RingwallError `tenant.unavailable`, `request.too_large`, and what sealing refuses with */
  seal(job: Job): Promise<string>;
  /**
   * @param expected.queue - The queue that the text came from.
   * @throws RingwallError `keys.decrypt_failed` for what is not, or not any more, a job of this queue, whatever the
   * reason; `tenant.unavailable` when its tenant is suspended or gone
   */
  open(text: string, expected: { readonly queue: string; readonly names: readonly string[] }): Promise<OpenedJob>;
}

/** @param parts.tenants - Asked on both ways, so that a suspended tenant's jobs stand still. */
export function jobEnvelopes(parts: {
  readonly keys: Pick<Keys, "sealValue" | "openValue">;
  readonly tenants: Pick<TenantRegister, "requireActive">;
  readonly clock: Clock;
}): JobEnvelopes {
  const { clock, keys, tenants } = parts;
  return {
    async seal({ lifeMs, name, payload, queue, tenant }) {
      assert(NAME_PATTERN.test(queue) && NAME_PATTERN.test(name), "queue and job are named by constants");
      assert(lifeMs > 0 && lifeMs <= JOB_LIFE_MS_MAX, "a job has an end");
      await tenants.requireActive(tenant);
      const madeMs = Math.floor(clock());
      const content = { id: randomToken(ID_BYTES), madeMs, untilMs: madeMs + Math.floor(lifeMs), payload };
      const bytes = Buffer.from(JSON.stringify(content));
      if (bytes.length > JOB_PAYLOAD_BYTES_MAX)
        throw new RingwallError("request.too_large", { detail: { what: "job" } });
      const sealed = await keys.sealValue(tenant, "objects", sealContext(queue, name), bytes);
      return [VERSION, tenant, name, sealed.toString("base64url")].join("|");
    },
    async open(text, { names, queue }) {
      const { name, sealed, tenant } = split(text, names);
      await tenants.requireActive(tenant);
      const bytes = await keys.openValue(tenant, "objects", sealContext(queue, name), sealed);
      const { id, madeMs, payload, untilMs } = Content.parse(JSON.parse(bytes.toString("utf8")));
      if (clock() >= untilMs) throw decryptFailed();
      return { tenant, name, id, actor: { type: "service", tenant, name }, madeMs, payload };
    },
  };
}

function sealContext(queue: string, name: string): readonly string[] {
  return ["job", queue, name];
}

function split(
  text: string,
  names: readonly string[],
): { readonly tenant: TenantId; readonly name: string; readonly sealed: Buffer } {
  if (text.length > TEXT_CHARS_MAX) throw decryptFailed();
  const [version, tenant = "", name = "", sealed = "", ...more] = text.split("|", 5);
  if (version !== VERSION || more.length > 0 || !isTenantId(tenant) || !names.includes(name)) throw decryptFailed();
  const bytes = Buffer.from(sealed, "base64url");
  // One job has one text: other spellings of the same bytes would be other entries in a list of what was done.
  if (bytes.toString("base64url") !== sealed) throw decryptFailed();
  return { tenant, name, sealed: bytes };
}
