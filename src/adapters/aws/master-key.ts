import { hash } from "node:crypto";
import { encodeTuple, type PlainSecret, RingwallError } from "../../core/index.ts";
import { decryptFailed, type MasterKey } from "../../data/keys/index.ts";
import { type KmsAnswer, type KmsClient, type KmsPackage, loadKms } from "./driver.ts";

/** Which key of AWS KMS. */
export interface AwsKmsOptions {
  readonly region: string;
  /** Id, ARN or alias of a symmetric key. */
  readonly keyId: string;
  /** Another address than AWS's own: a VPC endpoint, or a server that speaks its language. */
  readonly endpoint?: string | undefined;
  /** Left out, the platform's identity is used: the role of the instance, task or pod. */
  readonly credentials?:
    | { readonly accessKeyId: string; readonly secretAccessKey: () => Promise<PlainSecret> }
    | undefined;
}

const VERSION = 1;
const SUITE = 5;
const HEADER = Buffer.from([VERSION, SUITE]);
const KEY_BYTES = 32;
/** Limits of KMS itself: what Encrypt takes, and what Decrypt does. */
const PLAINTEXT_BYTES_MAX = 4_096;
const CIPHERTEXT_BYTES_MAX = 6_144;
const ANSWER_MS_MAX = 5_000;
const TRIES_MAX = 2;
const PROBE = Buffer.from([1]);
const KEY_SPEC = "SYMMETRIC_DEFAULT";
// A word of the context that shows as it is in CloudTrail and in conditions of a key policy; others are bound unseen.
const LEGIBLE = /^[A-Za-z0-9_./-]{1,128}$/;
const WORDS_SHOWN_MAX = 8;

// What says that the ciphertext is not this key's in this context. Everything else is the service's fault or the policy's.
const NOT_OURS: ReadonlySet<string> = new Set(["InvalidCiphertextException", "IncorrectKeyException"]);
// What may be the ciphertext's fault, which names its key inside, or the policy's: only a probe tells them apart.
const UNCLEAR: ReadonlySet<string> = new Set(["AccessDeniedException", "NotFoundException"]);
const NO_KEY: ReadonlySet<string> = new Set(["NotFoundException", "InvalidArnException", "ValidationException"]);

/**
 * A master key in AWS KMS. Wrapped bytes are `1 | 5 | CiphertextBlob`; the context is the encryption context, which KMS
 * binds and CloudTrail shows.
 *
 * @throws RingwallError `keys.master_refused` when the package is missing or there is no such usable key;
 * `keys.unavailable` when KMS does not answer or does not allow it.
 */
export async function awsKmsMaster(options: AwsKmsOptions): Promise<MasterKey> {
  const kms = await loadKms().catch((cause: unknown) => {
    throw refused("AWS KMS needs the package @aws-sdk/client-kms: npm install @aws-sdk/client-kms", cause);
  });
  const client = new kms.KMSClient(await clientOptions(options));
  try {
    const answer = await send(client, new kms.DescribeKeyCommand({ KeyId: options.keyId }));
    const { Arn: arn, KeyState: state, KeySpec: spec } = answer.KeyMetadata ?? {};
    if (arn === undefined || spec !== KEY_SPEC) throw refused(`${options.keyId} is no symmetric key of AWS KMS`);
    if (state !== "Enabled") throw refused(`${arn} is not enabled in AWS KMS`);
    return new AwsKmsMaster(kms, client, arn);
  } catch (error) {
    client.destroy();
    if (error instanceof RingwallError && NO_KEY.has(String(error.detail["reason"]))) {
      throw refused(`AWS KMS knows no key ${options.keyId} in ${options.region}`, error);
    }
    throw error;
  }
}

async function clientOptions({ region, endpoint, credentials }: AwsKmsOptions): Promise<object> {
  if (credentials === undefined)
    return { region, maxAttempts: TRIES_MAX, ...(endpoint === undefined ? {} : { endpoint }) };
  const { accessKeyId, secretAccessKey } = credentials;
  return {
    region,
    maxAttempts: TRIES_MAX,
    ...(endpoint === undefined ? {} : { endpoint }),
    credentials: { accessKeyId, secretAccessKey: (await secretAccessKey()).open() },
  };
}

