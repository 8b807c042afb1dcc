import { assert, type SqlValue } from "../../core/index.ts";
import { encodeArray } from "./values.ts";

const START_BYTES = 16 * 1024;
/** A buffer that once held something large is not kept. */
const KEEP_BYTES = 256 * 1024;
const VALUES_MAX = 65_535;

const PARSE = 0x50;
const BIND = 0x42;
const DESCRIBE = 0x44;
const CLOSE = 0x43;
const STATEMENT = 0x53;

const EXECUTE_ALL = Buffer.from([0x45, 0, 0, 0, 9, 0, 0, 0, 0, 0]);
const SYNC = Buffer.from([0x53, 0, 0, 0, 4]);

/**
 * Writes messages of PostgreSQL's extended query protocol into one buffer, so that a whole unit (and all units of one
 * tick) leaves in a single write. `pg` writes each message by itself and describes each portal anew.
 *
 * @see https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
export class Frames {
  #buffer = Buffer.allocUnsafe(START_BYTES);
  #used = 0;

  get empty(): boolean {
    return this.#used === 0;
  }

  /** The bytes so far, as a copy of their own, and starts anew. */
  take(): Buffer {
    const bytes = Buffer.from(this.#buffer.subarray(0, this.#used));
    // Values may be secrets; they do not stay behind.
    this.#buffer.fill(0, 0, this.#used);
    this.#used = 0;
    if (this.#buffer.length > KEEP_BYTES) this.#buffer = Buffer.allocUnsafe(START_BYTES);
    return bytes;
  }

  parse(name: string, text: string): void {
    const start = this.#open(PARSE);
    this.#cstring(name);
    this.#cstring(text);
    this.#int16(0);
    this.#close(start);
  }

  describe(name: string): void {
    const start = this.#open(DESCRIBE);
    this.#byte(STATEMENT);
    this.#cstring(name);
    this.#close(start);
  }

  closeStatement(name: string): void {
    const start = this.#open(CLOSE);
    this.#byte(STATEMENT);
    this.#cstring(name);
    this.#close(start);
  }

  /** Bind of the unnamed portal: Buffers travel binary, everything else as text, results as text. */
  bind(name: string, values: readonly SqlValue[]): void {
    assert(values.length <= VALUES_MAX, "a statement has at most 65,535 values");
    const start = this.#open(BIND);
    this.#byte(0);
    this.#cstring(name);
    this.#int16(values.length);
    for (const value of values) this.#int16(Buffer.isBuffer(value) ? 1 : 0);
    this.#int16(values.length);
    for (const value of values) this.#value(value);
    this.#int16(0);
    this.#close(start);
  }

  execute(): void {
    this.raw(EXECUTE_ALL);
  }

  sync(): void {
    this.raw(SYNC);
  }

  /** Bytes that were written before: a context's Bind is used many times. */
  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#buffer.set(bytes, this.#used);
    this.#used += bytes.length;
  }

  #value(value: SqlValue): void {
    if (value === null) {
      this.#int32(-1);
      return;
    }
    if (Buffer.isBuffer(value)) {
      this.#int32(value.length);
      this.raw(value);
      return;
    }
    this.#text(valueText(value));
  }

  #text(text: string): void {
    // Three bytes per UTF-16 unit at most, so that one pass is enough.
    this.#reserve(4 + text.length * 3);
    const written = this.#buffer.write(text, this.#used + 4);
    this.#buffer.writeInt32BE(written, this.#used);
    this.#used += 4 + written;
  }

  #cstring(text: string): void {
    assert(!text.includes("\0"), "names and texts of statements hold no zero byte");
    this.#reserve(text.length * 3 + 1);
    this.#used += this.#buffer.write(text, this.#used);
    this.#byte(0);
  }

  #open(code: number): number {
    this.#byte(code);
    const start = this.#used;
    this.#int32(0);
    return start;
  }

  #close(start: number): void {
    this.#buffer.writeInt32BE(this.#used - start, start);
  }

  #byte(value: number): void {
    this.#reserve(1);
    this.#buffer[this.#used] = value;
    this.#used += 1;
  }

  #int16(value: number): void {
    this.#reserve(2);
    this.#buffer.writeUInt16BE(value, this.#used);
    this.#used += 2;
  }

  #int32(value: number): void {
    this.#reserve(4);
    this.#buffer.writeInt32BE(value, this.#used);
    this.#used += 4;
  }

  #reserve(bytes: number): void {
    if (this.#used + bytes <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#used + bytes));
    this.#buffer.copy(larger, 0, 0, this.#used);
    this.#buffer.fill(0, 0, this.#used);
    this.#buffer = larger;
  }
}

function valueText(value: Exclude<SqlValue, null | Buffer>): string {
  switch (typeof value) {
    case "string":
      return value;
    case "number":
    case "bigint":
      return String(value);
    case "boolean":
      return value ? "t" : "f";
    default:
      return encodeArray(value);
  }
}
