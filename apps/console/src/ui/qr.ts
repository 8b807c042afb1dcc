/**
 * QR codes (ISO/IEC 18004) of short texts: byte mode, error correction M, versions 1 to 10. For the one address that an
 * authenticator app scans; a package for it would be larger than this.
 *
 * @module
 */

/** Dark modules are true; row by row. */
export type QrMatrix = readonly (readonly boolean[])[];

/** Per version at level M: error correction bytes of a block, blocks of the first and second group, data bytes of a block. */
const VERSIONS = [
  { ecc: 10, groups: [[1, 16]] },
  { ecc: 16, groups: [[1, 28]] },
  { ecc: 26, groups: [[1, 44]] },
  { ecc: 18, groups: [[2, 32]] },
  { ecc: 24, groups: [[2, 43]] },
  { ecc: 16, groups: [[4, 27]] },
  { ecc: 18, groups: [[4, 31]] },
  {
    ecc: 22,
    groups: [
      [2, 38],
      [2, 39],
    ],
  },
  {
    ecc: 22,
    groups: [
      [3, 36],
      [2, 37],
    ],
  },
  {
    ecc: 26,
    groups: [
      [4, 43],
      [1, 44],
    ],
  },
] as const satisfies readonly { ecc: number; groups: readonly (readonly [number, number])[] }[];
/** Centres of the alignment patterns, per version. */
const ALIGNMENT: readonly (readonly number[])[] = [
  [],
  [6, 18],
  [6, 22],
  [6, 26],
  [6, 30],
  [6, 34],
  [6, 22, 38],
  [6, 24, 42],
  [6, 26, 46],
  [6, 28, 50],
];
const FORMAT_MASK = 0x5412;
const LEVEL_M = 0;
const MASKS: readonly ((row: number, column: number) => boolean)[] = [
  (r, c) => (r + c) % 2 === 0,
  (r) => r % 2 === 0,
  (_, c) => c % 3 === 0,
  (r, c) => (r + c) % 3 === 0,
  (r, c) => (Math.floor(r / 2) + Math.floor(c / 3)) % 2 === 0,
  (r, c) => ((r * c) % 2) + ((r * c) % 3) === 0,
  (r, c) => (((r * c) % 2) + ((r * c) % 3)) % 2 === 0,
  (r, c) => (((r + c) % 2) + ((r * c) % 3)) % 2 === 0,
];

/** Undefined when the text is longer than the largest version holds (213 bytes). */
export function qrMatrix(text: string): QrMatrix | undefined {
  const bytes = new TextEncoder().encode(text);
  const index = VERSIONS.findIndex((_, at) => bytes.length <= capacity(at + 1));
  if (index === -1) return undefined;
  const version = index + 1;
  const codewords = interleave(version, dataCodewords(version, bytes));
  const candidates = MASKS.map((_, mask) => drawn(version, codewords, mask));
  return candidates.reduce((best, one) => (penalty(one) < penalty(best) ? one : best));
}

function groupsOf(version: number): readonly (readonly [number, number])[] {
  return VERSIONS[version - 1]?.groups ?? [];
}

function dataBytes(version: number): number {
  return groupsOf(version).reduce((sum, [blocks, each]) => sum + blocks * each, 0);
}

/** Mode and length take 12 bits up to version 9 and 20 from then on. */
function capacity(version: number): number {
  return dataBytes(version) - (version < 10 ? 2 : 3);
}

function dataCodewords(version: number, bytes: Uint8Array): Uint8Array {
  const bits: number[] = [];
  const push = (value: number, length: number): void => {
    for (let at = length - 1; at >= 0; at -= 1) bits.push((value >> at) & 1);
  };
  push(0b0100, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  for (const byte of bytes) push(byte, 8);
  const all = new Uint8Array(dataBytes(version));
  push(0, Math.min(4, all.length * 8 - bits.length));
  const used = Math.ceil(bits.length / 8);
  for (const [at, bit] of bits.entries()) all[at >> 3] = (all[at >> 3] ?? 0) | (bit << (7 - (at & 7)));
  for (let at = used; at < all.length; at += 1) all[at] = (at - used) % 2 === 0 ? 0xec : 0x11;
  return all;
}

/** Blocks with their error correction, byte by byte in turn. */
function interleave(version: number, data: Uint8Array): number[] {
  const ecc = VERSIONS[version - 1]?.ecc ?? 0;
  const divisor = generator(ecc);
  const blocks: Uint8Array[] = [];
  let from = 0;
  for (const [number, each] of groupsOf(version)) {
    for (let block = 0; block < number; block += 1) {
      blocks.push(data.subarray(from, from + each));
      from += each;
    }
  }
  const corrections = blocks.map((block) => remainder(block, divisor));
  const longest = Math.max(...blocks.map(({ length }) => length));
  const inTurn = (parts: readonly (Uint8Array | number[])[], length: number): number[] =>
    Array.from({ length }, (_, at) => parts.flatMap((part) => part[at] ?? [])).flat();
  return [...inTurn(blocks, longest), ...inTurn(corrections, ecc)];
}

/** In the field of 256 elements with the polynomial 0x11d. */
function multiply(left: number, right: number): number {
  let product = 0;
  for (let bit = 7; bit >= 0; bit -= 1) {
    product = (product << 1) ^ ((product >> 7) * 0x11d);
    product ^= ((right >> bit) & 1) * left;
  }
  return product;
}

function generator(degree: number): number[] {
  const result: number[] = Array.from({ length: degree }, (_, at) => (at === degree - 1 ? 1 : 0));
  let root = 1;
  for (let round = 0; round < degree; round += 1) {
    for (const [at, factor] of result.entries()) result[at] = multiply(factor, root) ^ (result[at + 1] ?? 0);
    root = multiply(root, 2);
  }
  return result;
}

function remainder(data: Uint8Array, divisor: readonly number[]): number[] {
  const result = divisor.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ (result.shift() ?? 0);
    result.push(0);
    for (const [at, coefficient] of divisor.entries()) result[at] = (result[at] ?? 0) ^ multiply(coefficient, factor);
  }
  return result;
}

