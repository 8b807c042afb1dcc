/** A handle that the module gives out: bytes whose meaning is its own. */
export type Handle = Buffer;

/** One attribute of an object in the token. */
export interface Attribute {
  readonly type: number;
  readonly value?: number | boolean | string | Buffer;
}

/** A mechanism, and what it needs to know. */
export interface Mechanism {
  readonly mechanism: number;
  readonly parameter?: object;
}

/** The calls of a PKCS#11 module that a master key needs, as the package `pkcs11js` names them. */
export interface Pkcs11 {
  load(path: string): void;
  C_Initialize(): void;
  C_GetSlotList(tokenPresent: boolean): Handle[];
  C_GetTokenInfo(slot: Handle): { readonly label: string };
  C_GetMechanismInfo(slot: Handle, mechanism: number): { readonly flags: number };
  C_OpenSession(slot: Handle, flags: number): Handle;
  C_CloseSession(session: Handle): void;
  C_Login(session: Handle, userType: number, pin: string): void;
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void;
  C_FindObjects(session: Handle, count: number): Handle[];
  C_FindObjectsFinal(session: Handle): void;
  C_GetAttributeValue(
    session: Handle,
    object: Handle,
    template: readonly Attribute[],
  ): readonly { readonly value: Buffer }[];
  C_CreateObject(session: Handle, template: readonly Attribute[]): Handle;
  C_DestroyObject(session: Handle, object: Handle): void;
  C_EncryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Encrypt(session: Handle, input: Buffer, output: Buffer): Buffer;
  C_DecryptInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Decrypt(session: Handle, input: Buffer, output: Buffer): Buffer;
  C_SignInit(session: Handle, mechanism: Mechanism, key: Handle): void;
  C_Sign(session: Handle, input: Buffer, output: Buffer): Buffer;
  C_WrapKey(session: Handle, mechanism: Mechanism, wrapping: Handle, key: Handle, output: Buffer): Buffer;
  C_UnwrapKey(
    session: Handle,
    mechanism: Mechanism,
    unwrapping: Handle,
    wrapped: Buffer,
    template: readonly Attribute[],
  ): Handle;
}

/** Numbers of PKCS#11 2.40 that are used here (OASIS, "Base Specification", appendix A and the header files). */
export const CK = {
  userTypeUser: 1,
  serialSession: 0x4,
  canEncrypt: 0x100,
  canWrap: 0x2_0000,
  classSecretKey: 4,
  typeGenericSecret: 0x10,
  attributeClass: 0x0,
  attributeToken: 0x1,
  attributeLabel: 0x3,
  attributeValue: 0x11,
  attributeKeyType: 0x1_00,
  attributeId: 0x1_02,
  attributeSensitive: 0x1_03,
  attributeExtractable: 0x1_62,
  aesGcm: 0x1087,
  aesKeyWrapPad: 0x210a,
  sha256Hmac: 0x251,
  generalError: 0x5,
  functionFailed: 0x6,
  attributeTypeInvalid: 0x12,
  dataInvalid: 0x20,
  dataLengthRange: 0x21,
  encryptedDataInvalid: 0x40,
  encryptedDataLengthRange: 0x41,
  aeadDecryptFailed: 0x42,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinLengthRange: 0xa2,
  pinExpired: 0xa3,
  pinLocked: 0xa4,
  alreadyLoggedIn: 0x100,
  wrappedKeyInvalid: 0x110,
  wrappedKeyLengthRange: 0x112,
  alreadyInitialized: 0x191,
} as const;

/** `pkcs11js`'s name for the shape of its GCM parameters (`CK_PARAMS_AES_GCM_v240`). */
interface DriverPackage {
  readonly PKCS11: new () => Pkcs11;
  readonly CK_PARAMS_AES_GCM_v240: number;
}

/** The driver, with its module loaded and initialised. */
export interface Driver {
  readonly module: Pkcs11;
  readonly gcmParameters: number;
}

// Not a literal, so that neither the compiler nor a bundler needs a package that most installations do not have.
const PACKAGE: string = "pkcs11js";

/** @throws whatever keeps the optional package from being loaded, or the module from starting. */
export async function loadDriver(library: string): Promise<Driver> {
  const loaded = (await import(PACKAGE)) as { readonly default: DriverPackage };
  const { PKCS11, CK_PARAMS_AES_GCM_v240: gcmParameters } = loaded.default;
  const module = new PKCS11();
  module.load(library);
  try {
    module.C_Initialize();
  } catch (error) {
    // Another thread of this process has it open; a module is initialised once for all of them.
    if (errorCode(error) !== CK.alreadyInitialized) throw error;
  }
  return { module, gcmParameters };
}

/** The number that a PKCS#11 call failed with. */
export function errorCode(error: unknown): number | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "number" ? error.code : undefined;
}
