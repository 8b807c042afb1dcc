import { z } from "zod";
import { SecretReference } from "../../core/index.ts";

const Path = z.string().min(1).max(4_096);
const Name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/, "must be a name of at most 64 letters, digits, '_', '.' and '-'");
// A mount may lie deeper, and nothing in it may climb out of its path.
const Mount = z
  .string()
  .max(256)
  .regex(/^[A-Za-z0-9_-]+(\/[A-Za-z0-9_-]+)*$/, "must be a path of letters, digits, '_' and '-'");
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "localhost", "[::1]"]);

/** TLS, unless it is on this machine; a place and nothing else. */
function isServerUrl(text: string): boolean {
  const url = URL.parse(text);
  if (url === null || url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return false;
  return (
    url.pathname === "/" && (url.protocol === "https:" || (url.protocol === "http:" && LOOPBACK.has(url.hostname)))
  );
}
const ServerUrl = z
  .string()
  .max(1_024)
  .refine(isServerUrl, "must be https://host:port, or http:// to loopback, and hold no path and no credentials");

const Software = z.strictObject({
  kind: z.literal("software"),
  /** Path of the 0600 file. Keep it apart from the database's backups: whoever has both reads everything. */
  file: Path,
  /** In production a key that a file holds is refused unless this says otherwise. */
  allowInProduction: z.boolean().default(false),
});

const Pkcs11 = z.strictObject({
  kind: z.literal("pkcs11"),
  /** Path of the PKCS#11 module of the token's maker. */
  library: Path,
  /** Label of the token. */
  token: z.string().min(1).max(32),
  /** Label of the AES key; a key for MACs, where one is needed, is labelled the same with `.mac` behind. */
  keyLabel: Name,
  /** The token's user PIN, as a 0600 file. */
  pin: SecretReference,
  wrapping: z.enum(["auto", "aes-gcm", "aes-key-wrap"]).default("auto"),
});

const AwsKms = z.strictObject({
  kind: z.literal("aws-kms"),
  region: Name,
  /** Id, ARN or alias of a symmetric key. */
  keyId: z.string().min(1).max(2_048),
  /** A VPC endpoint; AWS's own address when left out. */
  endpoint: ServerUrl.optional(),
  /** Left out, the platform's identity is used. */
  credentials: z.strictObject({ accessKeyId: z.string().min(1).max(128), secretAccessKey: SecretReference }).optional(),
});

const Transit = z.strictObject({
  kind: z.literal("transit"),
  url: ServerUrl,
  mount: Mount.default("transit"),
  keyName: Name,
  namespace: Mount.optional(),
  credential: z.discriminatedUnion("kind", [
    z.strictObject({ kind: z.literal("token"), token: SecretReference }),
    z.strictObject({
      kind: z.literal("approle"),
      mount: Mount.default("approle"),
      roleId: z.string().min(1).max(256),
      secretId: SecretReference,
    }),
  ]),
  /** The authority that signed the server's certificate, as a PEM file; those that Node knows when left out. */
  caFile: Path.optional(),
  /** 1.2 only for servers that cannot do better. */
  tlsMinimum: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.3"),
});

const MasterKeyConfig = z.discriminatedUnion("kind", [Software, Pkcs11, AwsKms, Transit]);
/** Where a master key is, by its kind. */
export type MasterKeyConfig = z.output<typeof MasterKeyConfig>;

/** A rotation needs the one before; more are there while an interrupted one is finished. */
const PREVIOUS_MASTERS_MAX = 4;

/**
 * The data layer's part of the configuration.
 *
 * `masterKey` is a union by `kind`: a field of one kind is an error in another. `cacheSeconds` bounds how long an
 * unwrapped key or a read secret is kept in this process.
 */
export const DataConfig = z.strictObject({
  masterKey: MasterKeyConfig,
  /** Master keys that were in use before, until `ringwall keys status` says that nothing refers to them. */
  previousMasterKeys: z.array(MasterKeyConfig).max(PREVIOUS_MASTERS_MAX).default([]),
  cacheSeconds: z.int().min(1).max(3_600).default(300),
  rotation: z
    .strictObject({
      /** Row keys wrapped anew a second at most, so that the work does not crowd out what people do. */
      rowsPerSecondMax: z.int().min(10).max(1_000_000).default(2_000),
    })
    .prefault({}),
  erasure: z
    .strictObject({
      /** Signs erasure orders and certificates: `file:` and the path of a 0600 PEM file with an Ed25519 key. */
      signingKey: z.string().max(4_096).optional(),
      /** Where the ledger is kept; outside of what a restore of the database brings back. */
      ledgerFile: z.string().max(4_096).optional(),
    })
    .prefault({}),
});
export type DataConfig = z.output<typeof DataConfig>;
