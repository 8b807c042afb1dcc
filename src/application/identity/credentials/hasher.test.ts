import { describe, expect, test } from "vitest";
import { IdentityConfig } from "../config.ts";
import { createHasher, createQueue } from "./hasher.ts";

const limits = IdentityConfig.parse({}).password;

describe("the hasher", () => {
  test("makes argon2id hashes of the founding figures that only the password fits", async () => {
    const hasher = createHasher(limits);
    const stored = await hasher.hash("tide knot 52 ember");
    expect(stored).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[\w+/]{22}\$[\w+/]{43}$/);
    expect(await hasher.verify(stored, "tide knot 52 ember")).toBe(true);
    expect(await hasher.verify(stored, "tide knot 52 embeR")).toBe(false);
    expect(await hasher.hash("tide knot 52 ember")).not.toBe(stored);
  });

  test.each([
    // test.c of the reference implementation (phc-winner-argon2), Argon2id version 19.
    ["m=65536,t=2,p=1", "password", "somesalt", "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"],
    ["m=256,t=2,p=1", "password", "somesalt", "nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4"],
  ])("verifies the reference's published hash of %s", async (costs, password, salt, output) => {
    const stored = `$argon2id$v=19$${costs}$${Buffer.from(salt).toString("base64").replaceAll("=", "")}$${output}`;
    const hasher = createHasher(limits);
    expect(await hasher.verify(stored, password)).toBe(true);
    expect(await hasher.verify(stored, `${password}1`)).toBe(false);
    expect(hasher.outdated(stored)).toBe(true);
  });

  test("cuts nothing: what differs after 72 bytes or after a NUL is another password", async () => {
    const hasher = createHasher(limits);
    const long = "x".repeat(100);
    expect(await hasher.verify(await hasher.hash(`${long}a`), `${long}b`)).toBe(false);
    expect(await hasher.verify(await hasher.hash("before\0after"), "before\0other")).toBe(false);
  });

  test("knows which hashes were made with other parameters", async () => {
    const hasher = createHasher(limits);
    const dearer = createHasher({ ...limits, argon2: { memoryKib: 20_480, passes: 2, lanes: 1 } });
    const stored = await hasher.hash("tide knot 52 ember");
    expect(hasher.outdated(stored)).toBe(false);
    expect(dearer.outdated(stored)).toBe(true);
    expect(await dearer.verify(stored, "tide knot 52 ember")).toBe(true);
  });

  test("the dummy costs what a real hash costs and fits nothing", async () => {
    const hasher = createHasher(limits);
    expect(hasher.outdated(hasher.dummy)).toBe(false);
    expect(await hasher.verify(hasher.dummy, "tide knot 52 ember")).toBe(false);
    expect(createHasher(limits).dummy).not.toBe(hasher.dummy);
  });
});

describe("the queue", () => {
  test("runs so many at once, lets so many wait, and refuses the rest", async () => {
    const queue = createQueue(2, 3);
    const finish: (() => void)[] = [];
    let running = 0;
    let most = 0;
    const work = (): Promise<string> => {
      running += 1;
      most = Math.max(most, running);
      return new Promise((resolve) => {
        finish.push(() => {
          running -= 1;
          resolve("done");
        });
      });
    };
    const accepted = Array.from({ length: 5 }, () => queue(work));
    await expect(queue(work)).rejects.toMatchObject({ code: "identity.overloaded", retryAfterSeconds: 2 });
    const settled = Promise.all(accepted);
    for (let done = 0; done < 5; done += 1) {
      // Each end hands its slot to the next one waiting; let it begin.
      finish.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await settled).toEqual(Array.from({ length: 5 }, () => "done"));
    expect(most).toBe(2);
    expect(running).toBe(0);
  });

  test("work that fails gives its slot back", async () => {
    const queue = createQueue(1, 1);
    await expect(queue(() => Promise.reject(new TypeError("broken")))).rejects.toThrow("broken");
    expect(await queue(() => Promise.resolve(7))).toBe(7);
  });
});
