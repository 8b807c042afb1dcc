import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { type QrMatrix, qrMatrix } from "./qr.ts";

const textOf = (length: number): string => "aZ9-".repeat(60).slice(0, length);
const digest = (matrix: QrMatrix): string =>
  createHash("sha256")
    .update(matrix.map((row) => row.map(Number).join("")).join("\n"))
    .digest("hex")
    .slice(0, 16);

// The longest text of each version, its size, and the code as it was when another program (zbarimg 0.23) read it back.
const READ_BACK = [
  [14, 21, "19cc23def5a31ee4"],
  [26, 25, "cc6fa9eef41651cd"],
  [42, 29, "9ecfb2204aa495ca"],
  [62, 33, "6bf20603e534f097"],
  [84, 37, "9d461ee62ac9f9b6"],
  [106, 41, "18cef5a60ff6e073"],
  [122, 45, "c287d9962ed157a3"],
  [152, 49, "76222eaa0406c143"],
  [180, 53, "c5aa785a6b4578f4"],
  [213, 57, "65289422f5852cf1"],
] as const;

test.each(READ_BACK)("%i bytes are the code of %i modules that another program reads", (length, size, read) => {
  const matrix = qrMatrix(textOf(length));
  expect([matrix?.length, matrix === undefined ? "" : digest(matrix)]).toEqual([size, read]);
});

test("one byte more than a version holds takes the next one, and what fits none is no code", () => {
  for (const [length, size] of READ_BACK.slice(0, -1)) expect(qrMatrix(textOf(length + 1))?.length).toBe(size + 4);
  expect(qrMatrix(textOf(214))).toBeUndefined();
  // Bytes count, not characters.
  expect(qrMatrix("é".repeat(107))).toBeUndefined();
});
