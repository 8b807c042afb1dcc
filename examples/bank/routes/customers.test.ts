import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BankStage, bankStage, PASSWORD } from "../stage.fixture.ts";

const ORIGIN = { requestId: "test" };

let stage: BankStage;
let next = 0;
beforeAll(async () => {
  stage = await bankStage();
});
afterAll(async () => {
  await stage.close();
});

function address(): string {
  next += 1;
  return `new-${next}@northbank.example`;
}

test("staff invites customers: the link leads to Ringwall's server, and whoever takes it is an editor of this bank", async () => {
  const { ask, north, ringwall } = stage;
  const { body, status } = await ask("POST", "/api/users", { as: north.owner, body: { email: address() } });
  expect(status).toBe(201);
  expect(body.link).toMatch(/^http:\/\/localhost:7400\/invitation#rwk_[A-Za-z0-9_-]{43}$/);
  expect(Date.parse(body.expires_at)).toBeGreaterThan(stage.clock());
  const token = String(body.link).split("#")[1] ?? "";
  const entered = await ringwall.identity.acceptInvitation({ token, name: "New", password: PASSWORD }, ORIGIN);
  const principal = await ringwall.identity.authenticate(entered.token.open());
  expect(principal).toMatchObject({ tenant: north.tenant, role: "editor", aal: 1 });
});

test("no role, no bank and nothing else comes from outside with an invitation", async () => {
  const { ask, north } = stage;
  for (const over of [
    { role: "owner" },
    { role: "editor" },
    { tenant_id: "southbank" },
    { tenant: "southbank" },
    { is_admin: true },
    { email: 7 },
    { email: "nobody" },
    { email: "a@b.example\r\nBcc: c@d.example" },
  ]) {
    const { body } = await ask("POST", "/api/users", { as: north.owner, body: { email: address(), ...over } });
    expect([over, body.status, body.code]).toEqual([over, 400, "request.invalid"]);
  }
  for (const as of [north.ann, north.auditor]) {
    const { body } = await ask("POST", "/api/users", { as, body: { email: address() } });
    expect(body).toMatchObject({ status: 403, code: "access.denied" });
  }
  const there = await ask("POST", "/api/users", { as: north.owner, body: { email: north.ann.email } });
  expect(there.body).toMatchObject({ status: 409, code: "resource.conflict" });
});

test("a customer record is staff's to open and to see; the national id is sealed in the database", async () => {
  const { ask, at, north } = stage;
  const person = await stage.enter(north.owner, "editor", address());
  const record = { user: person.user, name: "Zoë O'Neill", national_id: "19850412-0057/X" };
  const { body, status } = await ask("POST", "/api/customers", { as: north.owner, body: record });
  expect([status, body]).toEqual([201, { id: expect.any(String) }]);
  const seen = await ask("GET", `/api/customers/${body.id}`, { as: north.owner });
  expect(seen.body).toEqual({ id: body.id, ...record });
  for (const as of [person, north.ann, north.auditor]) {
    expect((await ask("GET", `/api/customers/${body.id}`, { as })).body.code).toBe("access.denied");
  }
  const query = "select national_id from bank.customer where customer_id = $1";
  const [row] = await at.owner.query<{ national_id: Buffer }>(query, [body.id]);
  expect(row?.national_id.includes("19850412")).toBe(false);
  const [other] = await at.owner.query<{ national_id: Buffer }>(query, [north.ben.customer]);
  await at.owner.query("update bank.customer set national_id = $2 where customer_id = $1", [
    body.id,
    other?.national_id,
  ]);
  const swapped = await ask("GET", `/api/customers/${body.id}`, { as: north.owner });
  expect(swapped.body).toMatchObject({ status: 500, code: "keys.decrypt_failed" });
  expect(Object.keys(swapped.body).toSorted()).toEqual(["code", "request_id", "status", "title", "type"]);
});

test("staff finds a customer by national id, in any spelling; other banks, other ids and customers find nothing", async () => {
  const { ask, at, north, south } = stage;
  const person = await stage.enter(north.owner, "editor", address());
  const record = { user: person.user, name: "Nora", national_id: "700101-9876/Q" };
  const opened = await ask("POST", "/api/customers", { as: north.owner, body: record });
  const find = async (as: Pick<typeof person, "token">, id: string) =>
    await ask("GET", `/api/customers?national_id=${encodeURIComponent(id)}`, { as });
  for (const spelling of ["700101-9876/Q", "7001019876q", "70 01 01 98 76 Q"]) {
    const { body, status } = await find(north.owner, spelling);
    expect([status, body]).toEqual([200, { items: [{ id: opened.body.id, user: person.user, name: "Nora" }] }]);
  }
  expect((await find(north.owner, "700101-9877/Q")).body).toEqual({ items: [] });
  expect((await find(south.owner, record.national_id)).body).toEqual({ items: [] });
  for (const as of [person, north.ann, north.auditor]) {
    expect((await find(as, record.national_id)).body.code).toBe("access.denied");
  }
  for (const id of ["", "<b>", "x".repeat(33)]) expect((await find(north.owner, id)).status).toBe(400);

  // Somebody who writes the database copies the tag of one record to another: the search opens it, and is not fooled.
  await at.owner.query(
    `update bank.customer set national_id_eq = (select national_id_eq from bank.customer where customer_id = $1)
     where customer_id = $2`,
    [opened.body.id, north.ben.customer],
  );
  expect((await find(north.owner, record.national_id)).body.items).toHaveLength(1);
  expect(stage.lines.join("")).not.toContain("9876");
});

test("one person has one record, and a person of the other bank is nobody here", async () => {
  const { ask, north, south } = stage;
  const record = { user: north.ann.user, name: "Ann", national_id: "19850412-0057" };
  const twice = await ask("POST", "/api/customers", { as: north.owner, body: record });
  expect(twice.body).toMatchObject({ status: 409, code: "resource.conflict" });
  for (const user of [south.ann.user, uuidv7(stage.clock())]) {
    const { body } = await ask("POST", "/api/customers", { as: north.owner, body: { ...record, user } });
    expect(body).toMatchObject({ status: 404, code: "resource.not_found" });
  }
  const foreign = await ask("GET", `/api/customers/${south.ann.customer}`, { as: north.owner });
  const missing = await ask("GET", `/api/customers/${uuidv7(stage.clock())}`, { as: north.owner });
  expect(foreign.text.replace(foreign.body.request_id, "-")).toBe(missing.text.replace(missing.body.request_id, "-"));
});

test("names and national ids have a form, and no field is taken that a record does not have", async () => {
  const { ask, north } = stage;
  const record = { user: north.auditor.user, name: "Vic", national_id: "19850412-0057" };
  for (const over of [
    { national_id: "<b>" },
    { national_id: "abc" },
    { national_id: "x".repeat(33) },
    { national_id: 198_504_120_057 },
    { name: "" },
    { name: "x".repeat(101) },
    { name: "a\u0000b" },
    { user: "me" },
    { id: uuidv7(stage.clock()) },
    { tenant_id: "southbank" },
    { row_key: "00" },
  ]) {
    const { body } = await ask("POST", "/api/customers", { as: north.owner, body: { ...record, ...over } });
    expect([over, body.status, body.code]).toEqual([
      over,
      400,
      expect.stringMatching(/^request\.(invalid|malformed)$/),
    ]);
  }
});

test("an id that the log and the audit show is no personal value; names stand there sealed", async () => {
  const { ask, north } = stage;
  const person = await stage.enter(north.owner, "editor", address());
  const record = { user: person.user, name: "Quentin Unusual", national_id: "770930-1132" };
  const { body } = await ask("POST", "/api/customers", { as: north.owner, body: record });
  const [created] = await stage.audit(north.owner, "customer.created");
  expect(created).toMatchObject({
    targets: [
      { type: "customer", id: body.id },
      { type: "user", id: person.user },
    ],
    detail: { personal: { name: "Quentin Unusual" } },
  });
  const leaves = await stage.at.owner.query<{ n: number }>(
    "select count(*)::int as n from ringwall.audit_entry where leaf like '%Quentin%' or leaf like '%1132%'",
  );
  expect(leaves[0]?.n).toBe(0);
  expect(stage.lines.join("")).not.toMatch(/Quentin|770930/);
});
