import { encodeTuple, type PlainSecret, RingwallError, randomBytes } from "../../core/index.ts";
import { decryptFailed, type MasterKey } from "../../data/keys/index.ts";
import type { Answer } from "./messages.ts";
import { PLAINTEXT_BYTES_MAX, SUITE, type TokenPlace } from "./token.ts";
import { type Asked, unavailable, WorkerToken } from "./worker-token.ts";

const VERSION = 1;
const HEADER_BYTES = 2;
const KEY_BYTES = 32;
const SUITES: ReadonlySet<number | undefined> = new Set<number>(Object.values(SUITE));
// Two bytes of header, a MAC or a nonce with its tag, and the padding.
const OVERHEAD_BYTES_MAX = 64;

/** Where the master key is, and how to sign in. */
export interface Pkcs11Options extends TokenPlace {
  /** Path of the PKCS#11 module, e.g. `/usr/lib/softhsm/libsofthsm2.so`. */
  readonly library: string;
  /** Read anew whenever a session is opened, and not kept. */
  readonly pin: () => Promise<PlainSecret>;
}

/**
 * A master key inside a PKCS#11 token: an HSM, or SoftHSM. Wrapping and unwrapping happen in the token; what is wrapped
 * carries version and suite, `1 | 2 | nonce 12 | ciphertext | tag 16` with AES-GCM, `1 | 3 | MAC 32 | wrapped` with AES
 * key wrap. The context is associated data of the first and part of the MAC of the second.
 *
 * @throws RingwallError `keys.master_refused` with the way out when driver, module, token, PIN or key are not as they
 * must be; `keys.unavailable` when the token does not answer.
 */
export async function pkcs11Master(options: Pkcs11Options): Promise<MasterKey> {
  const holder = new TokenHolder(options);
  try {
    const { keyId, suite } = await holder.open();
    return new Pkcs11Master(holder, `pkcs11:${options.keyLabel}:${keyId}`, suite);
  } catch (error) {
    await holder.close();
    throw error;
  }
}

class Pkcs11Master implements MasterKey {
  readonly id: string;
  readonly #holder: TokenHolder;
  readonly #suite: number;

  constructor(holder: TokenHolder, id: string, suite: number) {
    this.#holder = holder;
    this.id = id;
    this.#suite = suite;
  }

  async wrap(plaintext: Buffer, context: readonly string[]): Promise<Buffer> {
    // A copy, since it is given away to the worker, which wipes it.
    const own = new Uint8Array(plaintext);
    const asked: Asked = {
      kind: "seal",
      associated: this.#associated(this.#suite, context),
      plaintext: own,
    };
    const sealed = bytesOf(await this.#holder.ask(asked, [own.buffer]));
    return Buffer.concat([Buffer.from([VERSION, this.#suite]), sealed]);
  }

  async unwrap(wrapped: Buffer, context: readonly string[]): Promise<Buffer> {
    const suite = wrapped[1];
    if (wrapped[0] !== VERSION || suite === undefined || !SUITES.has(suite)) throw decryptFailed();
    if (wrapped.length > PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX) throw decryptFailed();
    const sealed = new Uint8Array(wrapped.subarray(HEADER_BYTES));
    const associated = this.#associated(suite, context);
    return bytesOf(await this.#holder.ask({ kind: "unseal", suite, associated, sealed }));
  }

  async generate(context: readonly string[]): Promise<{ plaintext: Buffer; wrapped: Buffer }> {
    const plaintext = randomBytes(KEY_BYTES);
    return { plaintext, wrapped: await this.wrap(plaintext, context) };
  }

  async close(): Promise<void> {
    await this.#holder.close();
  }

  #associated(suite: number, context: readonly string[]): Buffer {
    return encodeTuple("rw/master/v1", this.id, String(suite), ...context);
  }
}

function bytesOf(answer: Answer): Buffer {
  if (answer.kind !== "bytes") throw unavailable("an answer to another question");
  return Buffer.from(answer.bytes.buffer, answer.bytes.byteOffset, answer.bytes.length);
}

/** Keeps one worker with an open token, and starts another when that one has ended. */
class TokenHolder {
  readonly #options: Pkcs11Options;
  #running: WorkerToken | undefined;
  #reopening: Promise<unknown> | undefined;
  #keyId: string | undefined;
  #closed = false;
  /** A PIN that was refused is never tried again: the token would lock. */
  #refused: RingwallError | undefined;

  constructor(options: Pkcs11Options) {
    this.#options = options;
  }

  async open(): Promise<{ keyId: string; suite: number }> {
    const worker = new WorkerToken();
    try {
      const { keyId, suite } = await this.#openIn(worker);
      if (keyId !== (this.#keyId ?? keyId)) throw unavailable("the token holds another key than before");
      this.#keyId = keyId;
      this.#running = worker;
      return { keyId, suite };
    } catch (error) {
      await worker.close();
      if (!(error instanceof RingwallError) || error.code !== "keys.master_refused") throw error;
      if (error.detail["isPin"] === true) this.#refused = error;
      // At start an operator has to mend it. Later it is an outage: the token was there before, and may come back.
      else if (this.#keyId !== undefined) throw unavailable(error.message, error);
      throw error;
    }
  }

  async #openIn(worker: WorkerToken): Promise<{ keyId: string; suite: number }> {
    const { library, token, keyLabel, wrapping, pin } = this.#options;
    const code = new Uint8Array(Buffer.from((await pin()).open(), "utf8"));
    const asked: Asked = { kind: "open", library, place: { token, keyLabel, wrapping }, pin: code };
    const answer = await worker.ask(asked, [code.buffer]);
    if (answer.kind !== "opened") throw unavailable("an answer to another question");
    return answer;
  }

  async ask(asked: Asked, transfer: readonly ArrayBuffer[] = []): Promise<Answer> {
    return await (await this.#worker()).ask(asked, transfer);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running?.close();
    this.#running = undefined;
  }

  async #worker(): Promise<WorkerToken> {
    if (this.#refused !== undefined) throw this.#refused;
    if (this.#closed) throw unavailable("closed");
    if (this.#running !== undefined && !this.#running.dead) return this.#running;
    // Of many that find it ended, one opens it again.
    this.#reopening ??= this.open().finally(() => {
      this.#reopening = undefined;
    });
    await this.#reopening;
    return await this.#worker();
  }
}
