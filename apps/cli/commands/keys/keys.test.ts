import { generateKeyPairSync } from "node:crypto";
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TenantId, uuidv7 } from "ringwall/core";
import { erasureSigner } from "ringwall/data/erasure";
import { describe, expect, test } from "vitest";
import type { Client } from "../../client.ts";
import type { Context } from "../../command.ts";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { bar } from "./progress.ts";

const JOB = { id: "j1", work: "rows", tenant: "northbank", target: "2", state: "running", done: 0, total: 4 };
const KEY = {
  tenant: "northbank",
  purpose: "data",
  version: 2,
  min_version: 1,
  age_seconds: 86_400 * 100,
  due_at: "2026-01-01T00:00:00.000Z",
  overdue: true,
  automatic: true,
  versions: [
    { version: 2, state: "active", master: "software:1" },
    { version: 1, state: "retired", master: "software:1" },
  ],
};

/** A server that answers from a list, and keeps what it was asked. */
function serverOf(answers: Readonly<Record<string, readonly unknown[]>>) {
  const asked: { call: string; body: unknown }[] = [];
  const left = new Map(Object.entries(answers).map(([call, list]) => [call, [...list]]));
  const client: Client = {
    async request(method, path, body) {
      const call = `${method} ${path}`;
      asked.push({ call, body });
      const list = left.get(call) ?? [];
      const answer = list.length > 1 ? list.shift() : list[0];
      if (answer === undefined) throw new TypeError(`nobody answers ${call}`);
      return await Promise.resolve(answer);
    },
  };
  return { client, asked };
}

async function ringwall(words: readonly string[], client: Client, over: Partial<Context> = {}) {
  const { context, err, out } = recorded({}, { connect: () => client, ...over });
  return { code: await run(commands, words, context), out, err };
}

describe("keys status", () => {
  test("says what is old and what the master does not wrap, and fails when a key is overdue", async () => {
    const { client } = serverOf({
      "GET /v1/keys": [{ master: { id: "software:2", elsewhere: 3 }, items: [KEY] }],
      "GET /v1/key-jobs": [{ items: [JOB] }],
    });
    const { code, out } = await ringwall(["keys", "status"], client);
    expect(code).toBe(1);
    expect(out.join("\n")).toContain("OVERDUE");
    expect(out.join("\n")).toContain("3 keys are still wrapped by another one");
    expect(out.at(-1)).toContain("0 of 4");
    const json = await ringwall(["keys", "status", "--json"], client);
    expect(JSON.parse(json.out[0] ?? "")).toMatchObject({ keys: [{ purpose: "data" }], jobs: [{ id: "j1" }] });
  });
});

describe("keys rotate and rewrap", () => {
  const following = {
    "POST /v1/key-rotations": [{ tenant: "northbank", purpose: "data", version: 2, job: JOB }],
    "POST /v1/key-rewraps": [JOB],
    "GET /v1/keys?tenant=northbank": [{ master: { id: "m", elsewhere: 0 }, items: [KEY] }],
    "GET /v1/key-jobs?tenant=northbank": [
      { items: [{ ...JOB, done: 2 }] },
      { items: [{ ...JOB, done: 4, state: "done" }] },
    ],
  };

  test("follow the work with a bar on a terminal, and with one line elsewhere", async () => {
    const words = ["keys", "rotate", "data", "--tenant", "northbank"];
    const shown = await ringwall(words, serverOf(following).client, { stdoutIsTerminal: true });
    expect(shown.code).toBe(0);
    expect(shown.out.filter((line) => line.includes("#"))).toHaveLength(2);
    const piped = await ringwall([...words, "--json"], serverOf(following).client);
    expect(piped.out).toHaveLength(1);
    expect(JSON.parse(piped.out[0] ?? "")).toMatchObject({ done: 4, state: "done" });
  });

  test("fail when something could not be wrapped", async () => {
    const stuck = {
      ...following,
      "GET /v1/key-jobs?tenant=northbank": [{ items: [{ ...JOB, done: 3, state: "waiting" }] }],
    };
    const { code, out } = await ringwall(["keys", "rewrap", "rows", "--tenant", "northbank"], serverOf(stuck).client);
    expect([code, out[0]]).toEqual([1, expect.stringContaining("3 of 4")]);
  });

  test("change nothing on a dry run", async () => {
    for (const words of [
      ["keys", "rotate", "data"],
      ["keys", "rewrap", "rows"],
      ["keys", "shred", "northbank"],
    ]) {
      const { asked, client } = serverOf(following);
      const tenant = words[1] === "shred" ? [] : ["--tenant", "northbank"];
      const { code } = await ringwall([...words, ...tenant, "--dry-run"], client);
      expect([words, code]).toEqual([words, 0]);
      expect(asked.every(({ call }) => call.startsWith("GET "))).toBe(true);
    }
    expect((await ringwall(["keys", "rewrap", "everything"], serverOf({}).client)).code).toBe(2);
  });

  test("draw a bar that is never longer or shorter than itself", () => {
    expect(bar({ done: 0, total: 0 })).toContain("100 %");
    for (const done of [0, 1, 50, 99, 100, 130]) expect(bar({ done, total: 100 }).indexOf("]")).toBe(31);
  });
});

