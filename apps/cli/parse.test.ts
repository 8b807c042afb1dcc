import * as fc from "fast-check";
import { expect, test } from "vitest";
import { type Command, EXIT, UsageError } from "./command.ts";
import { commands } from "./commands/index.ts";
import { editDistance, nearest } from "./nearest.ts";
import { findCommand, parseInput } from "./parse.ts";

const command: Command = {
  name: "things put",
  summary: "Put a thing",
  positionals: [{ name: "NAME", summary: "its name" }],
  options: {
    file: { value: "FILE", summary: "a file" },
    count: { value: "N", summary: "a count" },
    json: { summary: "JSON" },
  },
  examples: [["ringwall things put a", "puts a"]],
  run: async () => await Promise.resolve(EXIT.ok),
};

test("options may stand before and after words, with a space or an equals sign", () => {
  for (const words of [
    ["a", "--file", "f", "--json"],
    ["--json", "--file=f", "a"],
  ]) {
    const input = parseInput(command, words);
    expect([input.positionals, input.text("file"), input.flag("json")]).toEqual([["a"], "f", true]);
  }
});

test("after -- everything is a word", () => {
  expect(parseInput(command, ["--", "--json"]).positionals).toEqual(["--json"]);
});

test.each([
  [["a", "--jsn"], "unknown option --jsn; did you mean --json?"],
  [["a", "--__proto__"], "unknown option --__proto__"],
  [["a", "--constructor=x"], "unknown option --constructor"],
  [["a", "-j"], "unknown option -j"],
  [["a", "--file"], "--file needs a value: --file FILE"],
  [["a", "--file="], "--file needs a value: --file FILE"],
  [["a", "--file", "--json"], "--file needs a value: --file FILE"],
  [["a", "--json=yes"], "--json takes no value"],
  [["a", "--json", "--json"], "--json is given twice"],
  [[], "NAME is missing"],
  [["a", "b"], 'unexpected argument "b"'],
  [Array.from({ length: 500 }, () => "a"), "the command line is too long"],
])("%j is refused", (words, message) => {
  expect(() => parseInput(command, words)).toThrow(new UsageError(message));
});

test.each(["0", "101", "-1", "1.5", "1e2", "0x10", " 5", "", "99999999999999999999"])(
  "a whole number from 1 to 100 is not %j",
  (text) => {
    expect(() => parseInput(command, ["a", `--count=${text}`]).whole("count", 1, 100)).toThrow(UsageError);
  },
);

test("whatever is typed is either read or refused as usage, and nothing typed reaches an undeclared option", () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom("--file", "--json", "--", "-", "--=x", "--no-json", "__proto__", "a"),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 8 }), (words) => {
      try {
        const input = parseInput(command, words);
        expect(input.positionals).toHaveLength(1);
      } catch (error) {
        expect(error).toBeInstanceOf(UsageError);
      }
    }),
  );
});

test("a command that reads an option it does not declare is our mistake", () => {
  expect(() => parseInput(command, ["a"]).text("data")).toThrow(TypeError);
});

test("the longest name wins, and the rest is its arguments", () => {
  expect(findCommand(commands, ["secrets", "set", "list"])?.rest).toEqual(["list"]);
  expect(findCommand(commands, ["secrets"])).toBeUndefined();
});

test("the distance between words is a metric", () => {
  const words = fc.string({ maxLength: 12 });
  fc.assert(
    fc.property(words, words, words, (a, b, c) => {
      expect(editDistance(a, a)).toBe(0);
      expect(editDistance(a, b)).toBe(editDistance(b, a));
      expect(editDistance(a, c)).toBeLessThanOrEqual(editDistance(a, b) + editDistance(b, c));
    }),
  );
});

test("a guess is near, and a very long word gets none", () => {
  expect(nearest("secerts", ["secrets", "sessions"])).toBe("secrets");
  expect(nearest("frobnicate", ["secrets", "sessions"])).toBeUndefined();
  expect(nearest("s".repeat(100_000), ["secrets"])).toBeUndefined();
});
