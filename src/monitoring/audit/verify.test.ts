import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isoTime, tenantId, uuidv7 } from "../../core/index.ts";
import { chainOn, emptyChain, formatHead, HeadVerifier, headSigner, parseHead, signHead } from "./heads.ts";
import { buildEntry } from "./leaf.ts";
import { type ChainInput, type FoundEntry, type FoundHead, verifyChain } from "./verify.ts";

const TENANT = tenantId("bank-a");
const START_MS = 1_780_000_000_000;

function newSigner() {
  return headSigner(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString());
}
const signer = newSigner();
const verifier = new HeadVerifier([signer.publicKey]);

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items;
}

/** What a thief of the database would work on: every row, as it stands there. */
interface Log {
  entries: FoundEntry[];
  head: { size: number; hash: Buffer } | undefined;
  inside: FoundHead[];
  outside: FoundHead[];
}

function entry(position: number, previous: Buffer, amount: number): FoundEntry {
  const occurredMs = START_MS + position;
  const { leaf, eventId, detail } = buildEntry(
    {
      action: "transfer.executed",
      outcome: "success",
      tenant: TENANT,
      actor: { type: "service", tenant: TENANT, name: "bank" },
      facts: { amount },
      context: { address: "192.0.2.1" },
    },
    uuidv7(occurredMs),
    isoTime(occurredMs),
  );
  const hash = chainOn(previous, leaf);
  return { position, eventId, occurredMs, action: "transfer.executed", leaf, hash, detail: detail ?? null };
}

/** A log of `size` entries, signed at the given sizes and at its end. */
function makeLog(size: number, signedAt: readonly number[] = []): Log {
  const log: Log = { entries: [], head: undefined, inside: [], outside: [] };
  let hash = emptyChain(TENANT);
  for (let position = 1; position <= size; position += 1) {
    const next = entry(position, hash, position);
    hash = next.hash;
    log.entries.push(next);
    log.head = { size: position, hash };
    if (signedAt.includes(position) || position === size) {
      const line = formatHead(signHead(signer, { tenant: TENANT, size: position, hash }, isoTime(START_MS)));
      log.inside.push({ size: position, line });
      log.outside.push({ size: position, line });
    }
  }
  return log;
}

function verify(log: Log, changes: Partial<ChainInput> = {}) {
  return verifyChain({
    tenant: TENANT,
    head: log.head,
    claimed: Math.max(0, log.outside.at(-1)?.size ?? 0),
    entries: each(log.entries),
    inside: each(log.inside),
    outside: each(log.outside),
    verifier,
    open: (_, sealed) => sealed,
    ...changes,
  });
}

/** Chains entries anew after a change, as an owner who knows the algorithm would. */
function rechain(log: Log): void {
  let hash = emptyChain(TENANT);
  log.entries = log.entries.map((found, index) => {
    hash = chainOn(hash, found.leaf);
    return { ...found, position: index + 1, hash };
  });
  log.head = log.entries.length === 0 ? undefined : { size: log.entries.length, hash };
}

function at(log: Log, position: number): FoundEntry {
  const found = log.entries[position - 1];
  if (found === undefined) throw new RangeError("no such entry");
  return found;
}

const shape = fc.integer({ min: 2, max: 12 }).chain((size) =>
  fc.record({
    size: fc.constant(size),
    signedAt: fc.array(fc.integer({ min: 1, max: size }), { maxLength: 4 }),
    at: fc.integer({ min: 1, max: size }),
  }),
);

describe("a whole log", () => {
  test("is verified up to its end, signed and copied", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ size, signedAt }) => {
        const report = await verify(makeLog(size, signedAt));
        expect(report).toMatchObject({ verified: size, signed: { size }, copied: size, problem: undefined });
      }),
      { numRuns: 30 },
    );
  });

  test("can be verified from a point that was verified before", async () => {
    const log = makeLog(9, [4]);
    const from = { size: 4, hash: at(log, 4).hash };
    const report = await verify(log, { from, entries: each(log.entries.slice(4)) });
    expect(report).toMatchObject({ verified: 9, problem: undefined });
  });

  test("that is empty has nothing wrong", async () => {
    expect(await verify(makeLog(0))).toMatchObject({ verified: 0, problem: undefined });
  });

  test("that grew after its head was read is verified up to that head", async () => {
    const log = makeLog(6, [4]);
    const report = await verify(log, { head: { size: 4, hash: at(log, 4).hash }, claimed: 4 });
    expect(report).toMatchObject({ verified: 4, problem: undefined });
  });
});

