import { uuidv7 } from "ringwall/core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type BankStage, bankStage, type Person } from "../stage.fixture.ts";

const AUDIT_MS = 20_000;

let stage: BankStage;
let staff: Person;
beforeAll(async () => {
  stage = await bankStage();
  staff = await stage.enter(stage.north.owner, "admin", "adam@northbank.example");
});
afterAll(async () => {
  await stage.close();
});

async function write(as: Person, over: object = {}): Promise<string> {
  const { body } = await stage.ask("POST", "/api/documents", { as, body: { title: "Terms", body: "Text", ...over } });
  return body.id;
}

test("whoever may write writes documents, and everybody in the bank reads them", async () => {
  const { ask, north } = stage;
  const id = await write(north.ann, { title: "5 < 7 & 7 > 5", body: "<b>kept as sent</b>" });
  for (const as of [north.ann, north.ben, north.auditor, staff, north.owner]) {
    const { body } = await ask("GET", `/api/documents/${id}`, { as });
    expect(body).toEqual({ id, owner: north.ann.user, title: "5 < 7 & 7 > 5", body: "<b>kept as sent</b>" });
  }
  const { body } = await ask("GET", "/api/documents", { as: north.auditor });
  expect(body.items).toContainEqual({ id, owner: north.ann.user, title: "5 < 7 & 7 > 5" });
  const refused = await ask("POST", "/api/documents", { as: north.auditor, body: { title: "T", body: "" } });
  expect(refused.body).toMatchObject({ status: 403, code: "access.denied" });
});

test("another bank's document answers as one that is not there, to reading and to deleting", async () => {
  const { ask, north, south } = stage;
  const id = await write(south.ann);
  const missing = uuidv7(stage.clock());
  for (const [method, as] of [
    ["GET", north.ann],
    ["GET", north.owner],
    ["DELETE", north.owner],
    ["DELETE", staff],
  ] as const) {
    const answers = [
      await ask(method, `/api/documents/${id}`, { as }),
      await ask(method, `/api/documents/${missing}`, { as }),
    ];
    const texts = answers.map(({ body, text }) => text.replace(body.request_id, "-"));
    expect(texts[0]).toBe(texts[1]);
    expect(answers[0]?.body).toMatchObject({ status: 404, code: "resource.not_found" });
  }
  const { body } = await ask("GET", "/api/documents", { as: north.owner });
  expect(body.items.map((item: { id: string }) => item.id)).not.toContain(id);
  expect((await ask("GET", `/api/documents/${id}`, { as: south.ann })).status).toBe(200);
});

test("staff deletes documents; a customer deletes none, not even an own one, because the role does not hold it", async () => {
  const { ask, north } = stage;
  const id = await write(north.ann);
  for (const as of [north.ann, north.ben, north.auditor]) {
    const { body } = await ask("DELETE", `/api/documents/${id}`, { as });
    expect(body).toMatchObject({ status: 403, code: "access.denied" });
  }
  const deleted = await ask("DELETE", `/api/documents/${id}`, { as: staff });
  expect([deleted.status, deleted.text]).toEqual([204, ""]);
  expect((await ask("DELETE", `/api/documents/${id}`, { as: staff })).status).toBe(404);
  expect((await ask("GET", `/api/documents/${id}`, { as: north.ann })).status).toBe(404);
});

test("of several deletions at once one deletes, and one record says so", async () => {
  const { ask, north } = stage;
  const id = await write(north.ann);
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => ask("DELETE", `/api/documents/${id}`, { as: staff })),
  );
  expect(answers.map(({ status }) => status).toSorted((one, two) => one - two)).toEqual([
    204,
    ...Array.from({ length: 7 }, () => 404),
  ]);
  const deleted = (await stage.audit(north.owner, "document.deleted")).filter(({ targets }) => targets[0]?.id === id);
  expect(deleted).toHaveLength(1);
});

test("titles without HTML, texts within their length, no field that a document does not have", async () => {
  const { ask, north } = stage;
  for (const over of [
    { title: "<script>alert(1)</script>" },
    { title: "" },
    { title: " " },
    { title: "x".repeat(201) },
    { title: "line\nline" },
    { title: "\u202Egnp.exe" },
    { title: 7 },
    { body: "x".repeat(10_001) },
    { body: null },
    { owner: north.ben.user },
    { tenant_id: "southbank" },
    { id: uuidv7(stage.clock()) },
  ]) {
    const { body } = await ask("POST", "/api/documents", { as: north.ann, body: { title: "T", body: "", ...over } });
    expect([over, body.code]).toEqual([over, "request.invalid"]);
  }
  const sql = "'); drop table bank.document; --";
  const id = await write(north.ann, { title: sql, body: sql });
  expect((await ask("GET", `/api/documents/${id}`, { as: north.ann })).body).toMatchObject({ title: sql, body: sql });
});

test("writing, reading and deleting stand in the bank's audit", async () => {
  const { ask, north } = stage;
  const id = await write(north.ann);
  await ask("GET", `/api/documents/${id}`, { as: north.ben });
  await ask("DELETE", `/api/documents/${id}`, { as: staff });
  const seen = async () =>
    (await stage.audit(north.owner))
      .filter(({ targets }) => targets.some((target) => target.id === id))
      .map(({ action, actor }) => `${action} ${actor["user"] ?? actor["id"]}`)
      .toSorted();
  await expect
    .poll(seen, { timeout: AUDIT_MS, interval: 200 })
    .toEqual([
      `document.created ${north.ann.user}`,
      `document.deleted ${staff.user}`,
      `document.read ${north.ben.user}`,
    ]);
});