/** A matrix in the making: undefined where nothing is drawn yet. */
type Canvas = (boolean | undefined)[][];

function drawn(version: number, codewords: readonly number[], mask: number): QrMatrix {
  const size = version * 4 + 17;
  const canvas: Canvas = Array.from({ length: size }, () => Array.from({ length: size }, () => undefined));
  drawPatterns(canvas, version);
  drawFormat(canvas, mask);
  if (version >= 7) drawVersion(canvas, version);
  drawData(canvas, codewords, mask);
  return canvas.map((row) => row.map((module) => module === true));
}

function put(canvas: Canvas, row: number, column: number, dark: boolean): void {
  const line = canvas[row];
  if (line !== undefined && column >= 0 && column < line.length) line[column] = dark;
}

function drawPatterns(canvas: Canvas, version: number): void {
  const size = canvas.length;
  for (let at = 0; at < size; at += 1) {
    put(canvas, 6, at, at % 2 === 0);
    put(canvas, at, 6, at % 2 === 0);
  }
  for (const [row, column] of [
    [3, 3],
    [3, size - 4],
    [size - 4, 3],
  ] as const) {
    for (let dr = -4; dr <= 4; dr += 1) {
      for (let dc = -4; dc <= 4; dc += 1) {
        const ring = Math.max(Math.abs(dr), Math.abs(dc));
        put(canvas, row + dr, column + dc, ring !== 2 && ring !== 4);
      }
    }
  }
  const centres = ALIGNMENT[version - 1] ?? [];
  const last = centres.at(-1);
  for (const row of centres) {
    for (const column of centres) {
      const inFinder = (row === 6 && column === 6) || (row === 6 && column === last) || (row === last && column === 6);
      if (inFinder) continue;
      for (let dr = -2; dr <= 2; dr += 1) {
        for (let dc = -2; dc <= 2; dc += 1) {
          put(canvas, row + dr, column + dc, Math.max(Math.abs(dr), Math.abs(dc)) !== 1);
        }
      }
    }
  }
}

function checked(value: number, polynomial: number, degree: number): number {
  let rest = value;
  for (let round = 0; round < degree; round += 1) rest = (rest << 1) ^ ((rest >> (degree - 1)) * polynomial);
  return (value << degree) | rest;
}

function drawFormat(canvas: Canvas, mask: number): void {
  const size = canvas.length;
  const bits = checked((LEVEL_M << 3) | mask, 0x537, 10) ^ FORMAT_MASK;
  const bit = (at: number): boolean => ((bits >> at) & 1) === 1;
  for (let at = 0; at <= 5; at += 1) put(canvas, at, 8, bit(at));
  put(canvas, 7, 8, bit(6));
  put(canvas, 8, 8, bit(7));
  put(canvas, 8, 7, bit(8));
  for (let at = 9; at < 15; at += 1) put(canvas, 8, 14 - at, bit(at));
  for (let at = 0; at < 8; at += 1) put(canvas, 8, size - 1 - at, bit(at));
  for (let at = 8; at < 15; at += 1) put(canvas, size - 15 + at, 8, bit(at));
  put(canvas, size - 8, 8, true);
}

function drawVersion(canvas: Canvas, version: number): void {
  const bits = checked(version, 0x1f25, 12);
  for (let at = 0; at < 18; at += 1) {
    const dark = ((bits >> at) & 1) === 1;
    const near = Math.floor(at / 3);
    const far = canvas.length - 11 + (at % 3);
    put(canvas, near, far, dark);
    put(canvas, far, near, dark);
  }
}

/** Two columns at a time from the right, up and down in turn, past the column of the timing pattern. */
function drawData(canvas: Canvas, codewords: readonly number[], mask: number): void {
  const size = canvas.length;
  const isMasked = MASKS[mask] ?? (() => false);
  let at = 0;
  let upward = true;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step += 1) {
      const row = upward ? size - 1 - step : step;
      for (const column of [right, right - 1]) {
        if (canvas[row]?.[column] !== undefined) continue;
        const dark = (((codewords[at >> 3] ?? 0) >> (7 - (at & 7))) & 1) === 1;
        put(canvas, row, column, dark !== isMasked(row, column));
        at += 1;
      }
    }
    upward = !upward;
  }
}

const FINDER_LIKE = /(?=10111010000|00001011101)/g;

/** The four rules of the standard for what confuses a reader. */
function penalty(matrix: QrMatrix): number {
  const size = matrix.length;
  const rows = matrix.map((row) => row.map((dark) => (dark ? "1" : "0")).join(""));
  const columns = matrix.map((_, at) => matrix.map((row) => (row[at] === true ? "1" : "0")).join(""));
  let points = 0;
  for (const line of [...rows, ...columns]) {
    for (const [run] of line.matchAll(/0{5,}|1{5,}/g)) points += run.length - 2;
    points += 40 * [...line.matchAll(FINDER_LIKE)].length;
  }
  for (let row = 1; row < size; row += 1) {
    for (let column = 1; column < size; column += 1) {
      const square = `${rows[row]?.slice(column - 1, column + 1)}${rows[row - 1]?.slice(column - 1, column + 1)}`;
      if (square === "0000" || square === "1111") points += 3;
    }
  }
  const dark = rows.join("").replaceAll("0", "").length;
  return points + 10 * Math.floor(Math.abs((dark * 20) / (size * size) - 10));
}
