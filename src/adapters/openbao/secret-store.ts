import { z } from "zod";
import { type Clock, PlainSecret, RingwallError } from "../../core/index.ts";
import {
  keyPath,
  type SecretKey,
  type SecretStore,
  type StoredSecret,
  type StoreWrite,
  secretBytes,
} from "../../data/secrets/index.ts";
import { Client, type ClientOptions } from "./client.ts";
import type { HttpAnswer, HttpCall } from "./http.ts";

/** Which KV engine, and where in it. */
export interface KvOptions extends ClientOptions {
  /** Where the engine is mounted, e.g. `secret`; it has to be of version 2. */
  readonly mount: string;
  /** The folder in it that is ours, e.g. `ringwall`. */
  readonly prefix: string;
  readonly clock: Clock;
}

const OK = 200;
const NOT_FOUND = 404;
const FORBIDDEN = 403;
const BAD_REQUEST = 400;
const VERSION = /^[1-9][0-9]{0,8}$/;
// Part of a path: nothing that leads elsewhere, and no second spelling.
const PLACE = /^[a-z0-9_-]{1,64}(?:\/[a-z0-9_-]{1,64}){0,3}$/;
const Version = z.object({ version: z.int().positive() });
const Found = z.object({ data: z.object({ data: z.object({ value: z.string() }), metadata: Version }) });
const Written = z.object({ data: Version });
const Failed = z.object({ errors: z.array(z.string()) });

/**
 * Secrets in the KV engine, version 2, of OpenBao or Vault: `MOUNT/data/PREFIX/TENANT/NAME`, the value in the field
 * `value`. Check-and-set is the engine's own. A version that was deleted or destroyed there is a missing secret.
 *
 * @throws RingwallError `config.invalid` for a mount or prefix of another form.
 */
export function openBaoSecretStore(options: KvOptions): SecretStore {
  if (!PLACE.test(options.mount) || !PLACE.test(options.prefix)) {
    throw new RingwallError("config.invalid", { message: "mount and prefix are segments of a-z, 0-9, _ and -" });
  }
  return new KvSecrets(options);
}

class KvSecrets implements SecretStore {
  readonly kind = "openbao";
  readonly #client: Client;
  readonly #base: string;

  constructor(options: KvOptions) {
    this.#client = new Client(options);
    this.#base = `${options.mount}/data/${options.prefix}`;
  }

  async read(key: SecretKey): Promise<StoredSecret | undefined> {
    const answer = await this.#ask({ method: "GET", path: this.#path(key) });
    if (answer.status === NOT_FOUND) return undefined;
    const found = Found.safeParse(answer.body).data?.data;
    if (answer.status !== OK || found === undefined) throw unavailable(`status ${answer.status}`);
    const { data, metadata } = found;
    return { value: new PlainSecret(data.value), version: String(metadata.version), expiresMs: null };
  }

  async write(key: SecretKey, value: PlainSecret, { expected }: StoreWrite): Promise<string> {
    const path = this.#path(key);
    secretBytes(value).fill(0);
    if (typeof expected === "string" && !VERSION.test(expected)) throw changed();
    const options = expected === undefined ? {} : { options: { cas: Number(expected ?? 0) } };
    const answer = await this.#ask({ method: "POST", path, body: { data: { value: value.open() }, ...options } });
    if (answer.status === BAD_REQUEST && isConflict(answer)) throw changed();
    const written = Written.safeParse(answer.body).data?.data;
    if (answer.status !== OK || written === undefined) throw unavailable(`status ${answer.status}`);
    return String(written.version);
  }

  #path(key: SecretKey): string {
    return `${this.#base}/${keyPath(key).join("/")}`;
  }

  async #ask(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
    let answer: HttpAnswer;
    try {
      answer = await this.#client.ask(call);
    } catch (cause) {
      const isRefused = cause instanceof RingwallError && cause.code === "keys.master_refused";
      throw isRefused ? denied("sign-in", cause) : unavailable("no answer", cause);
    }
    if (answer.status === FORBIDDEN) throw denied("policy or token");
    return answer;
  }
}

/** The engine says in words alone which kind of 400 it is. */
function isConflict({ body }: HttpAnswer): boolean {
  return Failed.safeParse(body).data?.errors.some((one) => one.includes("check-and-set")) === true;
}

function changed(): RingwallError {
  return new RingwallError("resource.conflict", { message: "the secret was changed by somebody else meanwhile" });
}

function denied(reason: string, cause?: unknown): RingwallError {
  return new RingwallError("secrets.denied", { detail: { store: "openbao", reason }, cause });
}

function unavailable(reason: string, cause?: unknown): RingwallError {
  return new RingwallError("secrets.unavailable", { detail: { store: "openbao", reason }, cause });
}
