import { assert, json, oneof, property, string } from "fast-check";
import { expect, test } from "vitest";
import { readCertificate } from "./certificate.ts";

const CERTIFICATE = {
  schema: "ringwall.erasure.certificate.1",
  key: "0123456789abcdef",
  subject: "tenant",
  erased_at: "2026-01-02T03:04:05.000Z",
  destroyed: [
    { purpose: "data", version: 1, commitment: "00" },
    { purpose: "data", version: 2, commitment: "01" },
  ],
  rows: 3,
  details: 4,
  signature: "x",
};

test("a certificate is read for people", () => {
  expect(readCertificate(JSON.stringify(CERTIFICATE))).toEqual({
    key: "0123456789abcdef",
    erasedAt: "2026-01-02T03:04:05.000Z",
    destroyed: ["data 1", "data 2"],
    rows: 3,
    details: 4,
  });
});

test("what is no certificate is nothing, and never an error", () => {
  for (const line of ["", "null", "[]", "{", '"text"', JSON.stringify({ ...CERTIFICATE, rows: "3" })]) {
    expect([line, readCertificate(line)]).toEqual([line, undefined]);
  }
  assert(property(oneof(string(), json()), (line) => readCertificate(line) === undefined));
});
