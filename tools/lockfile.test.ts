import { expect, test } from "vitest";
import { completeLock, type Lock, missingFromLock, platformOf, readLock } from "./lockfile.ts";

test("package-lock.json holds every platform's packages, so that npm ci takes it on each of them", () => {
  expect(missingFromLock(readLock())).toEqual([]);
});

const lock: Lock = {
  packages: {
    "": { optionalDependencies: { top: "1.0.0" } },
    "node_modules/top": {},
    "node_modules/tool": {
      dev: true,
      optionalDependencies: { "@tool/linux-x64-musl": "2.0.0", "nested-linux-x64": "1.0.0" },
    },
    "node_modules/tool/node_modules/nested-linux-x64": {},
  },
};

test("a package is looked for where Node would look, and completed with version and platform", () => {
  expect(missingFromLock(lock)).toEqual([{ name: "@tool/linux-x64-musl", version: "2.0.0", dev: true }]);
  const complete = completeLock(lock);
  expect(missingFromLock(complete)).toEqual([]);
  expect(complete.packages["node_modules/@tool/linux-x64-musl"]).toEqual({
    version: "2.0.0",
    os: ["linux"],
    cpu: ["x64"],
    libc: ["musl"],
    dev: true,
    optional: true,
  });
});

test.each([
  ["@oxlint/binding-linux-arm-gnueabihf", { os: ["linux"], cpu: ["arm"], libc: ["glibc"] }],
  ["@oxlint/binding-win32-x64-msvc", { os: ["win32"], cpu: ["x64"] }],
  ["@biomejs/cli-darwin-arm64", { os: ["darwin"], cpu: ["arm64"] }],
])("%s is for %j", (name, platform) => {
  expect(platformOf(name)).toEqual(platform);
});

test("what names no platform, or asks for a range, is not guessed", () => {
  expect(() => platformOf("left-pad")).toThrow(TypeError);
  const ranged: Lock = { packages: { "node_modules/a": { optionalDependencies: { "b-linux-x64": "^1.0.0" } } } };
  expect(() => completeLock(ranged)).toThrow(TypeError);
});
