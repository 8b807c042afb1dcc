/** A head of a tenant's chain, as its line says. Not believed before its signature was checked. */
export interface Head {
  readonly tenant: string;
  /** Number of entries that it speaks of. */
  readonly size: number;
  /** What the chain hashes to there, in hex. */
  readonly hex: string;
  readonly time: string;
  readonly keyId: string;
  /** In base64url. */
  readonly signed: string;
}

const SCHEMA = "ringwall.audit.head.1";
const LINE_MAX = 1_024;

/** The bytes that are signed: canonical JSON with its keys in order. */
export function signedText({ hex, keyId, size, tenant, time }: Head): string {
  return `{"hash":"${hex}","key":"${keyId}","schema":"${SCHEMA}","size":${size},"tenant":"${tenant}","time":"${time}"}`;
}

/** Reads a head's line. Undefined for any text that is not exactly what the sequencer writes: one head, one spelling. */
export function readHead(line: string): Head | undefined {
  if (line.length > LINE_MAX) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  // A parse boundary: each is checked below.
  const { hash: hex, key: keyId, signature: signed, size, tenant, time } = value as Record<string, unknown>;
  if (typeof size !== "number" || !Number.isSafeInteger(size) || size < 1) return undefined;
  if (typeof hex !== "string" || typeof keyId !== "string" || typeof signed !== "string") return undefined;
  if (typeof tenant !== "string" || typeof time !== "string") return undefined;
  const head = { tenant, size, hex, time, keyId, signed };
  return `${signedText(head).slice(0, -1)},"signature":"${signed}"}` === line ? head : undefined;
}
