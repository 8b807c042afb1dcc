import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RingwallError, randomBytes, tenantId } from "../../core/index.ts";
import { createFields } from "../../data/fields/index.ts";
import { createKeys, type MasterKey } from "../../data/keys/index.ts";
import { memoryKeyStore, testBus } from "../keys.ts";
import { damage, flipped } from "./damage.ts";

/** A master key as the contract sees it. */
export interface MasterUnderTest {
  readonly master: MasterKey;
  /** The same key, opened once more, as after a restart. */
  reopen(): Promise<MasterKey>;
  /** Another key of the same holder. */
  other(): Promise<MasterKey>;
  /** Takes the holder of the key away, and gives it back. */
  readonly outage: { begin(): Promise<void>; end(): Promise<void> };
  close(): Promise<void>;
}

const REFUSED = { code: "keys.decrypt_failed", message: "The value could not be opened." };
const ALPHA = tenantId("alpha-bank");
const CONTEXT = ["rw/tenant-key/v1", "alpha-bank", "data", "1"];
// AWS KMS takes 4,096 bytes and no more; tenant keys have 32.
const BYTES_MAX = 4_096;

/** A master key whose holder a test can take away, where the key itself is in this process and cannot be gone. */
export function interruptible(master: MasterKey): { master: MasterKey; outage: MasterUnderTest["outage"] } {
  let isDown = false;
  const guarded = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (isDown) throw new RingwallError("keys.unavailable");
    return await work();
  };
  return {
    master: {
      id: master.id,
      wrap: (plaintext, context) => guarded(() => master.wrap(plaintext, context)),
      unwrap: (wrapped, context) => guarded(() => master.unwrap(wrapped, context)),
      generate: (context) => guarded(() => master.generate(context)),
    },
    outage: {
      begin: async () => {
        isDown = true;
      },
      end: async () => {
        isDown = false;
      },
    },
  };
}

/**
 * What every `MasterKey` must do.
 * @param runs - Cases for each property: fewer where each is a call over the network.
 */