describe("keys shred", () => {
  const CALL = "POST /v1/tenants/northbank/erasure";
  const answers = { [CALL]: [{ id: "e1", certificate: '{"a":1}' }] };
  const words = ["keys", "shred", "northbank", "--reason", "ended"];

  test("sends the name that was typed, and writes the certificate where nobody else reads it", async () => {
    const file = join(temporaryFolder(), "certificate.json");
    const { asked, client } = serverOf(answers);
    const ask = async () => await Promise.resolve(" The Northbank ");
    const { code, out } = await ringwall([...words, "--certificate-file", file], client, { ask });
    expect([code, out]).toEqual([0, [expect.stringContaining("every key of northbank is destroyed")]]);
    expect(asked).toEqual([{ call: CALL, body: { confirm: "The Northbank", reason: "ended" } }]);
    expect(readFileSync(file, "utf8")).toBe('{"a":1}\n');
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test("asks nothing of the server without a name or a reason", async () => {
    const { asked, client } = serverOf(answers);
    const ask = async () => await Promise.resolve("");
    expect((await ringwall(words, client, { ask })).code).toBe(1);
    expect((await ringwall(["keys", "shred", "northbank"], client)).code).toBe(2);
    expect((await ringwall(["keys", "shred", "../platform", "--reason", "x"], client)).code).toBe(2);
    expect(asked).toEqual([]);
  });
});

test("keys replay-erasures fails when somebody planted a line", async () => {
  const call = "POST /v1/erasure-replays";
  const clean = serverOf({ [call]: [{ orders: 2, replayed: 1, refused: 0, copied: 0 }] });
  expect(await ringwall(["keys", "replay-erasures"], clean.client)).toMatchObject({ code: 0 });
  const planted = serverOf({ [call]: [{ orders: 2, replayed: 0, refused: 1, copied: 0 }] });
  expect(await ringwall(["keys", "replay-erasures"], planted.client)).toMatchObject({ code: 1 });
});

describe("keys verify-certificate", () => {
  const pair = generateKeyPairSync("ed25519");
  const signer = erasureSigner(pair.privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  const certificate = signer.certificate({
    id: uuidv7(0),
    subject: "tenant",
    tenant: "northbank" as TenantId,
    place: "",
    name: "",
    reason: "ended",
    approver: "user:1",
    ordered_at: "2026-11-24T00:00:00.000Z",
    erased_at: "2026-11-24T00:00:01.000Z",
    audit_version: 1,
    destroyed: [{ purpose: "data", version: 1, commitment: "ab".repeat(32) }],
    rows: 0,
    details: 0,
  });
  const { client } = serverOf({});

  test("needs no server and the public key alone, and refuses what was changed or signed by others", async () => {
    const folder = temporaryFolder();
    const [file, key] = [join(folder, "c.json"), join(folder, "key.pub")];
    writeFileSync(file, `${certificate}\n`);
    writeFileSync(key, pair.publicKey.export({ type: "spki", format: "pem" }));
    const words = ["keys", "verify-certificate", file, "--key", key];
    const good = await ringwall(words, client);
    expect([good.code, good.out[0]]).toEqual([0, expect.stringMatching(/^valid: tenant northbank.*1 keys/)]);
    writeFileSync(file, certificate.replace("northbank", "southbank"));
    expect((await ringwall(words, client)).code).toBe(1);
    writeFileSync(file, certificate);
    writeFileSync(key, generateKeyPairSync("ed25519").publicKey.export({ type: "spki", format: "pem" }));
    expect((await ringwall(words, client)).out[0]).toMatch(/^NOT VALID/);
  });

  test("refuses a signing key that others can read, and files that are not there", async () => {
    const folder = temporaryFolder();
    const [file, key] = [join(folder, "c.json"), join(folder, "erasure.key")];
    writeFileSync(file, certificate);
    writeFileSync(key, pair.privateKey.export({ type: "pkcs8", format: "pem" }));
    chmodSync(key, 0o644);
    const open = await ringwall(["keys", "verify-certificate", file, "--key", key], client);
    expect([open.code, open.err[0]]).toEqual([1, expect.stringContaining("can be read by others")]);
    chmodSync(key, 0o600);
    expect((await ringwall(["keys", "verify-certificate", file, "--key", key], client)).code).toBe(0);
    expect((await ringwall(["keys", "verify-certificate", join(folder, "none"), "--key", key], client)).code).toBe(1);
  });
});
