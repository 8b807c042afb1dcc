import { execFileSync } from "node:child_process";
import { createHash, X509Certificate } from "node:crypto";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Clock, RingwallError } from "ringwall/core";
import type { GatewayConfig } from "ringwall/network";

const CERTIFICATE_DAYS = "90";
const AUTHORITY_DAYS = "365";
const DAY_MS = 86_400_000;

/**
 * The files of the configuration, or those of a development authority in the data directory, made when missing.
 * @throws RingwallError `config.invalid` in production with a development authority, and where openssl is missing
 */
export function tlsFilesOf(
  tls: NonNullable<GatewayConfig["tls"]>,
  at: { readonly mode: string; readonly dataDir: string; readonly hosts: readonly string[]; readonly clock: Clock },
): { readonly certificateFile: string; readonly keyFile: string } {
  const { certificateFile, keyFile } = tls;
  if (certificateFile !== undefined && keyFile !== undefined) return { certificateFile, keyFile };
  if (at.mode !== "development") {
    throw new RingwallError("config.invalid", {
      message: "gateway.tls: developmentAuthority is for development alone",
    });
  }
  return developmentCertificate(join(at.dataDir, "development-tls"), at.hosts, at.clock);
}

/** X.509 is OpenSSL's; we only say for whom. The folder is 0700 by the process's umask. */
function developmentCertificate(
  folder: string,
  hosts: readonly string[],
  clock: Clock,
): { readonly certificateFile: string; readonly keyFile: string } {
  const named = createHash("sha256").update(hosts.join(" ")).digest("hex").slice(0, 12);
  const file = (name: string): string => join(folder, name);
  const [caFile, caKey] = [file("authority.pem"), file("authority.key")];
  const made = { certificateFile: file(`gateway-${named}.pem`), keyFile: file(`gateway-${named}.key`) };
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  const isNew = !isInTime(caFile, clock);
  if (isNew) {
    openssl([
      ...kind,
      "-subj",
      "/CN=Ringwall development authority",
      "-days",
      AUTHORITY_DAYS,
      "-keyout",
      caKey,
      "-out",
      caFile,
    ]);
  }
  if (!isNew && isInTime(made.certificateFile, clock)) return made;
  const names = [...hosts.map((host) => `DNS:${host}`), "IP:127.0.0.1", "IP:::1"].join(",");
  const extensions = ["-addext", `subjectAltName=${names}`, "-addext", "basicConstraints=critical,CA:FALSE"];
  const files = ["-keyout", made.keyFile, "-out", made.certificateFile];
  openssl([
    ...kind,
    "-CA",
    caFile,
    "-CAkey",
    caKey,
    "-subj",
    "/CN=localhost",
    "-days",
    CERTIFICATE_DAYS,
    ...extensions,
    ...files,
  ]);
  return made;
}

/** Whether there is a certificate that is good for another day. */
function isInTime(file: string, clock: Clock): boolean {
  if (!existsSync(file)) return false;
  return new X509Certificate(readFileSync(file)).validToDate.getTime() - clock() > DAY_MS;
}

function openssl(words: readonly string[]): void {
  try {
    execFileSync("openssl", [...words], { stdio: "pipe", timeout: 30_000 });
  } catch (cause) {
    const message = "gateway.tls.developmentAuthority needs openssl on PATH (Debian: apt install openssl)";
    throw new RingwallError("config.invalid", { message, cause });
  }
}
