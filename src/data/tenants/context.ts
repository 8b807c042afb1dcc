import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { assert, isTenantId, RingwallError, type TenantId } from "../../core/index.ts";
import { box, unbox } from "../keys/index.ts";

/** Longest life of a signed context. The database refuses one that claims more. */
export const CONTEXT_LIFE_MS_MAX = 30_000;

/** What we sign for: enough for a busy connection, with room below the limit for clocks that differ. */
export const CONTEXT_LIFE_MS = 20_000;

/** HMAC-SHA-256 wants a key as long as its output (RFC 2104, section 3). */
export const CONTEXT_KEY_BYTES = 32;

const KID_PATTERN = /^[a-z0-9]{1,16}$/;
const PID_MAX = 2 ** 31 - 1;

/** The key that signs tenant contexts, shared by the signing process and the database's owner. */
export interface ContextKey {
  /** Public name of the key: 1 to 16 lower-case letters and digits. Two may live at once while keys rotate. */
  readonly kid: string;
  /** 32 random bytes. */
  readonly key: Buffer;
}

/** Signs for one tenant, one backend and a short time. Holds the key; prints nothing of it. */
export interface ContextSigner {
  readonly kid: string;
  /**
   * @param pid - The backend process the context is for: another one refuses it.
   * @param expiresMs - When it ends, by the database's clock, to the second below; at most 30 s ahead.
   * @returns `v1.kid.tenant.expirySeconds.mac`. Never to be logged; travels as a bind parameter only. The pid is signed
   * but not told.
   */
  sign(tenant: TenantId, pid: number, expiresMs: number): string;
  /**
   * Seals what nodes tell each other over a channel that every database login may listen to and write to. Padded, so
   * that its length tells little. @param text - At most 512 bytes of UTF-8, not ending in a space.
   */
  sealNotice(text: string): string;
  /** What another node sealed; undefined for everything else. */
  openNotice(sealed: string): string | undefined;
}

/** Sealed and in base64 it stays well below the 8,000 bytes that a notification may have. */
const NOTICE_BYTES_MAX = 512;
const NOTICE_PLACE = Buffer.from("rw/notice/v1");
const NOTHING = Buffer.alloc(0);

/**
 * @throws RingwallError `config.invalid` when the key or its name has the wrong form; says nothing about the value.
 */
export function contextSigner({ kid, key }: ContextKey): ContextSigner {
  if (!KID_PATTERN.test(kid))
    throw new RingwallError("config.invalid", { message: "the context key's kid is malformed" });
  if (key.length !== CONTEXT_KEY_BYTES) {
    throw new RingwallError("config.invalid", { message: `the context key must be ${CONTEXT_KEY_BYTES} bytes` });
  }
  const secret: KeyObject = createSecretKey(key);
  const noticeKey = createSecretKey(Buffer.from(hkdfSync("sha256", secret, NOTHING, NOTICE_PLACE, CONTEXT_KEY_BYTES)));
  const prefix = `v1.${kid}.`;
  return {
    kid,
    sign(tenant, pid, expiresMs) {
      // The parts hold no dot, so the text can be read in one way only.
      assert(isTenantId(tenant), "a context names a tenant id of the right form");
      assert(Number.isSafeInteger(pid) && pid > 0 && pid <= PID_MAX, "a context names a backend");
      assert(Number.isSafeInteger(expiresMs) && expiresMs > 0, "a context has an end");
      const claims = `${prefix}${tenant}.${Math.floor(expiresMs / 1_000)}.`;
      return claims + createHmac("sha256", secret).update(`${claims}${pid}`).digest("hex");
    },
    sealNotice(text) {
      const bytes = Buffer.alloc(NOTICE_BYTES_MAX, " ");
      assert(Buffer.byteLength(text) <= NOTICE_BYTES_MAX && !text.endsWith(" "), "a notice is short");
      bytes.write(text);
      return box(noticeKey, NOTICE_PLACE, bytes, NOTHING).toString("base64url");
    },
    openNotice(sealed) {
      try {
        return unbox(noticeKey, NOTICE_PLACE, Buffer.from(sealed, "base64url"), 0).toString("utf8").trimEnd();
      } catch {
        return undefined;
      }
    },
  };
}

/** A signer whose key is replaced while others hold it. */
export interface ReplaceableSigner extends ContextSigner {
  /** Signs with `next` from now on. Notices that were sealed with the key before it can still be opened. */
  replace(next: ContextSigner): void;
}

/** @param first - Signs until it is replaced. */
export function replaceableSigner(first: ContextSigner): ReplaceableSigner {
  let current = first;
  let previous: ContextSigner | undefined;
  return {
    get kid() {
      return current.kid;
    },
    sign: (tenant, pid, expiresMs) => current.sign(tenant, pid, expiresMs),
    sealNotice: (text) => current.sealNotice(text),
    openNotice: (sealed) => current.openNotice(sealed) ?? previous?.openNotice(sealed),
    replace(next) {
      if (next.kid === current.kid) return;
      previous = current;
      current = next;
    },
  };
}
