import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LIMITS } from "./limits.ts";
import { hasControl, readHeader } from "./request-header.ts";
import { targetFlaw } from "./request-target.ts";

const flawOf = (...raw: string[]): string | undefined => readHeader(["Host", "bank.example", ...raw]).flaw?.reason;

describe("request smuggling and contradicting fields", () => {
  test.each([
    ["two lengths", ["Content-Length", "5", "Content-Length", "5"], "duplicate_content-length"],
    ["two hosts", ["host", "evil.example"], "duplicate_host"],
    ["two credentials", ["Authorization", "Bearer a", "AUTHORIZATION", "Bearer b"], "duplicate_authorization"],
    ["two types", ["Content-Type", "application/json", "Content-type", "text/plain"], "duplicate_content-type"],
    ["two cookies", ["Cookie", "a=1", "Cookie", "a=2"], "duplicate_cookie"],
    ["two origins", ["Origin", "https://a.example", "Origin", "https://b.example"], "duplicate_origin"],
    ["two keys", ["Idempotency-Key", "1", "Idempotency-Key", "2"], "duplicate_idempotency-key"],
    ["two schemes", ["X-Forwarded-Proto", "http", "X-Forwarded-Proto", "https"], "duplicate_x-forwarded-proto"],
    ["length and encoding", ["Content-Length", "5", "Transfer-Encoding", "chunked"], "length_and_encoding"],
    ["an encoding in disguise", ["Transfer-Encoding", "xchunked"], "transfer_encoding"],
    ["a list of encodings", ["Transfer-Encoding", "gzip, chunked"], "transfer_encoding"],
    ["a spaced encoding", ["Transfer-Encoding", "chunked "], "transfer_encoding"],
    ["a signed length", ["Content-Length", "+5"], "content_length"],
    ["a listed length", ["Content-Length", "5, 5"], "content_length"],
    ["a hexadecimal length", ["Content-Length", "0x5"], "content_length"],
    ["an empty length", ["Content-Length", ""], "content_length"],
    ["a line inside a value", ["X-A", "b\r\nX-Admin: 1"], "control_in_header"],
    ["a bare line feed", ["X-A", "b\nc"], "control_in_header"],
    ["a NUL", ["X-A", "b\0"], "control_in_header"],
    ["an escape", ["User-Agent", "\u001b[2J"], "control_in_header"],
  ])("%s", (_, raw, reason) => {
    expect(flawOf(...raw)).toBe(reason);
  });

  test("their benign twins pass", () => {
    expect(flawOf("Content-Length", "5", "Content-Type", "application/json")).toBeUndefined();
    expect(flawOf("Transfer-Encoding", "Chunked")).toBeUndefined();
    expect(flawOf("Accept", "a", "Accept", "b", "X-A", "tab\tand caf\u00e9")).toBeUndefined();
  });
});

describe("limits of the header", () => {
  test("one field too many, and one byte too many", () => {
    const fields = Array.from({ length: LIMITS.headerFields }, (_, n) => [`x-${n}`, "v"]).flat();
    expect(readHeader(fields).flaw).toBeUndefined();
    expect(readHeader([...fields, "x", "v"]).flaw).toMatchObject({ code: "request.headers_too_large" });
    const room = LIMITS.headerBytes - "x".length - 4;
    expect(readHeader(["x", "v".repeat(room)]).flaw).toBeUndefined();
    expect(readHeader(["x", "v".repeat(room + 1)]).flaw).toMatchObject({ code: "request.headers_too_large" });
  });

  test("several X-Forwarded-For fields are one chain in their order", () => {
    expect(readHeader(["X-Forwarded-For", "1.1.1.1", "x-forwarded-for", "2.2.2.2"]).forwardedFor).toBe(
      "1.1.1.1, 2.2.2.2",
    );
  });

  test("reads whatever it is given without throwing, and finds every control character", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 30 }), (raw) => {
        const { flaw } = readHeader(raw);
        const values = raw.filter((_, index) => index % 2 === 1);
        // Compared with the grammar of RFC 9110 as a pattern.
        const bad = values.some((value) => /[^\P{Cc}\t\x80-\x9f]/u.test(value));
        expect(values.some(hasControl)).toBe(bad);
        if (bad) expect(flaw).toBeDefined();
      }),
    );
  });
});

describe("the request target", () => {
  test.each([
    ["http://evil.example/", "target_form"],
    ["//evil.example/", "target_form"],
    ["/\\evil.example", "target_form"],
    ["*", "target_form"],
    ["", "target_form"],
    ["evil", "target_form"],
    ["/a b", "target_character"],
    ["/a\r\nX: y", "target_character"],
    ["/a\0", "target_character"],
    ["/a#b", "target_character"],
    ["/\u00e9", "target_character"],
    ["/a\\..\\b", "target_character"],
    ["/a%00b", "target_encoded_separator"],
    ["/a%2fb", "target_encoded_separator"],
    ["/a%5Cb", "target_encoded_separator"],
    ["/a%zz", "target_encoding"],
    ["/a%2", "target_encoding"],
    ["/a/../admin", "target_dot_segment"],
    ["/a/%2e%2E/admin", "target_dot_segment"],
    ["/a/.%2e", "target_dot_segment"],
    ["/.", "target_dot_segment"],
  ])("refuses %j", (target, reason) => {
    expect(targetFlaw(target)?.reason).toBe(reason);
  });

  test.each([
    "/",
    "/api/accounts/1?x=..%2f..&y=%00",
    "/.well-known/x",
    "/a..b",
    "/a...",
    "/caf%C3%A9",
    "/a?b=http://c/../d",
  ])("takes %j", (target) => {
    expect(targetFlaw(target)).toBeUndefined();
  });

  test("a target longer than the limit is too long, not malformed", () => {
    expect(targetFlaw(`/${"a".repeat(LIMITS.targetBytes - 1)}`)).toBeUndefined();
    expect(targetFlaw(`/${"a".repeat(LIMITS.targetBytes)}`)).toMatchObject({ code: "request.uri_too_long" });
  });
});
