import * as fc from "fast-check";
import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { type Answered, type BankStage, bankStage } from "../stage.fixture.ts";

/** Longer than the window that a customer's transfers are counted in. */
const WINDOW_MS = 3_601_000;
const COUNT_MAX = 60;
const SUM_MAX = 5_000_000;
const ALONE_MAX = 100_000;

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});
// Each test has the whole of its limits before it. The customers' sessions last that long; those of staff do not.
beforeEach(() => {
  stage.advance(WINDOW_MS);
});

async function send(as: { token: string }, body: unknown, key: string | null = uuidv7(stage.clock())) {
  const headers = key === null ? {} : { "idempotency-key": key };
  return await stage.ask("POST", "/api/transfers", { as, body, headers });
}

async function setBalance(account: string, balance: number): Promise<void> {
  await stage.at.owner.query("update bank.account set balance = $2 where account_id = $1", [account, balance]);
}

async function balances(accounts: readonly string[]): Promise<number[]> {
  const rows = await stage.at.owner.query<{ account_id: string; balance: string }>(
    "select account_id, balance from bank.account where account_id = any($1)",
    [accounts],
  );
  return accounts.map((account) => Number(rows.find((row) => row.account_id === account)?.balance));
}

async function transfersOf(account: string): Promise<number> {
  const query = "select count(*)::int as n from bank.transfer where from_account = $1";
  const [row] = await stage.at.owner.query<{ n: number }>(query, [account]);
  return row?.n ?? -1;
}

test("the same key and request again answers the same, and moves nothing", async () => {
  const { ann, ben } = stage.north;
  const body = { from: ann.account, to: ben.account, amount: 500 };
  const key = uuidv7(stage.clock());
  const first = await send(ann, body, key);
  expect(first.status).toBe(201);
  const after = await balances([ann.account, ben.account]);
  const again = await send(ann, body, key);
  expect([again.status, again.text]).toEqual([201, first.text]);
  expect(await balances([ann.account, ben.account])).toEqual(after);
  // Written in another order it is the same request.
  const reordered = await send(ann, { amount: 500, to: ben.account, from: ann.account }, key);
  expect([reordered.status, reordered.text]).toEqual([201, first.text]);
});

test("a key stands for one request of one person: another request conflicts, another person's is their own", async () => {
  const { ann, ben } = stage.north;
  const key = uuidv7(stage.clock());
  const body = { from: ann.account, to: ben.account, amount: 5 };
  const first = await send(ann, body, key);
  expect(first.status).toBe(201);
  const after = await balances([ann.account, ben.account]);
  for (const over of [{ amount: 6 }, { from: ben.account, to: ann.account }]) {
    expect((await send(ann, { ...body, ...over }, key)).body).toMatchObject({
      status: 409,
      code: "idempotency.conflict",
    });
  }
  expect(await balances([ann.account, ben.account])).toEqual(after);
  const others = await send(ben, { from: ben.account, to: ann.account, amount: 5 }, key);
  expect(others.status).toBe(201);
  expect(others.body.id).not.toBe(first.body.id);
  const { ann: sara, ben: samir } = stage.south;
  expect((await send(sara, { from: sara.account, to: samir.account, amount: 5 }, key)).status).toBe(201);
});

test("a transfer without a key, or with one that is none, is refused", async () => {
  const { ann, ben } = stage.north;
  const body = { from: ann.account, to: ben.account, amount: 5 };
  expect((await send(ann, body, null)).body).toMatchObject({ status: 400, code: "idempotency.required" });
  for (const key of ["", "a b", "x".repeat(256), "k\u00e9y"]) {
    const { body: problem } = await send(ann, body, key);
    expect([key, problem.status, problem.code]).toEqual([key, 400, expect.stringMatching(/^(request|idempotency)\./)]);
  }
  const [head, tail] = [`POST /api/transfers HTTP/1.1\r\nHost: localhost\r\n`, `Connection: close\r\n\r\n`];
  const twice = `Idempotency-Key: one\r\nIdempotency-Key: two\r\nAuthorization: Bearer ${ann.token}\r\n`;
  expect(await stage.raw(head + twice + tail)).toMatch(/^HTTP\/1.1 400 [\s\S]*request\.malformed/);
});

test("ten requests with one key at the same time are one transfer", async () => {
  const { ann, ben } = stage.north;
  const before = await transfersOf(ann.account);
  const key = uuidv7(stage.clock());
  const body = { from: ann.account, to: ben.account, amount: 11 };
  const answers = await Promise.all(Array.from({ length: 10 }, () => send(ann, body, key)));
  expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
  expect(answers[0]?.status).toBe(201);
  expect(await transfersOf(ann.account)).toBe(before + 1);
});

