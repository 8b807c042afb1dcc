import { timingSafeEqual } from "node:crypto";
import { randomBytes } from "../../core/index.ts";
import { type Attribute, CK, type Driver, errorCode, type Handle } from "./driver.ts";

/** How keys are wrapped: authenticated encryption, or key wrapping with a MAC beside it. The first byte of what is stored. */
export const SUITE = { aesGcm: 2, aesKeyWrap: 3 } as const;
/** What the configuration may ask for; `auto` takes the first that the token can do. */
export type Wrapping = "auto" | "aes-gcm" | "aes-key-wrap";

/** Which token and which key in it. */
export interface TokenPlace {
  readonly token: string;
  readonly keyLabel: string;
  readonly wrapping: Wrapping;
}

/** The token cannot be used as it stands: what is wrong, in words that hold no secret. */
export class TokenRefused extends Error {
  override readonly name = "TokenRefused";
  /** True for the PIN: it must not be tried again. */
  readonly isPin: boolean;

  constructor(message: string, isPin = false) {
    super(message);
    this.isPin = isPin;
  }
}
/** What was given does not open. */
export class NotOurs extends Error {
  override readonly name = "NotOurs";
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const MAC_BYTES = 32;
// Inside what is key-wrapped, before the plaintext: its length, and random bytes, since RFC 5649 is deterministic.
const LENGTH_BYTES = 2;
const SALT_BYTES = 14;
const INNER_BYTES = LENGTH_BYTES + SALT_BYTES;
const WRAP_BLOCK = 8;
/** Larger than anything a master key wraps; SoftHSM and network HSMs take far more. */
export const PLAINTEXT_BYTES_MAX = 4_096;
const OUTPUT_SLACK = 64;

// What a PIN can be wrong in. None of these is tried again: a token locks after a few wrong ones.
const PIN_REFUSED: ReadonlySet<number | undefined> = new Set<number>([
  CK.pinIncorrect,
  CK.pinInvalid,
  CK.pinLengthRange,
  CK.pinExpired,
  CK.pinLocked,
]);
const NOT_OURS: ReadonlySet<number | undefined> = new Set<number>([
  CK.dataInvalid,
  CK.dataLengthRange,
  CK.encryptedDataInvalid,
  CK.encryptedDataLengthRange,
  CK.aeadDecryptFailed,
  CK.wrappedKeyInvalid,
  CK.wrappedKeyLengthRange,
]);
// Some modules (SoftHSM among them) say nothing more than this about a wrong tag: only a probe tells it from a fault.
const UNCLEAR: ReadonlySet<number | undefined> = new Set<number>([CK.generalError, CK.functionFailed]);

const SECRET: readonly Attribute[] = [
  { type: CK.attributeClass, value: CK.classSecretKey },
  { type: CK.attributeKeyType, value: CK.typeGenericSecret },
  { type: CK.attributeToken, value: false },
  { type: CK.attributeSensitive, value: false },
  { type: CK.attributeExtractable, value: true },
];

/** One session with one token, signed in, and the handles of its master key. Every call blocks: a worker's business. */
export class Token {
  readonly #driver: Driver;
  readonly #session: Handle;
  readonly #key: Handle;
  readonly #macKey: Handle | undefined;
  /** The suite that new wraps are made with. */
  readonly suite: number;
  /** The key's own id in the token, in hex: part of what names the master key. */
  readonly keyId: string;

