/** The part of `@aws-sdk/client-kms` that a master key needs. */
export interface KmsClient {
  send(command: object, options: { readonly abortSignal: AbortSignal }): Promise<KmsAnswer>;
  destroy(): void;
}

/** What the four calls answer, as far as it is used. */
export interface KmsAnswer {
  readonly CiphertextBlob?: Uint8Array;
  readonly Plaintext?: Uint8Array;
  readonly KeyMetadata?: { readonly Arn?: string; readonly KeyState?: string; readonly KeySpec?: string };
}

type Command = new (input: object) => object;

/** The package, as it is loaded. */
export interface KmsPackage {
  readonly KMSClient: new (options: object) => KmsClient;
  readonly DescribeKeyCommand: Command;
  readonly GenerateDataKeyCommand: Command;
  readonly EncryptCommand: Command;
  readonly DecryptCommand: Command;
}

// Not a literal, so that neither the compiler nor a bundler needs a package that most installations do not have.
const PACKAGE: string = "@aws-sdk/client-kms";

/** @throws whatever keeps the optional package from being loaded. */
export async function loadKms(): Promise<KmsPackage> {
  return (await import(PACKAGE)) as KmsPackage;
}
