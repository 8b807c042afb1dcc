import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createSecureContext, type SecureContextOptions } from "node:tls";
import { type Clock, type Logger, type PlainSecret, RingwallError } from "../core/index.ts";
import type { NetworkConfig } from "./listener.ts";

/** A listener's part of the configuration: where certificate and key are, and the oldest version spoken. */
export type TlsFiles = NonNullable<NetworkConfig["tls"]>;

/** What a server is made with, in the words of `node:tls`. */
export interface TlsOptions extends SecureContextOptions {
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
  readonly handshakeTimeout: number;
}

/** What came of looking at the files again. */
export type Reload = "unchanged" | "changed" | "refused";

/** The certificate and key of listeners, kept as the files are. */
export interface ListenerTls {
  /** For a server that is made now. */
  options(): TlsOptions;
  /** Gives this server every later certificate, for its new connections. Returns what ends that. */
  follow(server: { setSecureContext(options: SecureContextOptions): void }): () => void;
  /** Reads the files again. New ones that do not fit are refused and logged, and the old ones stay. Never throws. */
  reload(): Promise<Reload>;
  /** Looks at the files every ten seconds until it is closed. Does not keep a process alive. */
  watch(): () => void;
  /** When the certificate in use ends. */
  readonly expiresMs: number;
}

/** What reading needs from outside. */
export interface TlsParts {
  /** Reads the key's file, which must be private. */
  readonly readKey: (path: string) => Promise<PlainSecret>;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Somebody who connects and never says hello holds a socket; ten seconds are many round trips. */
const HANDSHAKE_MS = 10_000;
/** Polled, because a watch on a file does not survive that the file is replaced by another one. */
const RELOAD_MS = 10_000;
const CERTIFICATE_BYTES_MAX = 262_144;
const CERTIFICATE_PATTERN = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;
/** For 1.2, where it is allowed: forward secrecy and authenticated encryption alone (RFC 9325, section 4.2). */
const CIPHERS = [
  "TLS_AES_128_GCM_SHA256",
  "TLS_AES_256_GCM_SHA384",
  "TLS_CHACHA20_POLY1305_SHA256",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
].join(":");
const SOON_MS = 14 * 86_400_000;

interface Pair {
  readonly certificate: string;
  readonly key: string;
  readonly expiresMs: number;
}

/**
 * Reads a listener's certificate and key, and checks that they belong together and are in their time.
 * @throws RingwallError `config.invalid`, naming the file; never anything of a key.
 */
export async function openListenerTls(files: TlsFiles, parts: TlsParts): Promise<ListenerTls> {
  let pair = await readPair(files, parts);
  warnOfEnd(pair, files, parts);
  const followers = new Set<(options: SecureContextOptions) => void>();
  const secured = (): TlsOptions => ({
    cert: pair.certificate,
    key: pair.key,
    ciphers: CIPHERS,
    honorCipherOrder: true,
    minVersion: files.minimum,
    handshakeTimeout: HANDSHAKE_MS,
  });
  let busy: Promise<Reload> | undefined;
  const reload = async (): Promise<Reload> => {
    try {
      const found = await readPair(files, parts);
      if (found.certificate === pair.certificate && found.key === pair.key) return "unchanged";
      pair = found;
    } catch (err) {
      parts.log.error({ err }, "the new certificate or key cannot be used; the old ones stay in use");
      return "refused";
    }
    for (const set of followers) set(secured());
    parts.log.info({ expiresAt: new Date(pair.expiresMs).toISOString() }, "the listener has a new certificate");
    warnOfEnd(pair, files, parts);
    return "changed";
  };
  const once = async (): Promise<Reload> => {
    busy ??= reload().finally(() => {
      busy = undefined;
    });
    return await busy;
  };
  return {
    options: secured,
    follow(server) {
      const set = (options: SecureContextOptions): void => server.setSecureContext(options);
      followers.add(set);
      return () => void followers.delete(set);
    },
    reload: once,
    watch() {
      const timer = setInterval(() => void once(), RELOAD_MS);
      timer.unref();
      return () => clearInterval(timer);
    },
    get expiresMs() {
      return pair.expiresMs;
    },
  };
}

async function readPair({ certificateFile, keyFile }: TlsFiles, { clock, readKey }: TlsParts): Promise<Pair> {
  const certificate = await readCertificate(certificateFile);
  const leaf = parse(certificate.match(CERTIFICATE_PATTERN)?.[0] ?? "", certificateFile);
  const nowMs = clock();
  const expiresMs = leaf.validToDate.getTime();
  if (expiresMs <= nowMs) throw refused(certificateFile, "holds a certificate whose time is over");
  if (leaf.validFromDate.getTime() > nowMs)
    throw refused(certificateFile, "holds a certificate whose time has not come");
  const key = (await readKey(keyFile)).open();
  try {
    // Throws for a key that is none, and for one that belongs to another certificate.
    createSecureContext({ cert: certificate, key });
  } catch {
    // OpenSSL's own message is not passed on: it is about a private key.
    throw refused(keyFile, `is no key in PEM, or not that of ${certificateFile}`);
  }
  return { certificate, key, expiresMs };
}

async function readCertificate(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (cause) {
    throw refused(path, "cannot be read", cause);
  }
  if (text.length > CERTIFICATE_BYTES_MAX) throw refused(path, `is larger than ${CERTIFICATE_BYTES_MAX} bytes`);
  return text;
}

function parse(pem: string, path: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch (cause) {
    throw refused(path, "holds no certificate in PEM", cause);
  }
}

function warnOfEnd({ expiresMs }: Pair, { certificateFile }: TlsFiles, { clock, log }: TlsParts): void {
  const leftMs = expiresMs - clock();
  if (leftMs > SOON_MS) return;
  log.warn({ certificateFile, days: Math.floor(leftMs / 86_400_000) }, "the listener's certificate ends soon");
}

function refused(path: string, why: string, cause?: unknown): RingwallError {
  return new RingwallError("config.invalid", { message: `network.tls: the file ${path} ${why}`, cause });
}
