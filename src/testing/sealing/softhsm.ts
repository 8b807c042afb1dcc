import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Where Debian and others put the module.
const LIBRARIES = [
  "/usr/lib/softhsm/libsofthsm2.so",
  "/usr/lib64/pkcs11/libsofthsm2.so",
  "/usr/local/lib/softhsm/libsofthsm2.so",
];
const PIN = "2468-ringwall";
const ADMIN_PIN = "1357-ringwall";

/** A token folder of a test's own. Native code finds it by the process's environment, which this sets: one for each process. */
export interface SoftHsm {
  readonly library: string;
  readonly token: string;
  readonly pin: string;
  /** Makes keys in the token, as an operator's tool would. */
  makeKeys(keys: readonly TestKey[]): void;
  /** Takes the token away, and puts it back. */
  pull(): void;
  plug(): void;
  close(): void;
}

/** A key to make. `kind` says for which way of wrapping; an `extractable` one may not be used. */
export interface TestKey {
  readonly label: string;
  readonly kind: "aes" | "mac";
  readonly extractable?: boolean;
  readonly id?: number;
}

/** Why tests against SoftHSM cannot run here; `undefined` when they can. */
export function softHsmMissing(): string | undefined {
  if (library() === undefined || spawnSync("softhsm2-util", ["--version"], { stdio: "ignore" }).status !== 0) {
    return "SoftHSM2 is not installed (Debian: apt install softhsm2)";
  }
  try {
    createRequire(import.meta.url)("pkcs11js");
    return undefined;
  } catch {
    return "the native driver pkcs11js was not built (npm rebuild pkcs11js)";
  }
}

/** Starts a token in a folder of its own. */
export function softHsm(): SoftHsm {
  const folder = mkdtempSync(join(tmpdir(), "ringwall-softhsm-"));
  mkdirSync(join(folder, "tokens"));
  const config = join(folder, "softhsm2.conf");
  writeFileSync(
    config,
    `directories.tokendir = ${join(folder, "tokens")}\nobjectstore.backend = file\nlog.level = ERROR\n`,
  );
  // SoftHSM reads it when its module starts, which is once in a process.
  process.env["SOFTHSM2_CONF"] = config;
  const token = "ringwall-test";
  const pins = ["--so-pin", ADMIN_PIN, "--pin", PIN];
  execFileSync("softhsm2-util", ["--init-token", "--free", "--label", token, ...pins], { stdio: "ignore" });
  const path = library() ?? "";
  return {
    library: path,
    token,
    pin: PIN,
    makeKeys: (keys) => {
      // In a process of its own: what the test's process has open stays as it is.
      const order = JSON.stringify({ library: path, pin: PIN, keys });
      execFileSync(process.execPath, [join(import.meta.dirname, "softhsm-keys.ts"), order], {
        stdio: ["ignore", "ignore", "inherit"],
        env: { SOFTHSM2_CONF: config },
      });
    },
    pull: () => renameSync(join(folder, "tokens"), join(folder, "pulled")),
    plug: () => renameSync(join(folder, "pulled"), join(folder, "tokens")),
    close: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function library(): string | undefined {
  return LIBRARIES.find((path) => existsSync(path));
}
