import { readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type AuditFixture, auditFixture, newSigner, tagSealer, transfer } from "../../testing/audit-stage.ts";
import { formatHead, HeadVerifier, signHead, verifyAudit } from "./index.ts";

// Everything here is done as superuser of the database, with triggers switched off: the attack that signed heads and
// their copies are there for.
let audit: AuditFixture;

beforeEach(async () => {
  audit = await auditFixture();
  for (let amount = 1; amount <= 6; amount += 1) await audit.act(transfer(audit.a, amount));
  await audit.act(transfer(audit.b, 1));
  await audit.chain();
  for (let amount = 7; amount <= 10; amount += 1) await audit.act(transfer(audit.a, amount));
  await audit.chain();
});
afterEach(async () => {
  await audit.close();
});

async function problemOf(tenant = audit.a) {
  const report = await audit.verify();
  expect(report.ok).toBe(false);
  return report.tenants.find((found) => found.tenant === tenant)?.problem;
}

/** The chain computed anew inside the database over whatever leaves are there now. */
const RECHAIN = `
  declare h bytea := sha256('\\x02'::bytea || convert_to('bank-a', 'UTF8')); e record; n bigint := 0;
  begin
    for e in select position, leaf from ringwall.audit_entry where tenant_id = 'bank-a' order by position loop
      h := sha256('\\x01'::bytea || h || sha256('\\x00'::bytea || convert_to(e.leaf, 'UTF8')));
      n := e.position;
      update ringwall.audit_entry set hash = h where tenant_id = 'bank-a' and position = e.position;
    end loop;
    update ringwall.audit_head set hash = h, size = n where tenant_id = 'bank-a';
  end`;

test("an untouched log is verified to its end, for every tenant", async () => {
  expect(await audit.verify()).toEqual({
    ok: true,
    tenants: [
      { tenant: audit.a, verified: 10, signed: 10, copied: 10, erased: 0, problem: undefined },
      { tenant: audit.b, verified: 1, signed: 1, copied: 1, erased: 0, problem: undefined },
    ],
  });
});

test("chaining anew what was not changed changes nothing, so the attack below computes the right chain", async () => {
  await audit.tamper(RECHAIN);
  expect((await audit.verify()).ok).toBe(true);
});

test("a rewritten leaf is named", async () => {
  await audit.tamper(
    `update ringwall.audit_entry set leaf = regexp_replace(leaf, '"amount":\\d+', '"amount":999') where tenant_id = 'bank-a' and position = 4`,
  );
  expect(await problemOf()).toMatchObject({ kind: "rewritten", position: 4 });
});

test("an entry removed from the middle is named", async () => {
  await audit.tamper("delete from ringwall.audit_entry where tenant_id = 'bank-a' and position = 5");
  expect(await problemOf()).toMatchObject({ kind: "missing", position: 5 });
});

test("an entry removed and the rest moved up is named", async () => {
  await audit.tamper(
    "delete from ringwall.audit_entry where tenant_id = 'bank-a' and position = 5",
    "update ringwall.audit_entry set position = position + 100 where tenant_id = 'bank-a' and position > 5",
    "update ringwall.audit_entry set position = position - 101 where tenant_id = 'bank-a' and position > 100",
    RECHAIN,
    "delete from ringwall.audit_head_signed where tenant_id = 'bank-a'",
  );
  expect(await problemOf()).toMatchObject({ kind: "signed_head_differs", position: 1 });
});

test("a tail cut off with every head that spoke of it is named", async () => {
  await audit.tamper(
    "delete from ringwall.audit_entry where tenant_id = 'bank-a' and position > 6",
    "delete from ringwall.audit_head_signed where tenant_id = 'bank-a' and size > 6",
    "update ringwall.audit_head set size = 6, hash = (select hash from ringwall.audit_entry where tenant_id = 'bank-a' and position = 6) where tenant_id = 'bank-a'",
  );
  expect(await problemOf()).toEqual({
    kind: "truncated",
    position: 7,
    message: "the database has 6 entries, a signed head says 10",
  });
});

test("a log emptied altogether is found by its copies", async () => {
  await audit.tamper("truncate ringwall.audit_entry, ringwall.audit_head, ringwall.audit_head_signed");
  expect(await problemOf(audit.a)).toMatchObject({ kind: "truncated", position: 1 });
  expect(await problemOf(audit.b)).toMatchObject({ kind: "truncated", position: 1 });
});

test("a leaf rewritten and everything chained anew from there is named by what was signed", async () => {
  await audit.tamper(
    `update ringwall.audit_entry set leaf = regexp_replace(leaf, '"amount":\\d+', '"amount":999') where tenant_id = 'bank-a' and position = 8`,
    RECHAIN,
    "delete from ringwall.audit_head_signed where tenant_id = 'bank-a'",
  );
  expect(await problemOf()).toEqual({
    kind: "signed_head_differs",
    position: 7,
    message: "entries #7 to #10 are not those whose head was signed outside the database",
  });
});

test("two entries exchanged are named", async () => {
  await audit.tamper(
    "update ringwall.audit_entry set position = 99 where tenant_id = 'bank-a' and position = 3",
    "update ringwall.audit_entry set position = 3 where tenant_id = 'bank-a' and position = 8",
    "update ringwall.audit_entry set position = 8 where tenant_id = 'bank-a' and position = 99",
  );
  expect(await problemOf()).toMatchObject({ kind: "rewritten", position: 3 });
});