describe("whoever owns the database", () => {
  test("cannot change a leaf, and is named with its position", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ size, signedAt, at: position }) => {
        const log = makeLog(size, signedAt);
        const found = at(log, position);
        log.entries[position - 1] = { ...found, leaf: found.leaf.replace(`"amount":${position}`, `"amount":0`) };
        expect((await verify(log)).problem).toMatchObject({ kind: "rewritten", position });
      }),
      { numRuns: 30 },
    );
  });

  test("cannot change a leaf and everything the database derives from it", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ size, signedAt, at: position }) => {
        const log = makeLog(size, signedAt);
        const found = at(log, position);
        log.entries[position - 1] = { ...found, leaf: found.leaf.replace(`"amount":${position}`, `"amount":0`) };
        rechain(log);
        log.inside = [];
        const { problem } = await verify(log);
        expect(problem?.kind).toBe("signed_head_differs");
        expect(problem?.position).toBeLessThanOrEqual(position);
      }),
      { numRuns: 30 },
    );
  });

  test("cannot remove an entry, in the middle or at the end", async () => {
    await fc.assert(
      fc.asyncProperty(shape, async ({ size, signedAt, at: position }) => {
        const log = makeLog(size, signedAt);
        log.entries.splice(position - 1, 1);
        const kind = position === size ? "truncated" : "missing";
        expect((await verify(log)).problem).toMatchObject({ kind, position });
      }),
      { numRuns: 30 },
    );
  });

  test("cannot cut off the tail with the heads that speak of it", async () => {
    const log = makeLog(9, [4]);
    log.entries.length = 4;
    log.inside.length = 1;
    log.head = { size: 4, hash: at(log, 4).hash };
    expect((await verify(log)).problem).toEqual({
      kind: "truncated",
      position: 5,
      message: "the database has 4 entries, a signed head says 9",
    });
  });

  test("cannot remove everything", async () => {
    const log = makeLog(5);
    const emptied: Log = { entries: [], head: undefined, inside: [], outside: log.outside };
    expect((await verify(emptied)).problem).toMatchObject({ kind: "truncated", position: 1 });
  });

  test("cannot exchange two entries, chained anew or not", async () => {
    for (const anew of [false, true]) {
      const log = makeLog(6, [3]);
      const [second, fourth] = [at(log, 2), at(log, 4)];
      log.entries[1] = { ...fourth, position: 2, hash: second.hash };
      log.entries[3] = { ...second, position: 4, hash: fourth.hash };
      if (anew) rechain(log);
      expect((await verify(log)).problem?.kind).toBe(anew ? "signed_head_differs" : "rewritten");
    }
  });

  test("cannot sign a head with a key of their own, nor change one that was signed", async () => {
    const log = makeLog(5);
    const forged = signHead(newSigner(), { tenant: TENANT, size: 3, hash: at(log, 3).hash }, isoTime(START_MS));
    log.inside.unshift({ size: 3, line: formatHead(forged) });
    expect((await verify(log)).problem).toMatchObject({ kind: "head_forged", position: 3 });

    const other = makeLog(5);
    const line = other.inside[0]?.line ?? "";
    other.inside = [{ size: 5, line: line.replace(/"time":"2026/, '"time":"2025') }];
    expect((await verify(other)).problem).toMatchObject({ kind: "head_forged", position: 5 });
  });

  test("cannot append entries that no signature covers without it showing", async () => {
    const log = makeLog(4);
    log.entries.push(entry(5, at(log, 4).hash, 1_000_000));
    log.head = { size: 5, hash: at(log, 5).hash };
    expect(await verify(log)).toMatchObject({
      verified: 5,
      signed: { size: 4 },
      problem: { kind: "unsigned_tail", position: 5 },
    });
  });

  test("cannot move the time, the action or the event id of a row away from its leaf", async () => {
    const changes: Partial<FoundEntry>[] = [
      { occurredMs: 1 },
      { action: "account.read" },
      { eventId: uuidv7(START_MS) },
    ];
    for (const change of changes) {
      const log = makeLog(3);
      log.entries[1] = { ...at(log, 2), ...change };
      expect((await verify(log)).problem).toMatchObject({ kind: "rewritten", position: 2 });
    }
  });

  test("cannot put another detail into an entry, or take one away", async () => {
    const log = makeLog(3);
    log.entries[1] = { ...at(log, 2), detail: at(log, 3).detail };
    expect((await verify(log)).problem).toMatchObject({ kind: "detail_mismatch", position: 2 });
    log.entries[1] = { ...at(log, 2), detail: null };
    expect((await verify(log)).problem).toMatchObject({ kind: "detail_missing", position: 2 });
  });

  test("cannot pass one tenant's log off as another's", async () => {
    const log = makeLog(3);
    const report = await verify(log, { tenant: tenantId("bank-b"), claimed: 0, outside: each([]) });
    expect(report.problem).toMatchObject({ kind: "rewritten", position: 1 });
  });

  test("cannot change any bit of any row unseen", async () => {
    await fc.assert(
      fc.asyncProperty(shape, fc.nat(), fc.nat({ max: 7 }), async ({ size, signedAt, at: position }, where, bit) => {
        const log = makeLog(size, signedAt);
        const found = at(log, position);
        const bytes = Buffer.from(found.leaf);
        const index = where % bytes.length;
        bytes[index] = (bytes[index] ?? 0) ^ (1 << bit);
        log.entries[position - 1] = { ...found, leaf: bytes.toString("latin1") };
        expect((await verify(log)).problem?.position).toBe(position);
      }),
      { numRuns: 100 },
    );
  });
});

describe("a head line", () => {
  test("is read back as it was written", () => {
    const head = signHead(signer, { tenant: TENANT, size: 7, hash: emptyChain(TENANT) }, isoTime(START_MS));
    expect(parseHead(formatHead(head))).toEqual(head);
    expect(verifier.accepts(head)).toBe(true);
  });

  test("has one spelling: no other bytes are read as a head that verifies", () => {
    const line = formatHead(signHead(signer, { tenant: TENANT, size: 7, hash: emptyChain(TENANT) }, isoTime(START_MS)));
    fc.assert(
      fc.property(
        fc.nat({ max: line.length - 1 }),
        fc.string({ unit: "binary-ascii", minLength: 1, maxLength: 1 }),
        (where, char) => {
          const changed = line.slice(0, where) + char + line.slice(where + 1);
          fc.pre(changed !== line);
          const head = parseHead(changed);
          expect(head !== undefined && verifier.accepts(head)).toBe(false);
        },
      ),
      { numRuns: 500 },
    );
    expect(parseHead(line.replace(",", ", "))).toBeUndefined();
    expect(parseHead(`${line} `)).toBeUndefined();
  });
});
