import { TOTP } from "otpauth";
import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answered, type BankStage, bankStage, PASSWORD, type Person } from "../stage.fixture.ts";

const FRESH_MS = 300_000;

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

async function send(as: { token: string }, body: unknown, key: string | null = uuidv7(stage.clock())) {
  const headers = key === null ? {} : { "idempotency-key": key };
  return await stage.ask("POST", "/api/transfers", { as, body, headers });
}

async function balance(account: string): Promise<number> {
  const [row] = await stage.at.owner.query<{ balance: string }>(
    "select balance from bank.account where account_id = $1",
    [account],
  );
  return Number(row?.balance);
}

async function total(): Promise<number> {
  const [row] = await stage.at.owner.query<{ sum: string }>("select sum(balance) as sum from bank.account");
  return Number(row?.sum);
}

function codes(answers: readonly Answered[]): (string | number)[] {
  return answers.map(({ body, status }) => (status === 201 ? 201 : body.code));
}

test("a transfer moves the amount once, answers with what is left, and both statements show it", async () => {
  const { ask, north } = stage;
  const [from, to] = [north.ann.account, north.ben.account];
  const before = [await balance(from), await balance(to)];
  const done = await send(north.ann, { from, to, amount: 1_234 });
  expect(done.status).toBe(201);
  expect(done.body).toEqual({
    id: expect.any(String),
    from,
    to,
    amount: 1_234,
    currency: "EUR",
    balance: (before[0] ?? 0) - 1_234,
  });
  expect([await balance(from), await balance(to)]).toEqual([(before[0] ?? 0) - 1_234, (before[1] ?? 0) + 1_234]);
  for (const [as, account] of [
    [north.ann, from],
    [north.ben, to],
    [north.owner, from],
  ] as const) {
    const { body } = await ask("GET", `/api/transfers?account=${account}`, { as });
    const { balance: _, ...moved } = done.body;
    expect(body.items[0]).toEqual({ ...moved, at: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) });
  }
  const other = await ask("GET", `/api/transfers?account=${to}`, { as: north.ann });
  expect(other.body).toMatchObject({ status: 404, code: "resource.not_found" });
  const { body } = await ask("GET", `/api/transfers?account=${from}&before=${done.body.id}`, { as: north.ann });
  expect(body.items.map(({ id }: { id: string }) => id)).not.toContain(done.body.id);
});

test("only the account's owner or staff moves its money, and only to an account of the same bank", async () => {
  const { north, south } = stage;
  const { account: from } = north.ann;
  const { account: to } = north.ben;
  const before = await total();
  const answers = [
    await send(north.ben, { from, to, amount: 1 }),
    await send(north.ann, { from, to: south.ann.account, amount: 1 }),
    await send(north.ann, { from, to: uuidv7(stage.clock()), amount: 1 }),
    await send(north.ann, { from: uuidv7(stage.clock()), to, amount: 1 }),
    await send(south.owner, { from, to, amount: 1 }),
  ];
  expect(new Set(answers.map(({ body, text }) => text.replace(body.request_id, "-"))).size).toBe(1);
  expect(answers[0]?.body).toMatchObject({ status: 404, code: "resource.not_found" });
  expect((await send(north.auditor, { from, to, amount: 1 })).body).toMatchObject({ code: "access.denied" });
  expect((await stage.ask("POST", "/api/transfers", { body: { from, to, amount: 1 } })).status).toBe(401);
  expect(await total()).toBe(before);
  expect((await send(north.owner, { from, to, amount: 1 })).status).toBe(201);
});

test("an amount is a positive integer of minor units, and nothing else is understood as one", async () => {
  const { north } = stage;
  const { account: from } = north.ann;
  const { account: to } = north.ben;
  const before = [await balance(from), await total()];
  for (const amount of [0, -1, -100_000, 0.5, 1.000_001, "1", "1e3", null, true, [1], { value: 1 }, 100_000_000_001]) {
    const { body } = await send(north.ann, { from, to, amount });
    expect([amount, body.code, body.fields]).toEqual([amount, "request.invalid", ["body.amount"]]);
  }
  for (const literal of [
    "1e400",
    "-0",
    "9007199254740993",
    "1E11",
    "0x10",
    "01",
    "NaN",
    "1_000",
    "99999999999999999999",
  ]) {
    const { body, status } = await send(north.ann, `{"from":"${from}","to":"${to}","amount":${literal}}`);
    // 1E11 is an integer in JSON, and the largest amount there is: it needs a second factor first.
    const expected = literal === "1E11" ? "access.step_up_required" : expect.stringMatching(/^request\./);
    expect([literal, body.code]).toEqual([literal, expected]);
    expect(status).toBeLessThan(500);
  }
  expect([await balance(from), await total()]).toEqual(before);
});

test("fields that a transfer does not have, and a transfer to the same account, are refused", async () => {
  const { north } = stage;
  const { account: from } = north.ann;
  const { account: to } = north.ben;
  for (const over of [
    { tenant_id: "southbank" },
    { user: north.ben.user },
    { currency: "USD" },
    { from: from.toUpperCase() },
    { to: `${to} ` },
    { to: from },
    { to: undefined },
  ]) {
    const { body } = await send(north.ann, { from, to, amount: 1, ...over });
    expect([over, body.code]).toEqual([over, "request.invalid"]);
  }
});