test("a head signed with another key, or changed, is named", async () => {
  const head = await audit.source.head(audit.a);
  const hash = head?.hash ?? Buffer.alloc(32);
  const forged = formatHead(signHead(newSigner(), { tenant: audit.a, size: 10, hash }, "2026-01-01T00:00:00.000Z"));
  await audit.tamper(
    `update ringwall.audit_head_signed set signed = '${forged}' where tenant_id = 'bank-a' and size = 10`,
  );
  expect(await problemOf()).toMatchObject({ kind: "head_forged", position: 10 });
});

test("entries put in behind the sequencer's back are named, and the sequencer does not sign them", async () => {
  await audit.tamper(
    `insert into ringwall.audit_entry (tenant_id, position, event_id, occurred_at, action, leaf, hash)
     select 'bank-a', 11, '01900000-0000-7000-8000-000000000001', occurred_at, action,
            replace(leaf, event_id::text, '01900000-0000-7000-8000-000000000001'), hash
       from ringwall.audit_entry where tenant_id = 'bank-a' and position = 10`,
    "update ringwall.audit_entry set detail = null where position = 11",
    RECHAIN,
  );
  expect((await problemOf())?.position).toBe(11);
});

test("a detail exchanged for another is named", async () => {
  await audit.tamper(
    `update ringwall.audit_entry set detail = (select detail from ringwall.audit_entry where tenant_id = 'bank-a' and position = 2)
      where tenant_id = 'bank-a' and position = 3`,
  );
  expect(await problemOf()).toMatchObject({ kind: "detail_mismatch", position: 3 });
});

test("a copy that is damaged is a finding, not a pass", async () => {
  await writeFile(join(audit.folder, "bank-a.jsonl"), "{}\n");
  expect(await problemOf()).toMatchObject({ kind: "copy_damaged" });
});

test("signatures of a key that is not trusted prove nothing", async () => {
  const report = await verifyAudit({ ...audit, seal: tagSealer, verifier: new HeadVerifier([newSigner().publicKey]) });
  expect(report.tenants.map(({ problem }) => problem?.kind)).toEqual(["head_forged", "head_forged"]);
});

test("one tenant's trouble does not hide another's health", async () => {
  await audit.tamper("delete from ringwall.audit_entry where tenant_id = 'bank-a' and position = 5");
  const report = await audit.verify();
  expect(report.tenants.find(({ tenant }) => tenant === audit.b)).toMatchObject({ verified: 1, problem: undefined });
});

test("a database behind its copies stops the sequencer, and nothing is signed on top of it", async () => {
  await audit.tamper(
    "delete from ringwall.audit_entry where tenant_id = 'bank-a' and position > 6",
    "delete from ringwall.audit_head_signed where tenant_id = 'bank-a' and size > 6",
    "update ringwall.audit_head set size = 6, hash = (select hash from ringwall.audit_entry where tenant_id = 'bank-a' and position = 6) where tenant_id = 'bank-a'",
  );
  await audit.act(transfer(audit.a, 99));
  const sequencer = audit.sequencer();
  await expect(sequencer.start()).rejects.toMatchObject({
    code: "audit.unavailable",
    detail: { reason: "the database is behind a signed head", tenant: audit.a },
  });
  expect(sequencer.status()).toMatchObject({ state: "stopped", appended: 0 });
  expect(await audit.count("audit_outbox")).toBe(1);
});

test("a database that differs from its copies, or lost a tenant, stops the sequencer", async () => {
  await audit.tamper(
    `update ringwall.audit_entry set leaf = regexp_replace(leaf, '"amount":\\d+', '"amount":999') where tenant_id = 'bank-a' and position = 8`,
    RECHAIN,
  );
  await expect(audit.sequencer().start()).rejects.toMatchObject({
    detail: { reason: "the database differs from a signed head" },
  });
  await audit.tamper("truncate ringwall.audit_entry, ringwall.audit_head, ringwall.audit_head_signed");
  await expect(audit.sequencer().start()).rejects.toMatchObject({ code: "audit.unavailable" });
});

test("a database rewritten under a running sequencer stops it at the next batch", async () => {
  const sequencer = audit.sequencer();
  await sequencer.drain();
  await audit.tamper(
    `update ringwall.audit_entry set leaf = regexp_replace(leaf, '"amount":\\d+', '"amount":999') where tenant_id = 'bank-a' and position = 8`,
    RECHAIN,
  );
  await audit.act(transfer(audit.a, 99));
  await expect(sequencer.drain()).rejects.toMatchObject({
    detail: { reason: "the database has another head than the one last written" },
  });
  await expect(sequencer.step()).rejects.toMatchObject({ code: "audit.unavailable" });
});

test("without copies the signatures inside still show a rewrite", async () => {
  for (const name of await readdir(audit.folder)) await rm(join(audit.folder, name));
  await audit.tamper(
    `update ringwall.audit_entry set leaf = regexp_replace(leaf, '"amount":\\d+', '"amount":999') where tenant_id = 'bank-a' and position = 2`,
    RECHAIN,
  );
  expect(await problemOf()).toMatchObject({ kind: "signed_head_differs", position: 1 });
});