class AwsKmsMaster implements MasterKey {
  readonly id: string;
  readonly #kms: KmsPackage;
  readonly #client: KmsClient;
  readonly #key: string;

  constructor(kms: KmsPackage, client: KmsClient, arn: string) {
    this.id = `aws-kms:${arn}`;
    this.#kms = kms;
    this.#client = client;
    this.#key = arn;
  }

  async wrap(plaintext: Buffer, context: readonly string[]): Promise<Buffer> {
    if (plaintext.length > PLAINTEXT_BYTES_MAX) throw new RangeError("AWS KMS wraps 4,096 bytes at most");
    const command = new this.#kms.EncryptCommand({ ...this.#place(context), Plaintext: plaintext });
    return blobOf(await send(this.#client, command));
  }

  async unwrap(wrapped: Buffer, context: readonly string[]): Promise<Buffer> {
    const blob = wrapped.subarray(HEADER.length);
    if (blob.length === 0 || blob.length > CIPHERTEXT_BYTES_MAX) throw decryptFailed();
    if (wrapped[0] !== VERSION || wrapped[1] !== SUITE) throw decryptFailed();
    // The key is named, so that no other key that this identity may use opens anything for us.
    const command = new this.#kms.DecryptCommand({ ...this.#place(context), CiphertextBlob: blob });
    try {
      return clearOf(await send(this.#client, command));
    } catch (error) {
      if (!(error instanceof RingwallError) || !UNCLEAR.has(String(error.detail["reason"]))) throw error;
      await this.#probe(error);
      throw decryptFailed();
    }
  }

  /** Passes when the key opens something fresh of its own; else `error` stands. */
  async #probe(error: RingwallError): Promise<void> {
    const place = this.#place(["rw/probe/v1"]);
    try {
      const sealed = await send(this.#client, new this.#kms.EncryptCommand({ ...place, Plaintext: PROBE }));
      const command = new this.#kms.DecryptCommand({ ...place, CiphertextBlob: sealed.CiphertextBlob });
      await send(this.#client, command);
    } catch {
      throw error;
    }
  }

  async generate(context: readonly string[]): Promise<{ plaintext: Buffer; wrapped: Buffer }> {
    const command = new this.#kms.GenerateDataKeyCommand({ ...this.#place(context), NumberOfBytes: KEY_BYTES });
    const answer = await send(this.#client, command);
    return { plaintext: clearOf(answer), wrapped: blobOf(answer) };
  }

  async close(): Promise<void> {
    this.#client.destroy();
  }

  #place(context: readonly string[]) {
    return { KeyId: this.#key, EncryptionContext: encryptionContext(context) };
  }
}

/** The whole context as one hash, which borders and order are part of; and its plain words beside it, to be read. */
export function encryptionContext(context: readonly string[]): Readonly<Record<string, string>> {
  const words = context
    .slice(0, WORDS_SHOWN_MAX)
    .flatMap((word, at) => (LEGIBLE.test(word) ? [[`ringwall-${at}`, word]] : []));
  const whole = hash("sha256", encodeTuple("rw/master/v1", ...context), "base64url");
  return { ringwall: whole, ...(Object.fromEntries(words) as Record<string, string>) };
}

function blobOf({ CiphertextBlob: blob }: KmsAnswer): Buffer {
  if (blob === undefined) throw unavailable("no ciphertext");
  return Buffer.concat([HEADER, blob]);
}

/** A copy of its own, and the SDK's wiped. */
function clearOf({ Plaintext: clear }: KmsAnswer): Buffer {
  if (clear === undefined) throw unavailable("no plaintext");
  const own = Buffer.from(clear);
  clear.fill(0);
  return own;
}

async function send(client: KmsClient, command: object): Promise<KmsAnswer> {
  try {
    return await client.send(command, { abortSignal: AbortSignal.timeout(ANSWER_MS_MAX) });
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : "unknown";
    if (NOT_OURS.has(name)) throw decryptFailed();
    throw unavailable(name, cause);
  }
}

function unavailable(reason: string, cause?: unknown): RingwallError {
  return new RingwallError("keys.unavailable", { detail: { holder: "aws-kms", reason }, cause });
}

function refused(message: string, cause?: unknown): RingwallError {
  return new RingwallError("keys.master_refused", { message, cause });
}
