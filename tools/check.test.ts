import { tmpdir } from "node:os";
import { expect, test } from "vitest";
import { type Check, type Ended, runCheck, runChecks } from "./check.ts";

const script = (name: string, text: string): Check => ({ name, command: [process.execPath, "-e", text] });

test("a check that ends with 0 passed, any other end failed, and both streams are kept", async () => {
  const good = await runCheck(script("good", "console.log('out'); console.error('err')"), tmpdir());
  expect(good.state).toBe("passed");
  expect(good.output.split("\n").toSorted()).toEqual(["err", "out"]);
  expect((await runCheck(script("bad", "process.exit(3)"), tmpdir())).state).toBe("failed");
  expect((await runCheck(script("killed", "process.kill(process.pid, 'SIGKILL')"), tmpdir())).state).toBe("failed");
});

test("a program that is not there has failed, with its name in the output", async () => {
  const ended = await runCheck({ name: "gone", command: ["ringwall-no-such-program"] }, tmpdir());
  expect(ended.state).toBe("failed");
  expect(ended.output).toContain("ringwall-no-such-program");
});

test("a check whose file does not exist yet is left out, and says so", async () => {
  const ended = await runCheck({ ...script("later", "process.exit(1)"), needs: "no-such-file.ts" }, tmpdir());
  expect([ended.state, ended.output]).toEqual(["left out", "no-such-file.ts does not exist"]);
});

test("all checks run although one fails, and each is reported once", async () => {
  const heard: Ended[] = [];
  const checks = ["a", "b", "c", "d"].map((name) => script(name, name === "b" ? "process.exit(1)" : ""));
  const ended = await runChecks(checks, tmpdir(), 2, (result) => heard.push(result));
  expect(ended.map((result) => result.name).toSorted()).toEqual(["a", "b", "c", "d"]);
  expect(heard).toEqual(ended);
  expect(ended.filter((result) => result.state === "failed").map((result) => result.name)).toEqual(["b"]);
});