export function masterKeyContract(name: string, make: () => Promise<MasterUnderTest>, runs = 100): void {
  describe(`the master key contract: ${name}`, () => {
    let subject: MasterUnderTest;
    let master: MasterKey;
    beforeAll(async () => {
      subject = await make();
      ({ master } = subject);
    });
    afterAll(async () => {
      await subject?.close();
    });

    test("generates 32 fresh bytes, in clear and wrapped, and unwraps them", async () => {
      const [one, two] = [await master.generate(CONTEXT), await master.generate(CONTEXT)];
      expect(one.plaintext).toHaveLength(32);
      expect(one.plaintext.equals(two.plaintext)).toBe(false);
      expect(one.wrapped.includes(one.plaintext)).toBe(false);
      expect(one.wrapped.length).toBeLessThanOrEqual(1_024);
      expect(await master.unwrap(one.wrapped, CONTEXT)).toEqual(one.plaintext);
    });

    test("unwraps what it wrapped, whatever the bytes and the context", async () => {
      const context = fc.array(fc.string({ unit: "binary", maxLength: 40 }), { minLength: 1, maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(fc.uint8Array({ minLength: 1, maxLength: BYTES_MAX }), context, async (bytes, words) => {
          const usable = words.map((word) => word.toWellFormed());
          const wrapped = await master.wrap(Buffer.from(bytes), usable);
          expect(new Uint8Array(await master.unwrap(wrapped, usable))).toEqual(bytes);
        }),
        { numRuns: runs },
      );
      const most = randomBytes(BYTES_MAX);
      expect((await master.unwrap(await master.wrap(most, CONTEXT), CONTEXT)).equals(most)).toBe(true);
    });

    test("wraps the same bytes differently each time, and leaves the caller's as they were", async () => {
      const plaintext = randomBytes(32);
      const before = Buffer.from(plaintext);
      const wrapped = await Promise.all(Array.from({ length: 20 }, () => master.wrap(plaintext, CONTEXT)));
      expect(plaintext.equals(before)).toBe(true);
      expect(new Set(wrapped.map((bytes) => bytes.toString("hex"))).size).toBe(20);
      const opened = await Promise.all(wrapped.map((bytes) => master.unwrap(bytes, CONTEXT)));
      for (const bytes of opened) {
        expect(bytes.equals(before)).toBe(true);
        // Each caller gets bytes of its own: wiping them takes nothing from another.
        bytes.fill(0);
      }
    });

    test("unwraps in the same context only, and words have borders", async () => {
      const { wrapped } = await master.generate(["a|b", "c", "d=e"]);
      const others = [
        ["a|b", "c"],
        ["a", "b|c", "d=e"],
        ["a|bc", "", "d=e"],
        ["c", "a|b", "d=e"],
        ["a|b", "c", "d=e", ""],
        ["A|b", "c", "d=e"],
        ["a|b", "c", "d", "e"],
      ];
      for (const context of others) await expect(master.unwrap(wrapped, context)).rejects.toMatchObject(REFUSED);
      expect(await master.unwrap(wrapped, ["a|b", "c", "d=e"])).toHaveLength(32);
    });

    test("damaged in any way, wrapped bytes are refused in the same words, and the next unwrap works", async () => {
      const { plaintext, wrapped } = await master.generate(CONTEXT);
      const shapes = new Set<string>();
      const refused = async (bytes: Buffer): Promise<void> => {
        const error: unknown = await master.unwrap(bytes, CONTEXT).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).toBeInstanceOf(RingwallError);
        expect(error).toMatchObject(REFUSED);
        if (error instanceof RingwallError) {
          shapes.add(JSON.stringify([Object.keys(error), error.detail, error.status, String(error.cause)]));
        }
      };
      await fc.assert(fc.asyncProperty(damage(wrapped), refused), { numRuns: runs });
      const step = Math.max(1, Math.floor(wrapped.length / runs));
      for (let at = 0; at < wrapped.length; at += step) await refused(flipped(wrapped, at, 1));
      await refused(Buffer.alloc(0));
      expect(shapes.size).toBe(1);
      expect(await master.unwrap(wrapped, CONTEXT)).toEqual(plaintext);
    });

    test("opened again is the same key under the same name; another key has another and opens nothing", async () => {
      const { plaintext, wrapped } = await master.generate(CONTEXT);
      const again = await subject.reopen();
      const other = await subject.other();
      try {
        expect(again.id).toBe(master.id);
        expect(again.id.length).toBeLessThanOrEqual(300);
        expect(await again.unwrap(wrapped, CONTEXT)).toEqual(plaintext);
        expect(other.id).not.toBe(master.id);
        await expect(other.unwrap(wrapped, CONTEXT)).rejects.toMatchObject(REFUSED);
      } finally {
        await again.close?.();
        await other.close?.();
      }
    });

    test("carries a key tree: fields open after a restart, and not under another master", async () => {
      const bus = testBus();
      const store = memoryKeyStore(bus);
      const options = { store, bus, clock: () => 0 };
      const first = createFields({ keys: await createKeys({ ...options, master }) });
      const { rowKey, sealed } = await first.sealRow(ALPHA, { table: "t", row: "r", values: { ssn: "078-05-1120" } });
      const [again, other] = [await subject.reopen(), await subject.other()];
      try {
        const second = createFields({ keys: await createKeys({ ...options, master: again }) });
        const place = { table: "t", row: "r", column: "ssn", rowKey };
        expect(await second.open(ALPHA, place, sealed.ssn)).toBe("078-05-1120");
        const refused = createKeys({ ...options, master: other });
        await expect(refused).rejects.toMatchObject({ code: "keys.master_refused" });
      } finally {
        await again.close?.();
        await other.close?.();
      }
    });

    test("gone: keys serve until their age runs out, then are refused, and come back with the holder", async () => {
      const { outage } = subject;
      const bus = testBus();
      const time = { nowMs: 0 };
      const store = memoryKeyStore(bus);
      const keys = await createKeys({ master, store, bus, clock: () => time.nowMs, cacheSeconds: 300 });
      const fields = createFields({ keys });
      const { rowKey, sealed } = await fields.sealRow(ALPHA, { table: "t", row: "r", values: { ssn: "1" } });
      const open = async (): Promise<string> =>
        await fields.open(ALPHA, { table: "t", row: "r", column: "ssn", rowKey }, sealed.ssn);
      await outage.begin();
      try {
        time.nowMs = 299_999;
        expect(await open()).toBe("1");
        time.nowMs = 300_000;
        await expect(open()).rejects.toMatchObject({ code: "keys.unavailable", status: 503 });
        await expect((async () => await keys.current(ALPHA, "index"))()).rejects.toMatchObject({
          code: "keys.unavailable",
        });
      } finally {
        await outage.end();
      }
      expect(await open()).toBe("1");
      keys.close();
    });
  });
}
