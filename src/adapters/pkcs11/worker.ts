/**
 * The thread that speaks with the token. PKCS#11 calls block, a network HSM's for milliseconds: here they hold up nobody.
 * Started by `master-key.ts`; takes one request after another from its parent.
 */
import { parentPort } from "node:worker_threads";
import { loadDriver } from "./driver.ts";
import type { Answer, Request } from "./messages.ts";
import { NotOurs, Token, TokenRefused } from "./token.ts";

let token: Token | undefined;

async function handle(request: Request): Promise<Answer> {
  const { id } = request;
  switch (request.kind) {
    case "open": {
      const pin = Buffer.from(request.pin);
      const driver = await loadDriver(request.library).catch((error: unknown) => {
        throw new TokenRefused(
          `the PKCS#11 driver or its module cannot be loaded (${reason(error)}): install and build the package pkcs11js (npm install pkcs11js, npm rebuild pkcs11js), and name the path of the module`,
        );
      });
      token?.close();
      try {
        token = new Token(driver, request.place, pin.toString("utf8"));
      } finally {
        pin.fill(0);
      }
      return { id, kind: "opened", keyId: token.keyId, suite: token.suite };
    }
    case "seal": {
      const plaintext = Buffer.from(request.plaintext.buffer, request.plaintext.byteOffset, request.plaintext.length);
      try {
        return bytes(id, opened().seal(Buffer.from(request.associated), plaintext));
      } finally {
        plaintext.fill(0);
      }
    }
    case "unseal":
      return bytes(id, opened().open(request.suite, Buffer.from(request.associated), Buffer.from(request.sealed)));
    case "close":
      token?.close();
      token = undefined;
      return { id, kind: "closed" };
  }
}

function opened(): Token {
  if (token === undefined) throw new TokenRefused("the token is not open");
  return token;
}

/** A copy in memory of its own, that can be given away whole; the source is wiped. */
function bytes(id: number, from: Buffer): Answer {
  const own = new Uint8Array(from);
  from.fill(0);
  return { id, kind: "bytes", bytes: own };
}

/** A code or a name: a native module's messages may quote what it was given. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error ? `${error.name} ${String(error.code)}` : error.name;
}

function failure(id: number, error: unknown): Answer {
  if (error instanceof TokenRefused) return { id, kind: "refused", message: error.message, isPin: error.isPin };
  if (error instanceof NotOurs) return { id, kind: "not-ours" };
  return { id, kind: "failed", message: reason(error) };
}

async function answer(request: Request): Promise<void> {
  const given = await handle(request).catch((error: unknown) => failure(request.id, error));
  parentPort?.postMessage(given, given.kind === "bytes" ? [given.bytes.buffer] : []);
}

parentPort?.on("message", (request: Request) => void answer(request));
