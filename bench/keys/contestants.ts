import { createCipheriv, createDecipheriv, createSecretKey, randomBytes as nodeRandomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { decryptStringSync, encryptStringSync, generateKey, parseKeySync } from "@47ng/cloak";
import { tenantId } from "../../src/core/index.ts";
import { createFields } from "../../src/data/fields/index.ts";
import { testKeys } from "../../src/testing/keys.ts";

/** One seal and one open of the value; throws when it does not come back. */
export type Work = () => void | Promise<void>;

/** One way to seal. `row` makes whatever the contestant has of a fresh key for a new row; where it has none, the same. */
export interface Contestant {
  readonly name: string;
  /** True for what takes so long that warming up has to be short. */
  readonly isSlow: boolean;
  start(): Promise<{ readonly field: Work; readonly row: Work }>;
}

const VALUE = "0123456789abcdef".repeat(4);
const NONCE_BYTES = 12;
const KEY_BYTES = 32;
const TAG_BYTES = 16;
const OPTIONS = { authTagLength: TAG_BYTES } as const;

function same(opened: string): void {
  if (opened !== VALUE) throw new Error("what was sealed did not come back");
}

const ringwall: Contestant = {
  name: "ringwall",
  isSlow: false,
  async start() {
    const tenant = tenantId("alpha-bank");
    const { keys } = await testKeys();
    await keys.current(tenant, "data");
    const fields = createFields({ keys });
    const row = "0198c1a0-0000-7000-8000-000000000001";
    const { rowKey } = await fields.sealRow(tenant, { table: "customer", row, values: { ssn: VALUE } });
    const place = { table: "customer", row, column: "ssn", rowKey };
    // A database gives bytes of its own: the record that is opened is never the object that was sealed.
    return {
      field() {
        const sealed = fields.seal(tenant, place, VALUE);
        if (sealed instanceof Promise) throw new Error("the key is warm");
        const opened = fields.open(tenant, place, sealed);
        if (opened instanceof Promise) throw new Error("the key is warm");
        same(opened);
      },
      row() {
        const made = fields.sealRow(tenant, { table: "customer", row, values: { ssn: VALUE } });
        if (made instanceof Promise) throw new Error("the key is warm");
        const opened = fields.openRow(tenant, { table: "customer", row, ...made });
        if (opened instanceof Promise) throw new Error("the key is warm");
        same(opened.ssn);
      },
    };
  },
};

/** (a) The same bytes under one key, with a random nonce and nothing bound; for a row, under a key drawn for it. */
const raw: Contestant = {
  name: "node:crypto AES-256-GCM",
  isSlow: false,
  async start() {
    const key = createSecretKey(nodeRandomBytes(KEY_BYTES));
    const step = (secret: typeof key): void => {
      const nonce = nodeRandomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", secret, nonce, OPTIONS);
      const sealed = Buffer.concat([nonce, cipher.update(VALUE, "utf8"), cipher.final(), cipher.getAuthTag()]);
      const decipher = createDecipheriv("aes-256-gcm", secret, sealed.subarray(0, NONCE_BYTES), OPTIONS);
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      const body = sealed.subarray(NONCE_BYTES, -TAG_BYTES);
      same(Buffer.concat([decipher.update(body), decipher.final()]).toString("utf8"));
    };
    return { field: () => step(key), row: () => step(createSecretKey(nodeRandomBytes(KEY_BYTES))) };
  },
};

/** The parts of the AWS Encryption SDK that are used, whose own types need its whole tree. */
interface AwsSdk {
  readonly CommitmentPolicy: { readonly REQUIRE_ENCRYPT_REQUIRE_DECRYPT: string };
  readonly RawAesKeyringNode: new (options: object) => object;
  readonly RawAesWrappingSuiteIdentifier: { readonly AES256_GCM_IV12_TAG16_NO_PADDING: number };
  buildClient(policy: string): {
    readonly encrypt: (keyring: object, text: string, options: object) => Promise<{ readonly result: Buffer }>;
    readonly decrypt: (keyring: object, sealed: Buffer) => Promise<{ readonly plaintext: Buffer }>;
  };
}

/** (b) The AWS Encryption SDK with a raw AES keyring, offline. */
const awsSdk: Contestant = {
  name: "@aws-crypto/client-node",
  isSlow: true,
  async start() {
    const sdk = createRequire(import.meta.url)("@aws-crypto/client-node") as AwsSdk;
    const { encrypt, decrypt } = sdk.buildClient(sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT);
    // The keyring insists on memory of its own, outside of Node's pool.
    const unencryptedMasterKey = new Uint8Array(nodeRandomBytes(KEY_BYTES));
    const keyring = new sdk.RawAesKeyringNode({
      keyName: "bench",
      keyNamespace: "ringwall",
      unencryptedMasterKey,
      wrappingSuite: sdk.RawAesWrappingSuiteIdentifier.AES256_GCM_IV12_TAG16_NO_PADDING,
    });
    const encryptionContext = { tenant: "alpha-bank", table: "customer", column: "ssn" };
    const step = async (): Promise<void> => {
      const { result } = await encrypt(keyring, VALUE, { encryptionContext });
      const { plaintext } = await decrypt(keyring, result);
      same(plaintext.toString("utf8"));
    };
    return { field: step, row: step };
  },
};

/** (c) The cipher of prisma-field-encryption: one key for everything, nothing bound. */
const cloak: Contestant = {
  name: "@47ng/cloak",
  isSlow: false,
  async start() {
    const key = parseKeySync(generateKey());
    const step = (): void => same(decryptStringSync(encryptStringSync(VALUE, key), key));
    return { field: step, row: step };
  },
};

/** What is measured. */
export const OURS = ringwall;
/** What it is measured against, in the order of the notes: (a), (b), (c). */
export const PEERS: readonly Contestant[] = [raw, awsSdk, cloak];
