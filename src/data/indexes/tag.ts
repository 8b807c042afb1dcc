import { createHmac, type KeyObject } from "node:crypto";
import { assert, encodeTuple, randomBytes } from "../../core/index.ts";
import { subkeyOf, type TenantKey } from "../keys/index.ts";
import { type NormaliserName, normalise, normaliserId } from "./normalise.ts";

/**
 * A tag, as it is stored in an index column:
 *
 *     0   index version 1   what the definition says; 1 until the definition changes
 *     1   key version   1   which version of the tenant's `index` key made it
 *     2   tag           1 to 16 bytes: the first `bits` of HMAC-SHA-256, the rest of the last byte zero
 *
 * The two numbers are no secret. With them a rotation knows what is left to do, and two versions live side by side.
 */
export const TAG_HEADER_BYTES = 2;
/** A full tag: nobody finds two values with the same one. */
export const TAG_BITS_FULL = 128;
// One search asks for all of them, so a hundred are a long list already.
const PARTITIONS_MAX = 64;
const VERSION_MAX = 255;
const LABEL = "rw/index/v1";

/** One blind index of one column. */
export interface IndexSpec {
  readonly table: string;
  /** The sealed column it is of. */
  readonly column: string;
  /** Names the index among those of its column: `eq`, `last4`. */
  readonly index: string;
  readonly normaliser: NormaliserName;
  /** How much of the HMAC is stored. */
  readonly bits: number;
  /** Over how many tags one value is spread at random. 1 unless the values are skewed. */
  readonly partitions: number;
  /** 1 to 255. A higher one makes other tags of the same values. */
  readonly version: number;
}

/** Index keys are derived once for each unwrapped tenant key, and are forgotten with it. */
const derived = new WeakMap<TenantKey, Map<string, KeyObject>>();

/** @throws AssertionFailed for a definition that is no index; tables and columns are the programmer's words. */
export function checkIndex(spec: IndexSpec): void {
  assert(spec.table !== "" && spec.column !== "" && spec.index !== "", "an index is of a table and a column");
  assert(isWhole(spec.bits, 1, TAG_BITS_FULL), "a tag has 1 to 128 bits");
  assert(isWhole(spec.partitions, 1, PARTITIONS_MAX), "an index has 1 to 64 partitions");
  assert(isWhole(spec.version, 1, VERSION_MAX), "an index has a version from 1 to 255");
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isSafeInteger(value) && value >= least && value <= most;
}

function indexKey(key: TenantKey, spec: IndexSpec): KeyObject {
  assert(key.purpose === "index", "tags are made with the index key, never with one that seals");
  const parts = [spec.table, spec.column, spec.index, normaliserId(spec.normaliser), String(spec.version)] as const;
  const name = encodeTuple(...parts).toString("latin1");
  let known = derived.get(key);
  if (known === undefined) derived.set(key, (known = new Map()));
  const cached = known.get(name);
  if (cached !== undefined) return cached;
  const made = subkeyOf(key.subkey(LABEL), LABEL, ...parts);
  known.set(name, made);
  return made;
}

/**
 * The tag of a value for storing, in a partition chosen at random.
 * @returns Undefined when the normaliser leaves nothing.
 */
export function tagOf(key: TenantKey, spec: IndexSpec, value: string): Buffer | undefined {
  const normalised = normalise(spec.normaliser, value);
  if (normalised === undefined) return undefined;
  const partition = spec.partitions === 1 ? 0 : randomBelow(spec.partitions);
  return makeTag(key, spec, normalised, partition);
}

/** Every tag under which a value may be stored with this key: one for each partition. Empty when nothing is left. */
export function tagsFor(key: TenantKey, spec: IndexSpec, value: string): readonly Buffer[] {
  const normalised = normalise(spec.normaliser, value);
  if (normalised === undefined) return [];
  return Array.from({ length: spec.partitions }, (_, partition) => makeTag(key, spec, normalised, partition));
}

/** A tag of nothing, indistinguishable from others: for rows whose being NULL is hidden. */
export function randomTag(key: TenantKey, spec: IndexSpec): Buffer {
  return truncated(key, spec, randomBytes(tagBytes(spec.bits)));
}

function makeTag(key: TenantKey, spec: IndexSpec, normalised: string, partition: number): Buffer {
  const input = encodeTuple(LABEL, String(spec.version), spec.index, String(partition), normalised);
  return truncated(key, spec, createHmac("sha256", indexKey(key, spec)).update(input).digest());
}

function truncated(key: TenantKey, { bits, version }: IndexSpec, bytes: Buffer): Buffer {
  const length = tagBytes(bits);
  const out = Buffer.allocUnsafe(TAG_HEADER_BYTES + length);
  out[0] = version;
  out[1] = key.version;
  bytes.copy(out, TAG_HEADER_BYTES, 0, length);
  const last = out.length - 1;
  out[last] = (out[last] ?? 0) & (0xff << (length * 8 - bits));
  return out;
}

/** Bytes of a truncated tag, without its header. */
export function tagBytes(bits: number): number {
  return Math.ceil(bits / 8);
}

/** Without bias: a draw that would favour the first ones is thrown away. */
function randomBelow(limit: number): number {
  const fair = 256 - (256 % limit);
  for (;;) {
    const [byte = 0] = randomBytes(1);
    if (byte < fair) return byte % limit;
  }
}
