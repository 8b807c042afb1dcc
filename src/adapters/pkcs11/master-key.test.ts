import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PlainSecret } from "../../core/index.ts";
import type { MasterKey } from "../../data/keys/index.ts";
import { masterKeyContract } from "../../testing/sealing/master-key-contract.ts";
import { type SoftHsm, softHsm, softHsmMissing } from "../../testing/sealing/softhsm.ts";
import { pkcs11Master, type Wrapping } from "./index.ts";

const MISSING = softHsmMissing();

describe.skipIf(MISSING !== undefined)(`PKCS#11 ${MISSING ?? "with SoftHSM"}`, () => {
  let hsm: SoftHsm;
  beforeAll(() => {
    hsm = softHsm();
    hsm.makeKeys([
      { label: "master", kind: "aes", id: 1 },
      { label: "master.mac", kind: "mac", id: 1 },
      { label: "other", kind: "aes", id: 2 },
      { label: "other.mac", kind: "mac", id: 2 },
      { label: "loose", kind: "aes", extractable: true },
      { label: "twice", kind: "aes", id: 3 },
      { label: "twice", kind: "aes", id: 4 },
      { label: "alone", kind: "aes", id: 5 },
    ]);
  });
  afterAll(() => hsm.close());

  const open = async (
    keyLabel: string,
    changes: Partial<Parameters<typeof pkcs11Master>[0]> = {},
  ): Promise<MasterKey> =>
    await pkcs11Master({
      library: hsm.library,
      token: hsm.token,
      keyLabel,
      wrapping: "auto",
      pin: async () => new PlainSecret(hsm.pin),
      ...changes,
    });

  for (const wrapping of ["aes-gcm", "aes-key-wrap"] satisfies Wrapping[]) {
    masterKeyContract(`PKCS#11 by ${wrapping}`, async () => {
      const master = await open("master", { wrapping });
      return {
        master,
        reopen: () => open("master", { wrapping }),
        other: () => open("other", { wrapping }),
        outage: { begin: async () => hsm.pull(), end: async () => hsm.plug() },
        close: async () => await master.close?.(),
      };
    });
  }

  test("wraps by AES-GCM where the token can, and still opens what key wrap made", async () => {
    const [auto, wrapping] = [await open("master"), await open("master", { wrapping: "aes-key-wrap" })];
    const [gcm, wrapped] = [await auto.generate(["x"]), await wrapping.generate(["x"])];
    expect([gcm.wrapped[1], wrapped.wrapped[1]]).toEqual([2, 3]);
    expect(await auto.unwrap(wrapped.wrapped, ["x"])).toEqual(wrapped.plaintext);
    expect(await wrapping.unwrap(gcm.wrapped, ["x"])).toEqual(gcm.plaintext);
    await auto.close?.();
    await wrapping.close?.();
  });

  test.each([
    [
      "a module that is not there",
      "master",
      { library: "/nowhere/module.so" },
      /driver or its module cannot be loaded/u,
    ],
    ["a token that is not there", "master", { token: "nobody" }, /no token labelled nobody/u],
    ["a key that is not there", "nokey", {}, /no secret key labelled nokey/u],
    ["a key that can be taken out", "loose", {}, /can be taken out of the token/u],
    ["a label that several keys have", "twice", {}, /several keys labelled twice/u],
    [
      "key wrap without a key for the MAC",
      "alone",
      { wrapping: "aes-key-wrap" },
      /generic secret labelled alone\.mac/u,
    ],
  ] as const)("refuses %s, and says the way out", async (_case, label, changes, words) => {
    const refused = open(label, changes);
    await expect(refused).rejects.toMatchObject({ code: "keys.master_refused" });
    await expect(refused).rejects.toThrow(words);
  });

  test("never tries a refused PIN twice", async () => {
    const wrong = open("master", { pin: async () => new PlainSecret("0000-wrong") });
    // SoftHSM signs a whole process in: with nobody signed in, a wrong PIN is refused.
    await expect(wrong).rejects.toMatchObject({ code: "keys.master_refused", detail: { isPin: true } });
    await expect(wrong).rejects.not.toThrow("0000");
  });

  test("asks for the PIN when a session is opened, and says nothing of it", async () => {
    let asked = 0;
    const pin = async () => {
      asked += 1;
      return new PlainSecret(hsm.pin);
    };
    const master = await open("master", { pin });
    await master.unwrap((await master.generate(["x"])).wrapped, ["x"]);
    expect(asked).toBe(1);
    await master.close?.();
    await expect(master.generate(["x"])).rejects.toMatchObject({ code: "keys.unavailable" });
  });
});