test("accounts of different currencies exchange nothing", async () => {
  const { ask, north } = stage;
  const opening = { customer: north.ben.customer, currency: "USD", opening_balance: 10 };
  const { body: dollars } = await ask("POST", "/api/accounts", { as: north.owner, body: opening });
  const { body } = await send(north.ann, { from: north.ann.account, to: dollars.id, amount: 1 });
  expect(body).toMatchObject({ code: "request.invalid", fields: ["body.to"] });
  expect(await balance(dollars.id)).toBe(10);
});

test("fifty transfers at once from one account: the sum holds and the balance is never below nothing", async () => {
  const { ask, north } = stage;
  const opening = { customer: north.ann.customer, currency: "EUR", opening_balance: 1_000 };
  const { body: purse } = await ask("POST", "/api/accounts", { as: north.owner, body: opening });
  const before = await total();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => send(north.ann, { from: purse.id, to: north.ben.account, amount: 30 })),
  );
  const told = codes(answers);
  expect(told.filter((code) => code === 201)).toHaveLength(33);
  expect(told.filter((code) => code === "transfer.insufficient_funds")).toHaveLength(17);
  expect(await balance(purse.id)).toBe(10);
  expect(await total()).toBe(before);
  // Each answer named the balance that it left: no two alike.
  const left = answers.flatMap(({ body, status }) => (status === 201 ? [body.balance] : []));
  expect(left.toSorted((one, two) => two - one)).toEqual(Array.from({ length: 33 }, (_, index) => 970 - index * 30));
});

test("transfers in opposite directions at once do not stop each other", async () => {
  const { north } = stage;
  const [one, two] = [north.ann, north.ben];
  const before = [await balance(one.account), await balance(two.account)];
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      index % 2 === 0
        ? send(one, { from: one.account, to: two.account, amount: 7 })
        : send(two, { from: two.account, to: one.account, amount: 7 }),
    ),
  );
  expect(new Set(codes(answers))).toEqual(new Set([201]));
  expect([await balance(one.account), await balance(two.account)]).toEqual(before);
});

async function withFactor(): Promise<Person> {
  const { identity } = stage.ringwall;
  const person = await stage.enter(stage.north.owner, "editor", `tess-${uuidv7(stage.clock())}@northbank.example`);
  const origin = { requestId: "test" };
  const { base32 } = await identity.beginEnrolment(person.principal, PASSWORD, origin);
  const totp = new TOTP({ secret: base32.open() });
  const code = (): string => totp.generate({ timestamp: stage.clock() });
  const opened = await identity.confirmEnrolment(person.principal, code(), origin);
  return { ...person, token: opened.token.open(), code };
}

test("above the limit a second factor must be fresh: 403 without, 201 after it, 403 again when it is old", async () => {
  const { ask, north } = stage;
  const tess = await withFactor();
  const { account: from } = await stage.openFor(north.owner, tess, 10_000_000n);
  const { account: to } = north.ben;
  const big = { from, to, amount: 100_001 };
  stage.advance(FRESH_MS);
  stage.nextStep();
  const key = uuidv7(stage.clock());
  expect((await send(tess, big, key)).body).toMatchObject({ status: 403, code: "access.step_up_required" });
  expect((await send(tess, { ...big, amount: 100_000 })).status).toBe(201);

  const wrong = await ask("POST", "/api/session/step-up", { as: tess, body: { code: "000000" } });
  expect([wrong.status, wrong.body.code]).toEqual([401, "identity.sign_in_failed"]);
  const code = tess.code();
  const stepped = await ask("POST", "/api/session/step-up", { as: tess, body: { code } });
  expect(stepped.body).toMatchObject({ next: "done" });
  const fresh = { token: stepped.body.token };
  // The session before is over, and the code is used up.
  expect((await send(tess, big)).status).toBe(401);
  const again = await ask("POST", "/api/session/step-up", { as: fresh, body: { code } });
  expect(again.body.code).toBe("identity.sign_in_failed");
  // The refused transfer left its key unused.
  expect((await send(fresh, big, key)).status).toBe(201);
  expect((await send(fresh, big)).status).toBe(201);

  stage.advance(FRESH_MS);
  expect((await send(fresh, big)).body).toMatchObject({ status: 403, code: "access.step_up_required" });
  expect((await send(north.ann, { ...big, from: north.ann.account })).body.code).toBe("access.step_up_required");
});

test("transfer and audit record are written by one transaction, and the owner finds it with its facts", async () => {
  const { at, north } = stage;
  const done = await send(north.ann, { from: north.ann.account, to: north.ben.account, amount: 41 });
  const targets = [
    { type: "transfer", id: done.body.id },
    { type: "account", id: north.ann.account },
    { type: "account", id: north.ben.account },
  ];
  // Before the sequencer takes it: the row in the outbox was written by the transaction that moved the money.
  const rows = await at.owner.query(
    `select 1 from bank.transfer t join ringwall.audit_outbox o on o.xmin = t.xmin and o.leaf like '%' || t.transfer_id || '%'
     where t.transfer_id = $1`,
    [done.body.id],
  );
  expect(rows).toHaveLength(1);
  const records = await stage.audit(north.owner, "transfer.executed");
  expect(records[0]).toMatchObject({
    outcome: "success",
    targets,
    facts: { amount: 41, currency: "EUR" },
    requestId: done.headers.get("x-request-id"),
    detail: { address: "127.0.0.1" },
  });
  expect(await stage.audit(stage.south.owner, "transfer.executed")).toEqual([]);
});
