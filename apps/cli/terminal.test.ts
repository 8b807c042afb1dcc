import { PassThrough, Readable } from "node:stream";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { CommandFailed } from "./exit.ts";
import { makeAsk } from "./terminal.ts";

function piped(...chunks: (string | Buffer)[]) {
  const output = new PassThrough();
  const { signal } = new AbortController();
  return { ask: makeAsk({ input: Readable.from(chunks), isTerminal: false, output, signal }), output };
}

/** A person: types when asked, and sees what is written. */
function typed() {
  const input = new PassThrough();
  const output = new PassThrough();
  const stop = new AbortController();
  const ask = makeAsk({ input, isTerminal: true, output, signal: stop.signal });
  return { ask, input, stop, seen: () => String(output.read() ?? "") };
}

test("piped lines answer the questions in order, however they are cut into chunks", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.string({ unit: "grapheme" }).filter((text) => !/[\r\n]/.test(text)),
        { minLength: 1, maxLength: 5 },
      ),
      fc.integer({ min: 1, max: 7 }),
      async (lines, size) => {
        const bytes = Buffer.from(`${lines.join("\n")}\n`);
        const chunks = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
          bytes.subarray(at * size, (at + 1) * size),
        );
        const { ask } = piped(...chunks);
        for (const line of lines) expect(await ask("Next? ")).toBe(line);
      },
    ),
  );
});

test("a last line needs no line break, and carriage returns are not part of an answer", async () => {
  const { ask, output } = piped("one\r\ntwo");
  expect([await ask("A? "), await ask("B? ", "hidden")]).toEqual(["one", "two"]);
  expect(output.read()).toBeNull();
});

test("an input that ends says which answer was due, and repeats none", async () => {
  const { ask } = piped("a password\n");
  await ask("Password: ", "hidden");
  const failed = ask("Code: ");
  await expect(failed).rejects.toThrow(new CommandFailed("the input ended where an answer was due: Code:"));
});

test("an endless line is refused", async () => {
  const { ask } = piped("x".repeat(20_000));
  await expect(ask("Name: ")).rejects.toThrow("longer than");
});

test("what a person types is shown, unless it is hidden", async () => {
  const person = typed();
  const name = person.ask("Name: ");
  person.input.write("Ada\n");
  expect(await name).toBe("Ada");
  expect(person.seen()).toContain("Ada");
  const password = person.ask("Password: ", "hidden");
  person.input.write("tide knot 52 ember\n");
  expect(await password).toBe("tide knot 52 ember");
  expect(person.seen()).toBe("Password: \n");
});

test("Ctrl-C and the end of the input end the question", async () => {
  const person = typed();
  const interrupted = person.ask("Password: ", "hidden");
  person.input.write("\u0003");
  await expect(interrupted).rejects.toThrow("interrupted");
  const stopped = person.ask("Password: ", "hidden");
  person.stop.abort();
  await expect(stopped).rejects.toThrow("interrupted");
  const other = typed();
  const ended = other.ask("Name: ");
  other.input.end();
  await expect(ended).rejects.toThrow("the input ended");
});
