import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RingwallError } from "../core/index.ts";
import { isJsonMediaType, parseJsonStrict } from "./json.ts";
import { LIMITS } from "./limits.ts";

const parse = (text: string): unknown => parseJsonStrict(Buffer.from(text));

function reasonOf(bytes: string | Uint8Array): unknown {
  try {
    parseJsonStrict(typeof bytes === "string" ? Buffer.from(bytes) : bytes);
    return undefined;
  } catch (error) {
    if (!(error instanceof RingwallError) || error.code !== "request.malformed") throw error;
    return error.detail["reason"];
  }
}

describe("bodies that two readers would read in two ways", () => {
  test.each([
    ["a member named twice", '{"amount":1,"amount":1000}', "json_duplicate_member"],
    ["named twice, once with escapes", '{"amount":1,"\\u0061mount":1000}', "json_duplicate_member"],
    ["named twice deep inside", '[{"a":{"b":[{"c":1,"c":1}]}}]', "json_duplicate_member"],
    ["named twice with equal values", '{"a":null,"a":null}', "json_duplicate_member"],
    ["an empty name twice", '{"":1,"":2}', "json_duplicate_member"],
    ["a prototype", '{"__proto__":{"admin":true}}', "json_prototype_member"],
    ["a prototype with escapes", '{"\\u005f_proto__":{"admin":true}}', "json_prototype_member"],
    ["a constructor", '{"a":{"constructor":{"prototype":{}}}}', "json_prototype_member"],
    ["a byte order mark", "\ufeff{}", "json_syntax"],
    ["a half surrogate", '{"a":"\\ud800"}', "json_surrogate"],
    ["a half surrogate as a name", '{"\\udc00":1}', "json_surrogate"],
    ["an escaped NUL", '{"a":"x\\u0000y"}', "json_nul"],
    ["a number beyond a double", '{"a":1e999}', "json_number"],
    ["nothing", "", "json_syntax"],
    ["a comment", "{/*a*/}", "json_syntax"],
    ["two documents", "{}{}", "json_syntax"],
    ["a string without end", '{"a":"b', "json_syntax"],
    ["a lone backslash at the end", '"\\', "json_syntax"],
    ["a raw NUL", '"\0"', "json_syntax"],
    ["NaN", "NaN", "json_syntax"],
  ])("%s", (_, text, reason) => {
    expect(reasonOf(text)).toBe(reason);
  });

  test("bytes that are not UTF-8, also overlong and cut ones", () => {
    for (const bytes of [
      [0x22, 0xff, 0x22],
      [0x22, 0xc0, 0xaf, 0x22],
      [0x22, 0xe2, 0x82, 0x22],
      [0x22, 0xed, 0xa0, 0x80, 0x22],
    ]) {
      expect(reasonOf(Uint8Array.from(bytes))).toBe("json_utf8");
    }
    expect(reasonOf(Buffer.from('{"a":1}', "utf16le"))).toBe("json_syntax");
  });

  test("their benign twins pass", () => {
    expect(parse('{"amount":1,"Amount":1000}')).toEqual({ amount: 1, Amount: 1000 });
    expect(parse('{"a":"{\\"x\\":1,\\"x\\":1}"}')).toEqual({ a: '{"x":1,"x":1}' });
    expect(parse('{"proto":1,"a":"__proto__"}')).toEqual({ proto: 1, a: "__proto__" });
    expect(parse('{"a":"\\ud83d\\ude00"}')).toEqual({ a: "\u{1f600}" });
    expect(parseJsonStrict(Buffer.from('xx{"a":1}xx').subarray(2, 9))).toEqual({ a: 1 });
  });
});

describe("limits", () => {
  test("depth: the limit passes, one deeper does not, a million deep is refused as fast", () => {
    const nested = (depth: number): string => "[".repeat(depth) + "]".repeat(depth);
    expect(reasonOf(nested(LIMITS.jsonDepth))).toBeUndefined();
    expect(reasonOf(nested(LIMITS.jsonDepth + 1))).toBe("json_depth");
    expect(reasonOf("[".repeat(1_000_000))).toBe("json_depth");
    expect(reasonOf('{"a":'.repeat(1_000_000))).toBe("json_depth");
    expect(reasonOf(`"${"[".repeat(1_000)}"`)).toBeUndefined();
  });

  test("members: counted over the whole document", () => {
    const wide = (count: number): string => `[${Array.from({ length: count }, (_, n) => `{"a":${n}}`).join(",")}]`;
    expect(reasonOf(wide(LIMITS.jsonMembers))).toBeUndefined();
    expect(reasonOf(wide(LIMITS.jsonMembers + 1))).toBe("json_members");
  });

  test("names that collide in many hash tables are counted like any others", () => {
    const body = `{${Array.from({ length: 5_000 }, (_, n) => `"${"Aa".repeat(n % 7)}${n}":0`).join(",")}}`;
    expect(reasonOf(body)).toBeUndefined();
  });
});

describe("compared with JSON.parse", () => {
  test("reads every ordinary document to the same value", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6, noUnicodeString: false }), (value) => {
        const text = JSON.stringify(value);
        if (reasonOf(text) === undefined) expect(parse(text)).toEqual(JSON.parse(text));
        else expect(["json_prototype_member", "json_nul", "json_surrogate"]).toContain(reasonOf(text));
      }),
    );
  });

  test("accepts nothing that it refuses, and never throws anything but its own refusal", () => {
    const fragment = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ":",
      ",",
      '"a"',
      '"b"',
      '"',
      "\\",
      "1",
      "null",
      " ",
      "\\u0061",
      "x",
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 20 }), (parts) => {
        const text = parts.join("");
        if (reasonOf(text) === undefined) expect(parse(text)).toEqual(JSON.parse(text));
      }),
      { numRuns: 2_000 },
    );
  });

  test("finds every duplicate, wherever it is planted", () => {
    const name = fc.string({ minLength: 1, maxLength: 5 }).filter((text) => !/proto|constructor/.test(text));
    fc.assert(
      fc.property(fc.uniqueArray(name, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat(), (names, from, at) => {
        const members = names.map((one) => `${JSON.stringify(one)}:[{"inner":1}]`);
        const planted = members[from % members.length] ?? "";
        const twice = [...members];
        twice.splice(at % (members.length + 1), 0, planted);
        expect(reasonOf(`{${members.join(",")}}`)).not.toBe("json_duplicate_member");
        expect(reasonOf(`{"x":[{${twice.join(",")}}]}`)).toBe("json_duplicate_member");
      }),
    );
  });
});

test("no part of a refused body is in the error", () => {
  for (const body of ['{"password":"canary-1"', '{"canary-1":1,"canary-1":2}', '"canary-1\\u0000"']) {
    const caught = ((): unknown => {
      try {
        return parse(body);
      } catch (error) {
        return error;
      }
    })();
    expect(JSON.stringify(caught, Object.getOwnPropertyNames(caught))).not.toContain("canary-1");
  }
});

test("media types: JSON in UTF-8 and nothing else", () => {
  for (const good of ["application/json", "application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']) {
    expect(isJsonMediaType(good)).toBe(true);
  }
  for (const bad of [
    undefined,
    "",
    "text/plain",
    "application/json; charset=utf-16",
    "application/jsonp",
    "application/json, text/html",
    `application/json${" ".repeat(200)}; charset=utf-8`,
  ]) {
    expect(isJsonMediaType(bad)).toBe(false);
  }
});
