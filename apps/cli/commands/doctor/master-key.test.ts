import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { newMasterText } from "ringwall/data/keys";
import { type SoftHsm, softHsm, softHsmMissing } from "ringwall/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { prepareDataDirectory } from "../../data-directory.ts";
import { writePrivateFile } from "../../private-file.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";

const PORTS = ["--port", "17400", "--bank-port", "17490"];
const MAIN = fileURLToPath(new URL("../../main.ts", import.meta.url));

interface Finding {
  readonly check: string;
  readonly state: string;
  readonly found: string;
  readonly wayOut?: string;
}

/** A data directory whose configuration names this master key. */
function installation(masterKey: object): string {
  const paths = prepareDataDirectory(join(temporaryFolder(), "data"), process.geteuid?.() ?? -1);
  writePrivateFile(paths.config, JSON.stringify({ mode: "development", data: { masterKey } }));
  return paths.root;
}

/** What doctor says of the master key, and everything that it said. */
async function examined(masterKey: object): Promise<{ finding: Finding | undefined; said: string }> {
  const { context, err, out } = recorded({ cwd: temporaryFolder() });
  await run(commands, ["doctor", "--data", installation(masterKey), "--json", ...PORTS], context);
  const findings = JSON.parse(out.join("")) as Finding[];
  return { finding: findings.find(({ check }) => check === "master key"), said: [...out, ...err].join("\n") };
}

describe("doctor", () => {
  test("opens a software master key, wraps with it, and says which one it is", async () => {
    const file = join(temporaryFolder(), "master.key");
    writePrivateFile(file, newMasterText());
    const { finding } = await examined({ kind: "software", file });
    expect(finding).toMatchObject({ state: "ok", found: expect.stringMatching(/^software:/) });
  });

  test("says the way out of a file that is not there or holds no key, and nothing of what it holds", async () => {
    const none = await examined({ kind: "software", file: "/nowhere/master.key" });
    expect(none.finding).toMatchObject({ state: "fail", wayOut: expect.stringContaining("master-keys.md") });
    const file = join(temporaryFolder(), "master.key");
    writePrivateFile(file, "hunter2-hunter2-hunter2");
    const wrong = await examined({ kind: "software", file });
    expect(wrong.finding).toMatchObject({ state: "fail" });
    expect(wrong.said).not.toContain("hunter2");
  });

  test("says what is wrong with a transit server that does not answer", async () => {
    const token = join(temporaryFolder(), "token");
    writePrivateFile(token, "hunter2");
    const { finding, said } = await examined({
      kind: "transit",
      url: "http://127.0.0.1:1",
      keyName: "ringwall",
      credential: { kind: "token", token: `file:${token}` },
    });
    expect(finding).toMatchObject({ state: "fail" });
    expect(said).not.toContain("hunter2");
  });
});

const MISSING = softHsmMissing();

describe.skipIf(MISSING !== undefined)(`doctor, PKCS#11 ${MISSING ?? "with SoftHSM"}`, () => {
  let hsm: SoftHsm;
  const pin = join(temporaryFolder(), "pin");
  beforeAll(() => {
    hsm = softHsm();
    hsm.makeKeys([{ label: "master", kind: "aes", id: 1 }]);
    writePrivateFile(pin, hsm.pin);
  });
  afterAll(() => hsm.close());
  const place = (changes: object = {}) => ({
    kind: "pkcs11",
    library: hsm.library,
    token: hsm.token,
    keyLabel: "master",
    pin: `file:${pin}`,
    ...changes,
  });

  test("opens the token, wraps with its key, and says which one it is", async () => {
    const { finding, said } = await examined(place());
    expect(finding).toMatchObject({ state: "ok", found: expect.stringMatching(/^pkcs11:master:/) });
    expect(said).not.toContain(hsm.pin);
  });

  test("says which of PIN, token, key and module is wrong, and never the PIN", async () => {
    const wrong = join(temporaryFolder(), "pin");
    writePrivateFile(wrong, "0000-wrong");
    for (const [changes, words] of [
      [{ pin: `file:${wrong}` }, /PIN/],
      [{ token: "nobody" }, /no token labelled nobody/],
      [{ keyLabel: "nokey" }, /no secret key labelled nokey/],
      [{ library: "/nowhere/module.so" }, /npm install pkcs11js/],
      [{ pin: "file:/nowhere/pin" }, /pin/],
    ] as const) {
      const { finding, said } = await examined(place(changes));
      expect(finding?.state, said).toBe("fail");
      expect(finding?.found).toMatch(words);
      expect(finding?.wayOut).toContain("master-keys.md");
      expect(said).not.toContain("0000-wrong");
      expect(said).not.toContain(hsm.pin);
    }
  });
});

/** Resolves the optional packages as an installation without them does, in the process and in its threads. */
const WITHOUT = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from "node:module";
  registerHooks({ resolve(specifier, context, next) {
    if (specifier === "pkcs11js" || specifier === "@aws-sdk/client-kms") {
      throw Object.assign(new Error("Cannot find package"), { code: "ERR_MODULE_NOT_FOUND" });
    }
    return next(specifier, context);
  } });
`)}`;

describe("without the optional drivers", () => {
  test.each([
    [
      { kind: "pkcs11", library: "/nowhere/module.so", token: "t", keyLabel: "k", pin: "file:PIN" },
      "npm install pkcs11js",
    ],
    [{ kind: "aws-kms", region: "eu-central-1", keyId: "alias/x" }, "npm install @aws-sdk/client-kms"],
  ])("%j is refused with the package's name", (masterKey, words) => {
    const pin = join(temporaryFolder(), "pin");
    writePrivateFile(pin, "hunter2");
    const named = JSON.parse(JSON.stringify(masterKey).replace("file:PIN", `file:${pin}`)) as object;
    const said = withoutDrivers(installation(named));
    expect(said.find(({ check }) => check === "master key")).toMatchObject({
      state: "fail",
      found: expect.stringContaining(words),
    });
    expect(JSON.stringify(said)).not.toContain("hunter2");
  });

  test("everything else runs", async () => {
    const file = join(temporaryFolder(), "master.key");
    writePrivateFile(file, newMasterText());
    const said = withoutDrivers(installation({ kind: "software", file }));
    expect(said.find(({ check }) => check === "master key")).toMatchObject({ state: "ok" });
  });
});

function withoutDrivers(root: string): readonly Finding[] {
  const words = ["--conditions=source", "--import", WITHOUT, MAIN, "doctor", "--data", root, "--json", ...PORTS];
  const { stderr, stdout } = spawnSync(process.execPath, words, { encoding: "utf8", timeout: 60_000 });
  expect(stderr).not.toContain("at ");
  return JSON.parse(stdout) as Finding[];
}
