/**
 * Encodes a list of texts so that no two different lists give the same bytes: each part is its UTF-8 length
 * as a 32-bit big-endian number, then its bytes. Used for associated data, MAC inputs and cache keys; joining
 * with a separator would make ("a|b", "c") and ("a", "b|c") equal.
 */
export function encodeTuple(...parts: readonly string[]): Buffer {
  let length = 0;
  for (const part of parts) length += 4 + Buffer.byteLength(part);
  const out = Buffer.allocUnsafe(length);
  let offset = 0;
  for (const part of parts) {
    const written = out.write(part, offset + 4);
    out.writeUInt32BE(written, offset);
    offset += 4 + written;
  }
  return out;
}
