import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Why certificates cannot be made on this machine, for the name of the skipped test; `undefined` when they can. */
export function opensslMissing(): string | undefined {
  const found = spawnSync("openssl", ["version"], { stdio: "ignore" });
  return found.error === undefined && found.status === 0
    ? undefined
    : "openssl is not on PATH (Debian: apt install openssl)";
}

/** A certificate authority of a test's own. */
export interface TestAuthority {
  /** Its certificate, as a PEM file. */
  readonly caFile: string;
  /** A server's certificate and key, as PEM. @param names - As OpenSSL writes them: `DNS:localhost`, `IP:127.0.0.1`. */
  issue(names: readonly string[]): { readonly certificate: string; readonly key: string };
}

const KEY_KIND = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

/** Makes an authority in `folder`; several may share one under different names. */
export function testAuthority(folder: string, name: string): TestAuthority {
  const caFile = join(folder, `${name}-ca.pem`);
  const caKey = join(folder, `${name}-ca.key`);
  openssl([
    "req",
    "-x509",
    ...KEY_KIND,
    "-subj",
    `/CN=${name} test authority`,
    "-days",
    "2",
    "-keyout",
    caKey,
    "-out",
    caFile,
  ]);
  return {
    caFile,
    issue(names) {
      const [certificate, key] = [join(folder, `${name}-server.pem`), join(folder, `${name}-server.key`)];
      const issuer = ["-CA", caFile, "-CAkey", caKey, "-subj", "/CN=server", "-days", "2"];
      const extensions = [
        "-addext",
        `subjectAltName=${names.join(",")}`,
        "-addext",
        "basicConstraints=critical,CA:FALSE",
      ];
      openssl(["req", "-x509", ...KEY_KIND, ...issuer, ...extensions, "-keyout", key, "-out", certificate]);
      return { certificate: readFileSync(certificate, "utf8"), key: readFileSync(key, "utf8") };
    },
  };
}

function openssl(args: readonly string[]): void {
  const done = spawnSync("openssl", [...args], { encoding: "utf8" });
  if (done.status !== 0) throw new Error(`openssl ${args[0] ?? ""} failed: ${done.stderr}`);
}
