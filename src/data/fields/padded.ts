import { assert, encodeTuple } from "../../core/index.ts";
import { box, decryptFailed, type RowKey, unbox } from "../keys/index.ts";
import { bindField, FIELD_BYTES_MAX, FIELD_OVERHEAD_BYTES, openField } from "./format.ts";

/**
 * A sealed field of type 2: what is sealed is a frame whose length is a power of two.
 *
 *     0   state     1   0 = NULL, 1 = a value
 *     1   value         UTF-8; nothing for NULL
 *     .   end       1   0x80, then zeros up to 16, 32, 64 ... bytes (ISO/IEC 7816-4)
 *
 * NULL has a frame only where a column hides it; everywhere else NULL stays NULL.
 */
export const PADDED_BYTES_MIN = 16;
const HEADER = Buffer.from([1, 1, 2, 1]);
const HEADER_NUMBER = HEADER.readUInt32BE(0);
const FRAME_BYTES = 2;
const NULL_STATE = 0;
const VALUE_STATE = 1;
const END = 0x80;
// Appended to a field's associated data, which is a list of length-prefixed parts, this is one part more.
const PADDED = encodeTuple("padded");

/** How long the frame of a value is: the next power of two, and at least `least`. */
export function paddedBytes(valueBytes: number, least: number): number {
  let bytes = least;
  while (bytes < valueBytes + FRAME_BYTES) bytes *= 2;
  return bytes;
}

/** @param least - A power of two, 16 or more: shorter values than this all look alike, and so does a hidden NULL. */
export function sealPadded(rowKey: RowKey, column: string, value: string | null, least: number): Buffer {
  assert(Number.isInteger(Math.log2(least)) && least >= PADDED_BYTES_MIN, "a field is padded to a power of two");
  assert(value?.isWellFormed() !== false, "a sealed text is well-formed");
  const length = value === null ? 0 : Buffer.byteLength(value);
  const frame = Buffer.alloc(paddedBytes(length, least));
  assert(frame.length <= FIELD_BYTES_MAX, "a sealed field has at most 1 MiB");
  frame[0] = value === null ? NULL_STATE : VALUE_STATE;
  if (value !== null) frame.write(value, 1);
  frame[length + 1] = END;
  const { key, associated } = rowKey.column(column, bindField);
  const sealed = box(key, Buffer.concat([associated, PADDED]), frame, HEADER);
  frame.fill(0);
  return sealed;
}

/**
 * Opens a field of either type, so that a column may start to be padded while older values are not.
 * @throws RingwallError `keys.decrypt_failed`
 */
export function openAnyField(rowKey: RowKey, column: string, sealed: Buffer): string | null {
  if (sealed.length < FIELD_OVERHEAD_BYTES || sealed.length > FIELD_BYTES_MAX + FIELD_OVERHEAD_BYTES) {
    throw decryptFailed();
  }
  if (sealed.readUInt32BE(0) !== HEADER_NUMBER) return openField(rowKey, column, sealed);
  const { key, associated } = rowKey.column(column, bindField);
  const frame = unbox(key, Buffer.concat([associated, PADDED]), sealed, HEADER.length);
  const value = readFrame(frame);
  frame.fill(0);
  return value;
}

function readFrame(frame: Buffer): string | null {
  let end = frame.length - 1;
  while (end > 0 && frame[end] === 0) end -= 1;
  if (frame[end] !== END || end === 0) throw decryptFailed();
  if (frame[0] === VALUE_STATE) return frame.toString("utf8", 1, end);
  if (frame[0] === NULL_STATE && end === 1) return null;
  throw decryptFailed();
}
