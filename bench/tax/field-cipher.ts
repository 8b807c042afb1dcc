import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** A column's encryption as a team writes it on `node:crypto`: AES-256-GCM, nonce first, tag last, the row's id bound in. */
export interface FieldCipher {
  seal(text: string, rowId: string): Buffer;
  open(sealed: Buffer, rowId: string): string;
}

/** One key for the column, made into a key object once. */
export function fieldCipher(keyHex: string): FieldCipher {
  const key: KeyObject = createSecretKey(Buffer.from(keyHex, "hex"));
  return {
    seal(text, rowId) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce).setAAD(Buffer.from(rowId));
      return Buffer.concat([nonce, cipher.update(text, "utf8"), cipher.final(), cipher.getAuthTag()]);
    },
    open(sealed, rowId) {
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAAD(Buffer.from(rowId)).setAuthTag(sealed.subarray(-TAG_BYTES));
      return decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES), undefined, "utf8") + decipher.final("utf8");
    },
  };
}