  /** @throws TokenRefused for what an operator has to mend; whatever the module throws for a fault. */
  constructor(driver: Driver, place: TokenPlace, pin: string) {
    this.#driver = driver;
    const slot = findSlot(driver, place.token);
    // The module tells whether it can wrap before anybody signs in.
    this.suite = chooseSuite(driver, slot, place);
    this.#session = driver.module.C_OpenSession(slot, CK.serialSession);
    try {
      signIn(driver, this.#session, pin);
      this.#key = findKey(driver, this.#session, place.keyLabel);
      const macLabel = `${place.keyLabel}.mac`;
      this.#macKey = hasKey(driver, this.#session, macLabel) ? findKey(driver, this.#session, macLabel) : undefined;
      if (this.suite === SUITE.aesKeyWrap && this.#macKey === undefined) {
        throw new TokenRefused(`wrapping by AES key wrap needs a second key, a generic secret labelled ${macLabel}`);
      }
      this.keyId = attribute(driver, this.#session, this.#key, CK.attributeId).toString("hex");
    } catch (error) {
      this.close();
      throw error;
    }
  }

  seal(associated: Buffer, plaintext: Buffer): Buffer {
    return this.suite === SUITE.aesGcm ? this.#encrypt(associated, plaintext) : this.#keyWrap(associated, plaintext);
  }

  /** @throws NotOurs */
  open(suite: number, associated: Buffer, sealed: Buffer): Buffer {
    try {
      return suite === SUITE.aesGcm ? this.#decrypt(associated, sealed) : this.#keyUnwrap(associated, sealed);
    } catch (error) {
      const code = errorCode(error);
      if (NOT_OURS.has(code)) throw new NotOurs();
      if (!UNCLEAR.has(code)) throw error;
      // The token works for something of our own: then it was the bytes. Else its error stands.
      this.#probe(suite, error);
      throw new NotOurs();
    }
  }

  close(): void {
    try {
      this.#driver.module.C_CloseSession(this.#session);
    } catch {
      // A session that is gone needs no closing.
    }
  }

  #probe(suite: number, error: unknown): void {
    const associated = Buffer.from("rw/probe/v1");
    const known = Buffer.alloc(WRAP_BLOCK, 1);
    try {
      const sealed = suite === SUITE.aesGcm ? this.#encrypt(associated, known) : this.#keyWrap(associated, known);
      const opened = suite === SUITE.aesGcm ? this.#decrypt(associated, sealed) : this.#keyUnwrap(associated, sealed);
      if (opened.equals(known)) return;
    } catch {
      // The error that led here says more.
    }
    throw error;
  }

  #encrypt(associated: Buffer, plaintext: Buffer): Buffer {
    const { module } = this.#driver;
    const nonce = randomBytes(NONCE_BYTES);
    module.C_EncryptInit(this.#session, this.#gcm(nonce, associated), this.#key);
    const body = module.C_Encrypt(this.#session, plaintext, Buffer.alloc(plaintext.length + OUTPUT_SLACK));
    return Buffer.concat([nonce, body]);
  }

  #decrypt(associated: Buffer, sealed: Buffer): Buffer {
    if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new NotOurs();
    const { module } = this.#driver;
    const nonce = sealed.subarray(0, NONCE_BYTES);
    module.C_DecryptInit(this.#session, this.#gcm(nonce, associated), this.#key);
    return module.C_Decrypt(this.#session, sealed.subarray(NONCE_BYTES), Buffer.alloc(sealed.length + OUTPUT_SLACK));
  }

  #gcm(iv: Buffer, aad: Buffer) {
    const type = this.#driver.gcmParameters;
    return { mechanism: CK.aesGcm, parameter: { type, iv, aad, ivBits: NONCE_BYTES * 8, tagBits: TAG_BYTES * 8 } };
  }

  /**
   * RFC 5649 binds nothing, and its check is short: an HMAC of a second key in the token, over place and wrapped bytes,
   * does both. The length is inside and the padding ours, since modules disagree about what they return.
   */
  #keyWrap(associated: Buffer, plaintext: Buffer): Buffer {
    const { module } = this.#driver;
    const padded = Buffer.alloc(Math.ceil((INNER_BYTES + plaintext.length) / WRAP_BLOCK) * WRAP_BLOCK);
    padded.writeUInt16BE(plaintext.length, 0);
    padded.set(randomBytes(SALT_BYTES), LENGTH_BYTES);
    padded.set(plaintext, INNER_BYTES);
    const secret = module.C_CreateObject(this.#session, [...SECRET, { type: CK.attributeValue, value: padded }]);
    padded.fill(0);
    try {
      const output = Buffer.alloc(padded.length + OUTPUT_SLACK);
      const wrapped = module.C_WrapKey(this.#session, { mechanism: CK.aesKeyWrapPad }, this.#key, secret, output);
      return Buffer.concat([this.#mac(associated, wrapped), wrapped]);
    } finally {
      module.C_DestroyObject(this.#session, secret);
    }
  }

  #keyUnwrap(associated: Buffer, sealed: Buffer): Buffer {
    const wrapped = sealed.subarray(MAC_BYTES);
    const told = sealed.subarray(0, MAC_BYTES);
    if (told.length !== MAC_BYTES || !timingSafeEqual(told, this.#mac(associated, wrapped))) throw new NotOurs();
    const { module } = this.#driver;
    const secret = module.C_UnwrapKey(this.#session, { mechanism: CK.aesKeyWrapPad }, this.#key, wrapped, SECRET);
    try {
      const padded = attribute(this.#driver, this.#session, secret, CK.attributeValue);
      const length = padded.readUInt16BE(0);
      if (length > padded.length - INNER_BYTES) throw new NotOurs();
      const plaintext = Buffer.from(padded.subarray(INNER_BYTES, INNER_BYTES + length));
      padded.fill(0);
      return plaintext;
    } finally {
      module.C_DestroyObject(this.#session, secret);
    }
  }

  #mac(associated: Buffer, wrapped: Buffer): Buffer {
    // Without its MAC key a token can make nothing of this suite.
    if (this.#macKey === undefined) throw new NotOurs();
    const { module } = this.#driver;
    const length = Buffer.alloc(4);
    length.writeUInt32BE(associated.length, 0);
    module.C_SignInit(this.#session, { mechanism: CK.sha256Hmac }, this.#macKey);
    return module.C_Sign(this.#session, Buffer.concat([length, associated, wrapped]), Buffer.alloc(MAC_BYTES));
  }
}

function findSlot({ module }: Driver, label: string): Handle {
  const slots = module.C_GetSlotList(true).filter((slot) => module.C_GetTokenInfo(slot).label.trimEnd() === label);
  const [slot] = slots;
  if (slot === undefined) throw new TokenRefused(`the module has no token labelled ${label}`);
  if (slots.length > 1) throw new TokenRefused(`${slots.length} tokens are labelled ${label}: name one that is alone`);
  return slot;
}

function chooseSuite({ module }: Driver, slot: Handle, { wrapping, token }: TokenPlace): number {
  const can = (mechanism: number, flag: number): boolean => {
    try {
      return (module.C_GetMechanismInfo(slot, mechanism).flags & flag) !== 0;
    } catch {
      // CKR_MECHANISM_INVALID: it cannot.
      return false;
    }
  };
  if (wrapping !== "aes-key-wrap" && can(CK.aesGcm, CK.canEncrypt)) return SUITE.aesGcm;
  if (wrapping !== "aes-gcm" && can(CK.aesKeyWrapPad, CK.canWrap)) return SUITE.aesKeyWrap;
  throw new TokenRefused(
    `the token ${token} cannot wrap by ${wrapping === "auto" ? "AES-GCM or AES key wrap" : wrapping}`,
  );
}

function signIn({ module }: Driver, session: Handle, pin: string): void {
  try {
    module.C_Login(session, CK.userTypeUser, pin);
  } catch (error) {
    const code = errorCode(error);
    // Signing in is for all sessions of a process with one token.
    if (code === CK.alreadyLoggedIn) return;
    if (!PIN_REFUSED.has(code)) throw error;
    throw new TokenRefused("the token refused the PIN; it is not tried again, since a token locks after a few", true);
  }
}

function findHandles({ module }: Driver, session: Handle, label: string): readonly Handle[] {
  module.C_FindObjectsInit(session, [
    { type: CK.attributeClass, value: CK.classSecretKey },
    { type: CK.attributeLabel, value: label },
  ]);
  try {
    return module.C_FindObjects(session, 2);
  } finally {
    module.C_FindObjectsFinal(session);
  }
}

function hasKey(driver: Driver, session: Handle, label: string): boolean {
  return findHandles(driver, session, label).length > 0;
}

/** The one key of that label. It must be one that never leaves the token. */
function findKey(driver: Driver, session: Handle, label: string): Handle {
  const handles = findHandles(driver, session, label);
  const [key] = handles;
  if (key === undefined) throw new TokenRefused(`the token has no secret key labelled ${label}`);
  if (handles.length > 1) throw new TokenRefused(`the token has several keys labelled ${label}`);
  const sensitive = attribute(driver, session, key, CK.attributeSensitive)[0] === 1;
  const extractable = attribute(driver, session, key, CK.attributeExtractable)[0] !== 0;
  if (!sensitive || extractable) {
    throw new TokenRefused(
      `the key ${label} can be taken out of the token: make one that is sensitive and not extractable`,
    );
  }
  return key;
}

function attribute({ module }: Driver, session: Handle, object: Handle, type: number): Buffer {
  const [found] = module.C_GetAttributeValue(session, object, [{ type }]);
  return found?.value ?? Buffer.alloc(0);
}
