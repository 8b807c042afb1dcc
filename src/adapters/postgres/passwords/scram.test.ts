import { createHash, createHmac } from "node:crypto";
import { expect, test } from "vitest";
import { PlainSecret } from "../../../core/index.ts";
import { scramVerifier } from "./scram.ts";

// RFC 7677, section 3: the whole exchange of user "user" with password "pencil".
const SALT = "W22ZaJ0SNY7soEsUEjb6gQ==";
const NONCE = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
const MESSAGE = `n=user,r=rOprNGfwEbeRWgbNEkqO,r=${NONCE},s=${SALT},i=4096,c=biws,r=${NONCE}`;
const PROOF = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
const SERVER_SIGNATURE = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

const parts = /^SCRAM-SHA-256\$4096:(?<salt>[^$]+)\$(?<stored>[^:]+):(?<server>.+)$/u;
const hmac = (key: Buffer): Buffer => createHmac("sha256", key).update(MESSAGE).digest();

test("the verifier answers RFC 7677's published exchange: its proof fits, and its server signature is ours", () => {
  const verifier = scramVerifier(new PlainSecret("pencil"), Buffer.from(SALT, "base64"), 4_096);
  const { salt = "", stored = "", server = "" } = parts.exec(verifier)?.groups ?? {};
  expect(salt).toBe(SALT);
  expect(hmac(Buffer.from(server, "base64")).toString("base64")).toBe(SERVER_SIGNATURE);
  // RFC 5802, section 3: ClientKey = ClientProof XOR ClientSignature, and StoredKey is its hash.
  const signature = hmac(Buffer.from(stored, "base64"));
  const clientKey = Buffer.from(PROOF, "base64").map((byte, at) => byte ^ (signature[at] ?? 0));
  expect(createHash("sha256").update(clientKey).digest("base64")).toBe(stored);
});

test("another password, salt or count gives another verifier", () => {
  const salt = Buffer.from(SALT, "base64");
  const verifier = scramVerifier(new PlainSecret("pencil"), salt, 4_096);
  expect(scramVerifier(new PlainSecret("pencil"), salt, 4_096)).toBe(verifier);
  expect(scramVerifier(new PlainSecret("pencim"), salt, 4_096)).not.toBe(verifier);
  expect(scramVerifier(new PlainSecret("pencil"), Buffer.alloc(16), 4_096)).not.toBe(verifier);
  expect(scramVerifier(new PlainSecret("pencil"), salt, 4_097)).not.toBe(verifier);
});
