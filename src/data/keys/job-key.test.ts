import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { tenantId } from "../../core/index.ts";
import { testKeys } from "../../testing/keys.ts";
import { JobKey } from "./job-key.ts";

const ALPHA = tenantId("alpha-bank");
const BETA = tenantId("beta-bank");

describe("the key of a job", () => {
  test("opens what it sealed, in its place, while the job runs", async () => {
    const { keys } = await testKeys();
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 500 }),
        fc.array(fc.string(), { maxLength: 3 }),
        async (bytes, at) => {
          await keys.forJob(ALPHA, "export", async (key) => {
            const sealed = key.seal(at, bytes);
            expect(sealed).toHaveLength(bytes.length + 30);
            expect(new Uint8Array(key.open(at, sealed))).toEqual(bytes);
            expect(() => key.open([...at, ""], sealed)).toThrow(
              expect.objectContaining({ code: "keys.decrypt_failed" }),
            );
            await Promise.resolve();
          });
        },
      ),
      { numRuns: 50 },
    );
  });

  test("is gone when the job ends, however it ends, and was stored nowhere", async () => {
    const { keys, store } = await testKeys();
    const before = store.rows.length;
    const seen: { key: JobKey; sealed: Buffer }[] = [];
    const work = async (key: JobKey): Promise<string> => {
      seen.push({ key, sealed: key.seal(["page", "1"], Buffer.from("a page")) });
      return await Promise.resolve("done");
    };
    expect(await keys.forJob(ALPHA, "export", work)).toBe("done");
    const failing = keys.forJob(ALPHA, "export", async (key) => {
      await work(key);
      throw new RangeError("the job failed");
    });
    await expect(failing).rejects.toThrow("the job failed");
    for (const { key, sealed } of seen) {
      expect(() => key.open(["page", "1"], sealed)).toThrow(expect.objectContaining({ code: "keys.erased" }));
      expect(() => key.seal(["page", "1"], sealed)).toThrow(expect.objectContaining({ code: "keys.erased" }));
    }
    expect(store.rows).toHaveLength(before);
  });

  test("opens nothing of another job, another run or another tenant, and nothing that was changed", async () => {
    const { keys } = await testKeys();
    await keys.forJob(ALPHA, "export", async (key) => {
      const sealed = key.seal(["page"], Buffer.from("a page"));
      const others = [new JobKey(ALPHA, "export"), new JobKey(ALPHA, "import"), new JobKey(BETA, "export")];
      for (const other of others) expect(() => other.open(["page"], sealed)).toThrow("could not be opened");
      for (let bit = 0; bit < sealed.length * 8; bit += 1) {
        const changed = Buffer.from(sealed);
        changed.writeUInt8(changed.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
        expect(() => key.open(["page"], changed)).toThrow("could not be opened");
      }
      await Promise.resolve();
    });
  });
});