test("a refused transfer leaves its key unused", async () => {
  const { ann, ben } = stage.north;
  await setBalance(ann.account, 10);
  const body = { from: ann.account, to: ben.account, amount: 11 };
  const key = uuidv7(stage.clock());
  expect((await send(ann, body, key)).body).toMatchObject({ status: 409, code: "transfer.insufficient_funds" });
  await setBalance(ann.account, 1_000_000);
  expect((await send(ann, body, key)).status).toBe(201);
});

test("sixty transfers an hour and no more; the refusal says when, and refused ones use nothing up", async () => {
  const { ann, ben } = stage.north;
  const body = { from: ann.account, to: ben.account, amount: 1 };
  for (let count = 0; count < 5; count += 1) {
    expect((await send(ann, { ...body, amount: 99_999_999 }, uuidv7(stage.clock()))).status).toBe(403);
    expect((await send(ann, { ...body, to: uuidv7(stage.clock()) })).status).toBe(404);
  }
  const kept = uuidv7(stage.clock());
  expect((await send(ann, body, kept)).status).toBe(201);
  for (let count = 1; count < COUNT_MAX; count += 1) expect((await send(ann, body)).status).toBe(201);
  const refused = await send(ann, body);
  expect(refused.body).toMatchObject({ status: 429, code: "access.velocity_exceeded" });
  const seconds = Number(refused.headers.get("retry-after"));
  expect(seconds).toBeGreaterThan(3_500);
  expect(seconds).toBeLessThanOrEqual(3_600);
  const { request_id: id } = refused.body as { request_id: string };
  expect(refused.text.replace(id, "")).not.toMatch(/60|count|sum/);
  // What was answered before is answered still, and another customer has a limit of their own.
  expect((await send(ann, body, kept)).status).toBe(201);
  expect((await send(ben, { from: ben.account, to: ann.account, amount: 1 })).status).toBe(201);
  stage.advance(seconds * 1_000);
  expect((await send(ann, body)).status).toBe(201);
});

test("an hour's sum is limited too, to the unit", async () => {
  const { ann, ben } = stage.south;
  await setBalance(ann.account, SUM_MAX * 2);
  const body = { from: ann.account, to: ben.account, amount: ALONE_MAX };
  for (let moved = 0; moved < SUM_MAX - ALONE_MAX; moved += ALONE_MAX) expect((await send(ann, body)).status).toBe(201);
  expect((await send(ann, { ...body, amount: 1 })).status).toBe(201);
  expect((await send(ann, body)).body).toMatchObject({ code: "access.velocity_exceeded" });
  expect((await send(ann, { ...body, amount: ALONE_MAX - 1 })).status).toBe(201);
  expect((await send(ann, { ...body, amount: 1 })).body).toMatchObject({ code: "access.velocity_exceeded" });
});

interface Act {
  readonly by: number;
  readonly from: number;
  readonly to: number;
  readonly amount: number;
  readonly key: number;
}

const START = 300;
const acts: fc.Arbitrary<readonly Act[]> = fc.array(
  fc.record({
    by: fc.nat(1),
    from: fc.nat(1),
    to: fc.nat(1),
    amount: fc.integer({ min: -5, max: 200 }),
    // Few keys, so that some are used again, for the same request or another one.
    key: fc.nat(7),
  }),
  { minLength: 1, maxLength: 12 },
);

/** What a bank is: two purses, and what each key was used for. */
function modelBank() {
  const purses = [START, START];
  const done = new Map<string, { request: string; answer: number }>();
  return {
    purses,
    step({ amount, by, from, key, to }: Act): string | number {
      if (amount < 1 || from === to) return "request.invalid";
      const name = `${by}/${key}`;
      const request = `${from}/${to}/${amount}`;
      const known = done.get(name);
      if (known !== undefined) return known.request === request ? known.answer : "idempotency.conflict";
      if (from !== by) return "resource.not_found";
      const held = purses[from] ?? 0;
      if (held < amount) return "transfer.insufficient_funds";
      purses[from] = held - amount;
      purses[to] = (purses[to] ?? 0) + amount;
      done.set(name, { request, answer: held - amount });
      return held - amount;
    },
  };
}

test("any sequence of transfers, refused and replayed ones among them, ends where the model ends", async () => {
  const people = [stage.north.ann, stage.north.ben];
  const accounts = people.map(({ account }) => account);
  await fc.assert(
    fc.asyncProperty(acts, async (sequence) => {
      stage.advance(WINDOW_MS);
      for (const account of accounts) await setBalance(account, START);
      const model = modelBank();
      const prefix = uuidv7(stage.clock());
      for (const act of sequence) {
        const body = { from: accounts[act.from], to: accounts[act.to], amount: act.amount };
        const answer: Answered = await send(people[act.by] ?? stage.north.ann, body, `${prefix}-${act.key}`);
        expect(answer.status === 201 ? answer.body.balance : answer.body.code).toBe(model.step(act));
        expect(await balances(accounts)).toEqual(model.purses);
      }
      expect(model.purses.reduce((sum, purse) => sum + purse, 0)).toBe(2 * START);
    }),
    { numRuns: 20 },
  );
});
