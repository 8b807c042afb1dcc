import { createHash, createPublicKey, verify } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

let stage: Stage;
let owner: Person;
let other: Person;
beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("alpha-bank");
  other = await stage.tenant("omega-bank");
  await stage.person(owner, "viewer");
  await stage.sequence();
});
afterAll(() => stage.close());

const Chain = z.object({
  tenant: z.string(),
  previous_hash: z.string().nullable(),
  entries: z.array(z.object({ sequence: z.int(), leaf: z.string(), hash: z.string() })),
  signed_head: z.string().nullable(),
  public_key: z.string(),
});

async function chainOf({ token }: Person, query = ""): Promise<z.output<typeof Chain>> {
  return Chain.parse((await stage.ask("GET", `/v1/audit-chain${query}`, { token })).json);
}

const sha = (...parts: readonly (Buffer | string)[]): Buffer =>
  createHash("sha256")
    .update(Buffer.concat(parts.map((part) => Buffer.from(part))))
    .digest();

describe("a tenant's chain", () => {
  test("can be recomputed by anybody from its definition, up to a head that its key signed", async () => {
    const { entries, public_key, signed_head } = await chainOf(owner);
    let previous = sha(Buffer.of(2), "alpha-bank");
    for (const { hash, leaf } of entries) {
      previous = sha(Buffer.of(1), previous, sha(Buffer.of(0), leaf));
      expect(previous.toString("hex")).toBe(hash);
    }
    const head = z
      .object({ hash: z.string(), size: z.int(), signature: z.string() })
      .parse(JSON.parse(signed_head ?? ""));
    expect(entries[head.size - 1]?.hash).toBe(head.hash);
    const text = `${signed_head?.slice(0, signed_head.indexOf(',"signature"'))}}`;
    const key = createPublicKey({ key: Buffer.from(public_key, "base64"), format: "der", type: "spki" });
    expect(verify(null, Buffer.from(text), key, Buffer.from(head.signature, "base64url"))).toBe(true);
  });

  test("comes in stretches that join: each names the hash before it", async () => {
    const whole = await chainOf(owner);
    const part = await chainOf(owner, "?after=2&limit=3");
    expect(part.entries.map(({ sequence }) => sequence)).toEqual([3, 4, 5]);
    expect(part.previous_hash).toBe(whole.entries[1]?.hash);
    expect(whole.previous_hash).toBeNull();
    expect((await chainOf(owner, "?after=100000")).entries).toEqual([]);
  });

  test("holds nothing of another tenant's, and no personal value", async () => {
    const { entries } = await chainOf(other);
    for (const { leaf } of entries) expect(JSON.parse(leaf)).toMatchObject({ tenant: "omega-bank" });
    const text = JSON.stringify((await chainOf(owner)).entries);
    expect(text).not.toMatch(/127\.0\.0\.1|@alpha-bank\.example/);
  });

  test("tells who read it", async () => {
    await chainOf(owner, "?after=1&limit=1");
    await stage.sequence();
    const query = "?action=audit.chain_read&limit=1";
    const read = await stage.ask("GET", `/v1/audit-events${query}`, { token: owner.token });
    expect(read.json).toMatchObject({ items: [{ actor: `user:${owner.id}`, facts: { after: 1, count: 1 } }] });
  });

  test("is not given by a range that cannot be", async () => {
    for (const query of ["?after=-1", "?after=01", "?after=1e3", "?limit=0", "?limit=201", "?after=9999999999999999"]) {
      const refused = await stage.ask("GET", `/v1/audit-chain${query}`, { token: owner.token });
      expect([query, refused.status, refused.code]).toEqual([query, 400, "request.invalid"]);
    }
  });
});
