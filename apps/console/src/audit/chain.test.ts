import { createHash, generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { AuditEvent, Chain } from "../api/types.ts";
import { verifyChain } from "./chain.ts";
import { readHead, signedText } from "./head.ts";

const TENANT = "north-bank";
const PAGE = 3;

// The other side, in Node's own cryptography and by the definition: what the server's sequencer does.
const sha = (...parts: readonly (Buffer | string)[]): Buffer =>
  createHash("sha256")
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();
const next = (previous: Buffer, leaf: string): Buffer => sha(Buffer.of(1), previous, sha(Buffer.of(0), leaf));

interface Log {
  entries: { sequence: number; leaf: string; hash: string }[];
  head: string;
  publicKey: string;
}

function leafOf(sequence: number, tenant = TENANT): string {
  const facts = `"facts":{"count":${sequence}}`;
  return `{"action":"user.invited","actor":{"type":"anonymous"},"event":"e${sequence}",${facts},"outcome":"success","schema":1,"targets":[{"id":"é","type":"user"}],"tenant":"${tenant}","time":"2026-01-01T00:00:00.000Z"}`;
}

function shownOf(sequence: number): AuditEvent {
  return {
    sequence,
    event: `e${sequence}`,
    at: "2026-01-01T00:00:00.000Z",
    action: "user.invited",
    outcome: "success",
    actor: "anonymous",
    targets: [{ type: "user", id: "é" }],
    facts: { count: sequence },
    request_id: null,
    detail: null,
  };
}

function makeLog(length: number, signedSize = length): Log {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  let previous = sha(Buffer.of(2), TENANT);
  const entries = Array.from({ length }, (_, index) => {
    const leaf = leafOf(index + 1);
    previous = next(previous, leaf);
    return { sequence: index + 1, leaf, hash: previous.toString("hex") };
  });
  const head = signedHead(privateKey, publicKey, signedSize, entries[signedSize - 1]?.hash ?? "");
  return { entries, head, publicKey: publicKey.export({ type: "spki", format: "der" }).toString("base64") };
}

function signedHead(privateKey: KeyObject, publicKey: KeyObject, size: number, hex: string): string {
  const keyId = sha(publicKey.export({ type: "spki", format: "der" }))
    .toString("hex")
    .slice(0, 16);
  const text = signedText({ tenant: TENANT, size, hex, keyId, time: "2026-01-01T00:00:01.000Z", signed: "" });
  return `${text.slice(0, -1)},"signature":"${sign(null, Buffer.from(text), privateKey).toString("base64url")}"}`;
}

async function verify(log: Log, after = 0, shown: readonly AuditEvent[] = []) {
  const load = async (from: number): Promise<Chain> => ({
    tenant: TENANT,
    previous_hash: log.entries.find(({ sequence }) => sequence === from)?.hash ?? null,
    entries: log.entries.filter(({ sequence }) => sequence > from).slice(0, PAGE),
    signed_head: log.head,
    public_key: log.publicKey,
  });
  return await verifyChain({ tenant: TENANT, after, shown, load });
}

describe("a log that is whole", () => {
  test("holds from its first entry and from any later one, over as many pages as it takes", async () => {
    const log = makeLog(8);
    for (const after of [0, 1, 3, 7]) {
      expect(await verify(log, after, [8, 7].map(shownOf))).toMatchObject({
        holds: true,
        first: after + 1,
        last: 8,
        signatureChecked: true,
      });
    }
  });

  test("is told apart from what is not signed yet", async () => {
    const shown = [5, 4, 3].map(shownOf);
    expect(await verify(makeLog(5, 3), 2, shown)).toMatchObject({ holds: true, last: 3, unsigned: 2 });
    expect(await verify(makeLog(5, 3), 4, shown)).toMatchObject({ holds: false, at: 4 });
  });
});

describe("a log that was changed", () => {
  test("names the entry, whichever character of whichever leaf it is", async () => {
    const whole = makeLog(6);
    await fc.assert(
      fc.asyncProperty(fc.nat(5), fc.nat(200), async (index, at) => {
        const log = structuredClone(whole);
        const entry = log.entries[index];
        if (entry === undefined) return;
        const place = at % entry.leaf.length;
        entry.leaf = `${entry.leaf.slice(0, place)}\u0001${entry.leaf.slice(place + 1)}`;
        expect(await verify(log)).toMatchObject({ holds: false, at: index + 1 });
      }),
      { numRuns: 60 },
    );
  });

  test("is found when the hashes were made to fit, since the head was signed before", async () => {
    const log = makeLog(4);
    let previous = sha(Buffer.of(2), TENANT);
    for (const entry of log.entries) {
      entry.leaf = entry.leaf.replace("success", "denied");
      previous = next(previous, entry.leaf);
      entry.hash = previous.toString("hex");
    }
    expect(await verify(log)).toMatchObject({ holds: false, at: 4, what: expect.stringContaining("head") });
  });

  test("is found when an entry is missing, the end is cut off, or two are exchanged", async () => {
    for (const spoil of [
      (log: Log) => log.entries.splice(2, 1),
      (log: Log) => log.entries.splice(4),
      (log: Log) => log.entries.unshift(...log.entries.splice(3)),
      (log: Log) => log.entries.splice(0),
    ]) {
      const log = makeLog(6);
      spoil(log);
      expect((await verify(log)).holds).toBe(false);
    }
  });

  test("is found when what is shown is not what was chained", async () => {
    for (const other of [{ action: "user.joined" }, { outcome: "denied" }, { facts: { count: 9 } }, { targets: [] }]) {
      const verdict = await verify(makeLog(3), 0, [{ ...shownOf(2), ...other }]);
      expect(verdict).toMatchObject({ holds: false, at: 2 });
    }
  });

  test("is found when the head is another tenant's, another key's, or not quite what was signed", async () => {
    const log = makeLog(3);
    const stranger = makeLog(3);
    for (const spoiled of [
      { ...log, head: log.head.replace(TENANT, "south-bank") },
      { ...log, head: log.head.replace('"size":3', '"size":2') },
      { ...log, head: log.head.replace("00:00:01", "00:00:02") },
      { ...log, head: log.head.replace(/"signature":"./, '"signature":"_') },
      { ...log, head: `${log.head} ` },
      { ...log, publicKey: stranger.publicKey },
      { ...log, publicKey: "%" },
      { ...log, head: stranger.head },
    ]) {
      expect((await verify(spoiled)).holds).toBe(false);
    }
  });
});

test("a head has one spelling: nothing but what was written is read", () => {
  const { head } = makeLog(1);
  expect(readHead(head)).toMatchObject({ tenant: TENANT, size: 1 });
  fc.assert(
    fc.property(fc.nat(head.length - 1), fc.constantFrom(" ", "x", '"', "", "\\u0061"), (at, put) => {
      const text = head.slice(0, at) + put + head.slice(at + 1);
      const read = readHead(text);
      if (text !== head && read !== undefined)
        expect(`${signedText(read).slice(0, -1)},`).toBe(text.slice(0, text.indexOf('"signature"')));
    }),
  );
});
