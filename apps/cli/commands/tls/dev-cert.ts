import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { Clock } from "ringwall/core";
import type { Command, Input } from "../../command.ts";
import { CommandFailed, EXIT, UsageError } from "../../command.ts";
import { dataDirectory, prepareDataDirectory } from "../../data-directory.ts";
import { PRIVATE_MODE } from "../../private-file.ts";
import { showRow } from "../answer.ts";

const DIRECTORY_MODE = 0o700;
const AUTHORITY_DAYS = 825;
const SERVER_DAYS = 90;
const SOON_MS = (SERVER_DAYS + 1) * 86_400_000;
const STDERR_CHARS_MAX = 300;

/**
 * What OpenSSL issues by. The name constraints hold the authority to this machine's own names: somebody who has trusted
 * it in a browser, and then loses its key, has lost no other site.
 */
const OPENSSL_CONFIG = `[req]
distinguished_name = name
prompt = no
[name]
CN = Ringwall development
[authority]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
nameConstraints = critical, permitted;DNS:localhost, permitted;IP:127.0.0.0/255.0.0.0, permitted;IP:0:0:0:0:0:0:0:1/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
`;
const OWN_NAMES = ["DNS:localhost", "IP:127.0.0.1", "IP:::1"];
/** A wildcard right below a top-level name is believed by nobody, so further names are written out. */
const NAME_PATTERN = /^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,4}localhost$/;
const NAMES_MAX = 50;
const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export const devCertificate: Command = {
  name: "tls dev-cert",
  summary: "Make a certificate for localhost, signed by a development authority of this data directory",
  about:
    "The authority is made once and may sign for localhost, names below it and this machine's loopback addresses alone. " +
    "Running it again renews the certificate, and a running server takes it within ten seconds. Uses openssl. " +
    "For development: production names a certificate of an authority that its clients know.",
  options: {
    names: { value: "LIST", summary: "Further names below localhost, with commas between" },
    data: { value: "DIR", summary: "Data directory, created when missing" },
    json: { summary: "Print JSON, for programs" },
  },
  examples: [
    ["ringwall tls dev-cert", "then name the two files in network.tls and start"],
    ["ringwall tls dev-cert --names bank.localhost,shop.localhost", "for several hosts behind one gateway"],
    ["ringwall tls dev-cert --data ./data --json", "the files' names, for a program"],
  ],
  async run(input, context) {
    const { clock, machine } = context;
    const names = namesOf(input);
    const { root } = prepareDataDirectory(dataDirectory(input.text("data"), machine), machine.uid);
    const folder = join(root, "tls");
    mkdirSync(folder, { recursive: true, mode: DIRECTORY_MODE });
    const files = issue(folder, names, clock);
    showRow(input, context, files, `wrote ${files.certificate_file} and ${files.key_file}`);
    if (!input.flag("json")) {
      const tls = { certificateFile: files.certificate_file, keyFile: files.key_file };
      context.stdout(`configuration: "network": ${JSON.stringify({ tls })}`);
      context.stdout(`clients believe ${files.ca_file}, for instance: curl --cacert ${files.ca_file}`);
    }
    return await Promise.resolve(EXIT.ok);
  },
};

function namesOf(input: Input): readonly string[] {
  const names = (input.text("names") ?? "").split(",").filter((name) => name !== "");
  if (names.length <= NAMES_MAX && names.every((name) => NAME_PATTERN.test(name))) return names;
  throw new UsageError("--names takes names below localhost, in lower case, such as bank.localhost");
}

interface Issued {
  readonly ca_file: string;
  readonly certificate_file: string;
  readonly key_file: string;
}

/** Everything is made beside its place and moved there, so that a server never reads half of it. */
function issue(folder: string, names: readonly string[], clock: Clock): Issued {
  const at = (name: string): string => join(folder, name);
  const work = mkdtempSync(at(".new-"));
  const made = (name: string): string => join(work, name);
  try {
    const sans = [...OWN_NAMES, ...names.map((name) => `DNS:${name}`)].join(", ");
    writeFileSync(made("openssl.cnf"), `${OPENSSL_CONFIG}subjectAltName = ${sans}\n`, { mode: PRIVATE_MODE });
    const request = ["req", "-x509", "-config", made("openssl.cnf"), ...NEW_KEY];
    if (!isUsable(at("ca.pem"), at("ca.key"), clock())) {
      const out = ["-keyout", made("ca.key"), "-out", made("ca.pem")];
      openssl([...request, "-extensions", "authority", "-days", String(AUTHORITY_DAYS), ...out]);
      place(made, at, ["ca.key", "ca.pem"]);
    }
    const issuer = ["-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-subj", "/CN=localhost"];
    const out = ["-keyout", made("localhost.key"), "-out", made("localhost.pem")];
    openssl([...request, ...issuer, "-extensions", "server", "-days", String(SERVER_DAYS), ...out]);
    place(made, at, ["localhost.key", "localhost.pem"]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  return { ca_file: at("ca.pem"), certificate_file: at("localhost.pem"), key_file: at("localhost.key") };
}

function place(from: (name: string) => string, to: (name: string) => string, names: readonly string[]): void {
  for (const name of names) {
    chmodSync(from(name), PRIVATE_MODE);
    renameSync(from(name), to(name));
  }
}

/** An authority must outlive what it signs. */
function isUsable(certificate: string, key: string, nowMs: number): boolean {
  if (!existsSync(certificate) || !existsSync(key)) return false;
  return new X509Certificate(readFileSync(certificate)).validToDate.getTime() - nowMs > SOON_MS;
}

function openssl(words: readonly string[]): void {
  const done = spawnSync("openssl", words, { encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] });
  if (done.error !== undefined) {
    throw new CommandFailed("openssl is not on the PATH", { wayOut: "Install it (Debian: apt install openssl)." });
  }
  if (done.status === 0) return;
  throw new CommandFailed(`openssl failed: ${done.stderr.trim().slice(-STDERR_CHARS_MAX)}`, {
    wayOut: "Version 3 or later is needed.",
  });
}
