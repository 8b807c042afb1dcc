import { z } from "zod";
import { encodeTuple, RingwallError, randomBytes } from "../../core/index.ts";
import { decryptFailed, type MasterKey } from "../../data/keys/index.ts";
import { Client, type ClientOptions } from "./client.ts";
import { unavailable } from "./http.ts";

/** Which key of which Transit engine. */
export interface TransitOptions extends ClientOptions {
  /** Where the engine is mounted, e.g. `transit`. */
  readonly mount: string;
  readonly keyName: string;
}

const VERSION = 1;
const SUITE = 4;
const HEADER_BYTES = 6;
const KEY_BYTES = 32;
// The nonce and the tag of the engine's AES-GCM.
const BODY_BYTES_MIN = 28;
/** What a master key wraps is small; the engine itself takes 32 MiB. */
const WRAPPED_BYTES_MAX = 8_192;
const KEY_TYPE = "aes256-gcm96";
const OK = 200;

const Encrypted = z.object({ data: z.object({ ciphertext: z.string().max(WRAPPED_BYTES_MAX * 2) }) });
const Decrypted = z.object({ data: z.object({ plaintext: z.string() }) });
const Described = z.object({
  data: z.object({
    type: z.string(),
    exportable: z.boolean(),
    allow_plaintext_backup: z.boolean(),
    derived: z.boolean(),
  }),
});
const CIPHERTEXT = /^vault:v([1-9][0-9]{0,8}):([A-Za-z0-9+/]+={0,2})$/;

/**
 * A master key in the Transit engine of OpenBao or Vault. Wrapped bytes are `1 | 4 | key version 4 | ciphertext`, where
 * the ciphertext is the engine's own, out of its text form; the context is its associated data. The engine's key may
 * have versions: rotating it there needs nothing here, as long as the old versions stay allowed for decryption.
 *
 * @throws RingwallError `keys.master_refused` when there is no such key, or one that could be exported;
 * `keys.unavailable` when the server does not answer, is sealed, or refuses the token.
 */
export async function transitMaster(options: TransitOptions): Promise<MasterKey> {
  const master = new TransitMaster(options);
  await master.check();
  return master;
}

class TransitMaster implements MasterKey {
  readonly id: string;
  readonly #client: Client;
  readonly #path: (operation: "keys" | "encrypt" | "decrypt") => string;

  constructor(options: TransitOptions) {
    this.id = `transit:${options.mount}/${options.keyName}`;
    this.#client = new Client(options);
    this.#path = (operation) => `${options.mount}/${operation}/${options.keyName}`;
  }

  /** Reads the key's description: it exists, fits, and does not come out. */
  async check(): Promise<void> {
    const answer = await this.#client.call({ method: "GET", path: this.#path("keys") }).catch((error: unknown) => {
      if (!(error instanceof RingwallError) || error.detail["reason"] !== "status 404") throw error;
      throw refused(`there is no key ${this.id}`);
    });
    const key = Described.safeParse(answer.body).data?.data;
    if (answer.status !== OK || key === undefined) throw refused(`${this.id} cannot be read`);
    if (key.type !== KEY_TYPE || key.derived) throw refused(`${this.id} has to be of type ${KEY_TYPE}, not derived`);
    if (key.exportable || key.allow_plaintext_backup) {
      throw refused(`${this.id} can be exported or backed up in clear: make one that cannot`);
    }
  }

  async wrap(plaintext: Buffer, context: readonly string[]): Promise<Buffer> {
    const body = { plaintext: plaintext.toString("base64"), associated_data: this.#associated(context) };
    const answer = await this.#client.call({ method: "POST", path: this.#path("encrypt"), body });
    const text = Encrypted.safeParse(answer.body).data?.data.ciphertext ?? "";
    const [, version, encoded] = CIPHERTEXT.exec(text) ?? [];
    if (answer.status !== OK || version === undefined || encoded === undefined) throw unavailable("no ciphertext");
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = VERSION;
    header[1] = SUITE;
    header.writeUInt32BE(Number(version), 2);
    return Buffer.concat([header, Buffer.from(encoded, "base64")]);
  }

  async unwrap(wrapped: Buffer, context: readonly string[]): Promise<Buffer> {
    if (wrapped.length < HEADER_BYTES + BODY_BYTES_MIN || wrapped.length > WRAPPED_BYTES_MAX) throw decryptFailed();
    if (wrapped[0] !== VERSION || wrapped[1] !== SUITE) throw decryptFailed();
    // Made anew from the bytes, so that one wrapped key has one spelling.
    const ciphertext = `vault:v${wrapped.readUInt32BE(2)}:${wrapped.toString("base64", HEADER_BYTES)}`;
    const body = { ciphertext, associated_data: this.#associated(context) };
    const answer = await this.#client.call({ method: "POST", path: this.#path("decrypt"), body });
    const decrypted = Decrypted.safeParse(answer.body).data?.data;
    if (answer.status === OK && decrypted !== undefined) return Buffer.from(decrypted.plaintext, "base64");
    // The engine says 400 for bytes that are not its own, and for a key that is gone. The first is the bytes' fault.
    await this.check().catch((cause: unknown) => {
      throw unavailable("the key cannot be used", cause);
    });
    throw decryptFailed();
  }

  async generate(context: readonly string[]): Promise<{ plaintext: Buffer; wrapped: Buffer }> {
    const plaintext = randomBytes(KEY_BYTES);
    return { plaintext, wrapped: await this.wrap(plaintext, context) };
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #associated(context: readonly string[]): string {
    return encodeTuple("rw/master/v1", this.id, ...context).toString("base64");
  }
}

function refused(message: string): RingwallError {
  return new RingwallError("keys.master_refused", { message });
}
