import * as fc from "fast-check";

/** Every way of damaging bytes that an attacker with the database has: never gives the bytes themselves. */
export function damage(bytes: Buffer): fc.Arbitrary<Buffer> {
  const changed = fc.oneof(
    fc.tuple(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 })).map(([at, mask]) => flipped(bytes, at, mask)),
    fc.nat(bytes.length - 1).map((length) => bytes.subarray(0, length)),
    fc.integer({ min: 1, max: bytes.length }).map((length) => bytes.subarray(length)),
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((tail) => Buffer.concat([bytes, tail])),
    fc.uint8Array({ minLength: 1, maxLength: 64 }).map((head) => Buffer.concat([head, bytes])),
    fc.uint8Array({ maxLength: 256 }).map((other) => Buffer.from(other)),
    fc.constantFrom<BufferEncoding>("hex", "base64", "base64url", "utf8", "utf16le").map((to) => reencoded(bytes, to)),
  );
  return changed.filter((candidate) => !candidate.equals(bytes));
}

/** Bytes with one of them changed. */
export function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const copy = Buffer.from(bytes);
  copy[at] = (copy[at] ?? 0) ^ mask;
  return copy;
}

/** The bytes after a way through a text: what a careless export and import makes of them. */
export function reencoded(bytes: Buffer, encoding: BufferEncoding): Buffer {
  return Buffer.from(bytes.toString(encoding), encoding === "utf8" ? "utf8" : "latin1");
}
