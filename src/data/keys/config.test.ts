import { expect, test } from "vitest";
import { parseConfig } from "../../core/index.ts";
import { DataConfig } from "./config.ts";

const parse = (masterKey: object): DataConfig["masterKey"] => parseConfig(DataConfig, { masterKey }).masterKey;
const PKCS11 = { kind: "pkcs11", library: "/usr/lib/softhsm/libsofthsm2.so", token: "ringwall", keyLabel: "master" };
const TRANSIT = { kind: "transit", url: "https://bao.internal:8200", keyName: "ringwall" };
const TOKEN = { kind: "token", token: "file:/etc/ringwall/token" };

test("each kind of master key has its own fields and defaults", () => {
  expect(parse({ kind: "software", file: "/k" })).toEqual({ kind: "software", file: "/k", allowInProduction: false });
  expect(parse({ ...PKCS11, pin: "file:/etc/ringwall/pin" })).toMatchObject({ wrapping: "auto" });
  expect(parse({ kind: "aws-kms", region: "eu-central-1", keyId: "alias/ringwall" })).toMatchObject({
    kind: "aws-kms",
  });
  expect(parse({ ...TRANSIT, credential: TOKEN })).toMatchObject({ mount: "transit", tlsMinimum: "TLSv1.3" });
  const role = { kind: "approle", roleId: "r", secretId: "file:/etc/ringwall/secret-id" };
  expect(parse({ ...TRANSIT, credential: role })).toMatchObject({ credential: { mount: "approle" } });
});

test.each([
  ["a field of another kind", { kind: "software", file: "/k", region: "eu-central-1" }],
  ["a PIN in the configuration", { ...PKCS11, pin: "1234" }],
  ["no PIN", PKCS11],
  ["Transit without TLS beyond loopback", { ...TRANSIT, url: "http://bao.internal:8200", credential: TOKEN }],
  ["credentials in the address", { ...TRANSIT, url: "https://u:p@bao.internal:8200", credential: TOKEN }],
  ["a path in the address", { ...TRANSIT, url: "https://bao.internal:8200/v1", credential: TOKEN }],
  ["a key name that climbs out of its path", { ...TRANSIT, keyName: "../sys/seal", credential: TOKEN }],
  ["a mount that climbs out of its path", { ...TRANSIT, mount: "a/../sys", credential: TOKEN }],
  ["a token in the configuration", { ...TRANSIT, credential: { kind: "token", token: "s.abcdef" } }],
  ["an unknown kind", { kind: "cloud", file: "/k" }],
])("refuses %s, and echoes nothing of it", (_case, masterKey) => {
  expect(() => parse(masterKey)).toThrow(expect.objectContaining({ code: "config.invalid" }));
  expect(() => parse(masterKey)).not.toThrow(/1234|s\.abcdef|u:p/u);
});
