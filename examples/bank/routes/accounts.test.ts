import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Answered, type BankStage, bankStage } from "../stage.fixture.ts";

/** Noted reads become durable within a tenth of a second here; a busy machine may take longer. */
const AUDIT_MS = 20_000;

let stage: BankStage;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

/** An answer without what differs each time. */
function bytesOf({ body, status, text }: Answered): string {
  return `${status} ${text.replace(String(body.request_id), "-")}`;
}

test("a customer sees the own account with its number, and so does staff", async () => {
  const { ask, north } = stage;
  const own = await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.ann });
  expect(own.status).toBe(200);
  expect(own.body).toEqual({
    id: north.ann.account,
    owner: north.ann.user,
    balance: 1_000_000,
    currency: "EUR",
    number: expect.stringMatching(/^[0-9]{18}$/),
  });
  const staff = await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.owner });
  expect(staff.body).toEqual(own.body);
});

test("another customer's account, another bank's and one that is not there answer with the same bytes", async () => {
  const { ask, north, south } = stage;
  const answers = [
    await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.ben }),
    await ask("GET", `/api/accounts/${south.ann.account}`, { as: north.ben }),
    await ask("GET", `/api/accounts/${uuidv7(stage.clock())}`, { as: north.ben }),
    await ask("GET", `/api/accounts/${south.ann.account}`, { as: north.owner }),
    await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.auditor }),
    await ask("GET", `/api/transfers?account=${south.ann.account}`, { as: north.owner }),
  ];
  expect(answers[0]?.body).toMatchObject({ status: 404, code: "resource.not_found" });
  expect(new Set(answers.map(bytesOf)).size).toBe(1);
  const names = answers.map(({ headers }) => [...headers.keys()].filter((name) => name !== "date").join());
  expect(new Set(names).size).toBe(1);
});

test("nobody sees anything without signing in, and an id of the wrong form is the caller's mistake", async () => {
  const { ask, north } = stage;
  const anonymous = await ask("GET", `/api/accounts/${north.ann.account}`);
  expect(anonymous.body).toMatchObject({ status: 401, code: "identity.sign_in_required" });
  for (const id of ["1", north.ann.account.toUpperCase(), "%27%20or%201=1", `${north.ann.account}%00`]) {
    const { body, status } = await ask("GET", `/api/accounts/${id}`, { as: north.ann });
    expect([id, status, body.code]).toEqual([id, 400, expect.stringMatching(/^request\.(invalid|malformed)$/)]);
  }
});

test("a list holds what the reader may see: customers their own, staff the bank's, an auditor none of it", async () => {
  const { ask, north, south } = stage;
  const listed = async (as: { token: string }): Promise<string[]> => {
    const { body } = await ask("GET", "/api/accounts", { as });
    return body.items.map(({ id }: { id: string }) => id);
  };
  expect(await listed(north.ann)).toEqual([north.ann.account]);
  expect(await listed(north.auditor)).toEqual([]);
  const all = await listed(north.owner);
  expect(all).toEqual(expect.arrayContaining([north.ann.account, north.ben.account]));
  expect(all).not.toContain(south.ann.account);
  const after = await ask("GET", `/api/accounts?after=${north.ann.account}`, { as: north.ann });
  expect(after.body).toEqual({ items: [] });
  const unknown = await ask("GET", `/api/accounts?owner=${north.ben.user}`, { as: north.ann });
  expect(unknown.body).toMatchObject({ status: 400, code: "request.invalid" });
});

test("staff opens accounts for the bank's own customers; nobody else, and for nobody else", async () => {
  const { ask, north, south } = stage;
  const body = { customer: north.ann.customer, currency: "EUR", opening_balance: 7 };
  const opened = await ask("POST", "/api/accounts", { as: north.owner, body });
  expect(opened.status).toBe(201);
  expect(opened.body.number).toMatch(/^[0-9]{18}$/);
  const seen = await ask("GET", `/api/accounts/${opened.body.id}`, { as: north.ann });
  expect(seen.body).toMatchObject({ balance: 7, number: opened.body.number, owner: north.ann.user });

  const refused = async (as: { token: string }, over: object): Promise<unknown> =>
    (await ask("POST", "/api/accounts", { as, body: { ...body, ...over } })).body.code;
  expect(await refused(north.ann, {})).toBe("access.denied");
  expect(await refused(north.auditor, {})).toBe("access.denied");
  expect(await refused(south.owner, {})).toBe("resource.not_found");
  expect(await refused(north.owner, { customer: south.ann.customer })).toBe("resource.not_found");
  for (const over of [
    { tenant_id: "southbank" },
    { owner: north.ben.user },
    { opening_balance: -1 },
    { opening_balance: 0.5 },
    { opening_balance: "7" },
    { opening_balance: 100_000_000_001 },
    { currency: "eur" },
    { currency: "€" },
  ]) {
    expect([over, await refused(north.owner, over)]).toEqual([over, "request.invalid"]);
  }
});

test("an account's number is sealed in the database, and a sealed value cannot be moved to another row", async () => {
  const { ask, at, north } = stage;
  const { body } = await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.ann });
  const read = async (id: string) => {
    const query = "select number, row_key from bank.account where account_id = $1";
    const [row] = await at.owner.query<{ number: Buffer; row_key: Buffer }>(query, [id]);
    if (row === undefined) throw new TypeError("the account is there");
    return row;
  };
  const write = async (id: string, row: { number: Buffer; row_key: Buffer }) => {
    const query = "update bank.account set number = $2, row_key = $3 where account_id = $1";
    await at.owner.query(query, [id, row.number, row.row_key]);
  };
  const [ann, ben] = [await read(north.ann.account), await read(north.ben.account)];
  expect(ann.number.includes(body.number)).toBe(false);

  for (const swapped of [
    { number: ben.number, row_key: ann.row_key },
    { number: ann.number, row_key: ben.row_key },
    ben,
  ]) {
    await write(north.ann.account, swapped);
    const answer = await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.ann });
    expect(answer.body).toEqual({
      type: "urn:ringwall:error:keys.decrypt_failed",
      title: "The value could not be opened.",
      status: 500,
      code: "keys.decrypt_failed",
      request_id: expect.any(String),
    });
  }
  await write(north.ann.account, ann);
  expect((await ask("GET", `/api/accounts/${north.ann.account}`, { as: north.ann })).status).toBe(200);
});

test("the bank's owner finds reads and refused looks in the audit, with the id that was asked for", async () => {
  const { ask, north, south } = stage;
  const missing = uuidv7(stage.clock());
  const read = await ask("GET", `/api/accounts/${north.ben.account}`, { as: north.ben });
  expect(read.status).toBe(200);
  await ask("GET", `/api/accounts/${south.ben.account}`, { as: north.ben });
  await ask("GET", `/api/accounts/${missing}`, { as: north.ben });
  await expect
    .poll(() => stage.audit(north.owner), { timeout: AUDIT_MS, interval: 200 })
    .toEqual(
      expect.arrayContaining([
        expect.objectContaining({ action: "account.read", targets: [{ type: "account", id: north.ben.account }] }),
        expect.objectContaining({ action: "access.denied", targets: [{ type: "id", id: south.ben.account }] }),
        expect.objectContaining({ action: "access.denied", targets: [{ type: "id", id: missing }] }),
      ]),
    );
  // The other bank is told nothing of a look that found nothing there.
  const other = await stage.audit(south.owner);
  const about = other.filter(({ targets }) => targets.some(({ id }) => id === south.ben.account));
  expect(about.map(({ action }) => action)).toEqual(["account.created"]);
});
