import { assert, encodeTuple, RingwallError, randomBytes, type TenantId } from "../../core/index.ts";
import { keyFrom, mac } from "./derive.ts";
import { BOX_OVERHEAD_BYTES, box, decryptFailed, KEY_BYTES, unbox } from "./envelope.ts";
import { SEALED_VALUE_BYTES_MAX } from "./sealed-value.ts";

const HEADER = Buffer.of(1, 1);

/**
 * A key of one background job of one tenant: for what the job puts down on its way (a page, a file, a queue) and nobody
 * needs after it. Random, kept in memory alone and never wrapped: when the job ends, whatever it sealed is unreadable,
 * wherever copies of it lie.
 */
export class JobKey {
  readonly tenant: TenantId;
  readonly job: string;
  // Bytes and not a KeyObject, because bytes can be wiped.
  #bytes: Buffer | undefined = randomBytes(KEY_BYTES);

  constructor(tenant: TenantId, job: string) {
    assert(job !== "", "a job has a name");
    this.tenant = tenant;
    this.job = job;
  }

  /** `1 | 1 | nonce 12 | ciphertext | tag 16`, bound to tenant, job and `context`. */
  seal(context: readonly string[], bytes: Uint8Array): Buffer {
    assert(bytes.length <= SEALED_VALUE_BYTES_MAX, "a sealed value has at most 1 MiB");
    const associated = this.#associated(context);
    return box(this.#keyOf(associated), associated, bytes, HEADER);
  }

  /** @throws RingwallError `keys.decrypt_failed`; `keys.erased` when the job has ended. */
  open(context: readonly string[], sealed: Buffer): Buffer {
    const associated = this.#associated(context);
    const key = this.#keyOf(associated);
    if (sealed.length > SEALED_VALUE_BYTES_MAX + HEADER.length + BOX_OVERHEAD_BYTES) throw decryptFailed();
    if (sealed[0] !== HEADER[0] || sealed[1] !== HEADER[1]) throw decryptFailed();
    return unbox(key, associated, sealed, HEADER.length);
  }

  /** Wipes the key. */
  end(): void {
    this.#bytes?.fill(0);
    this.#bytes = undefined;
  }

  #associated(context: readonly string[]): Buffer {
    return encodeTuple("rw/job/v1", this.tenant, this.job, ...context);
  }

  /** Each place has a key of its own, so that a long job does not wear one key out. */
  #keyOf(place: Buffer) {
    if (this.#bytes === undefined) {
      throw new RingwallError("keys.erased", { detail: { tenant: this.tenant, job: this.job } });
    }
    const own = Buffer.from(this.#bytes);
    try {
      return keyFrom(mac(keyFrom(own), place));
    } finally {
      own.fill(0);
    }
  }
}
