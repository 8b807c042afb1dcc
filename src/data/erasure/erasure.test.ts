import { generateKeyPairSync } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  PLATFORM_TENANT,
  RingwallError,
  silentLogger,
  statement,
  type TenantId,
  type UserId,
  uuidv7,
} from "../../core/index.ts";
import { NOTES, type RotationStage, rotationStage } from "../../testing/rotation/index.ts";
import { KEY_KEEPER } from "../keys/index.ts";
import { createErasures, type ErasureLedger, erasureSigner, readStatement } from "./index.ts";

const newSigner = () =>
  erasureSigner(generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString());

interface ListLedger extends ErasureLedger {
  readonly lines: string[];
  down: boolean;
}

function ledgerOf(...lines: string[]): ListLedger {
  const ledger = {
    lines,
    down: false,
    async append(line: string) {
      if (ledger.down) throw new RingwallError("internal");
      lines.push(line);
      await Promise.resolve();
    },
    async *read() {
      for (const line of lines.slice()) yield await Promise.resolve(line);
    },
  };
  return ledger;
}

let stage: RotationStage;
let count = 0;
const signer = newSigner();
const erasuresOver = (ledger: ErasureLedger, changes: Partial<Parameters<typeof createErasures>[0]> = {}) =>
  createErasures({
    worker: stage.db.worker,
    recorder: stage.recorder,
    ledger,
    signer,
    clock: stage.clock,
    log: silentLogger,
    ...changes,
  });

beforeAll(async () => {
  stage = await rotationStage();
});
afterAll(() => stage.close());

const newTenant = (): Promise<TenantId> => stage.db.createTenant(`tenant-${String((count += 1))}`);
const wanted = (tenant: TenantId) =>
  ({ actor: KEY_KEEPER, tenant, reason: "the contract ended", what: { subject: "tenant" } }) as const;
const live = async (tenant: TenantId) =>
  await stage.db.owner.query("select purpose from ringwall.tenant_key where tenant_id = $1 and wrapped is not null", [
    tenant,
  ]);
/** What a backup of the data holds: rows with their row keys, and the wrapped keys when they were in it too. */
const backup = async (tenant: TenantId) =>
  await stage.db.owner.query(
    "select purpose, version, master_id, wrapped, commitment from ringwall.tenant_key where tenant_id = $1",
    [tenant],
  );
async function restore(tenant: TenantId, keys: readonly Record<string, unknown>[]): Promise<void> {
  for (const table of ["erasure", "key_usage", "tenant_key"]) {
    await stage.db.owner.query(`delete from ringwall.${table} where tenant_id = $1`, [tenant]);
  }
  for (const { commitment, master_id, purpose, version, wrapped } of keys) {
    await stage.db.owner.query(
      `insert into ringwall.tenant_key (tenant_id, purpose, version, master_id, wrapped, commitment)
       values ($1, $2, $3, $4, $5, $6)`,
      [tenant, purpose, version, master_id, wrapped, commitment],
    );
  }
}

describe("an erased tenant", () => {
  test("opens nothing in any node, seals nothing new, and is suspended; others go on", async () => {
    const [gone, other] = [await newTenant(), await newTenant()];
    const [here, there] = [await stage.node(), await stage.node()];
    await stage.fill(here.keys, gone, 3);
    await stage.fill(here.keys, other, 3);
    await there.open(gone);
    const heard = new Promise<void>((resolve) => {
      const stop = stage.db.bus.subscribe(({ kind, tenant }) => {
        if (kind !== "tenant" || tenant !== gone) return;
        stop();
        resolve();
      });
    });
    await erasuresOver(ledgerOf()).erase(wanted(gone));
    await heard;
    for (const node of [here, there, await stage.node()]) {
      await expect(node.open(gone)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
      expect(await node.open(other)).toHaveLength(3);
    }
    for (const purpose of ["data", "vault", "objects"] as const) {
      await expect(async () => await here.keys.current(gone, purpose)).rejects.toMatchObject({ code: "keys.erased" });
    }
    await expect(here.keys.rotate(gone, "data", KEY_KEEPER)).rejects.toMatchObject({ code: "keys.erased" });
    expect(await live(gone)).toEqual([]);
    const [row] = await stage.db.owner.query("select status from ringwall.tenant where tenant_id = $1", [gone]);
    expect(row).toEqual({ status: "suspended" });
    expect(stage.recorder.events).toContainEqual(expect.objectContaining({ action: "tenant.erased", tenant: gone }));
  });

  test("still has a key for what is recorded about it from then on, and it survives a replay", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    const before = await node.keys.sealValue(tenant, "audit", ["detail", "1"], Buffer.from("before"));
    const ledger = ledgerOf();
    await erasuresOver(ledger).erase(wanted(tenant));
    const later = await stage.node();
    const after = await later.keys.sealValue(tenant, "audit", ["detail", "2"], Buffer.from("after"));
    expect(await erasuresOver(ledger).replay()).toMatchObject({ replayed: 0 });
    const again = await stage.node();
    expect((await again.keys.openValue(tenant, "audit", ["detail", "2"], after)).toString()).toBe("after");
    await expect(
      async () => await again.keys.openValue(tenant, "audit", ["detail", "1"], before),
    ).rejects.toMatchObject({
      code: "keys.decrypt_failed",
    });
  });

  test("stays erased when the database is restored from before: the ledger is carried out again", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 2);
    const kept = await backup(tenant);
    const ledger = ledgerOf();
    await erasuresOver(ledger).erase(wanted(tenant));
    await restore(tenant, kept);
    expect(await (await stage.node()).open(tenant)).toHaveLength(2);
    expect(await erasuresOver(ledger).replay()).toMatchObject({ replayed: 1, refused: 0 });
    await expect((await stage.node()).open(tenant)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    expect(await erasuresOver(ledger).replay()).toMatchObject({ replayed: 0 });
  });

  test("stays erased when keys alone are put back, whoever does it", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    const [key] = await backup(tenant);
    await erasuresOver(ledgerOf()).erase(wanted(tenant));
    const put = stage.db.owner.query(
      "update ringwall.tenant_key set state = 'active', wrapped = $2 where tenant_id = $1 and purpose = 'data'",
      [tenant, key?.["wrapped"]],
    );
    await expect(put).rejects.toThrow(/stays destroyed/);
    const plant = stage.db.owner.query(
      `insert into ringwall.tenant_key (tenant_id, purpose, version, master_id, wrapped, commitment)
       values ($1, 'data', 9, 'm', $2, sha256('x'))`,
      [tenant, key?.["wrapped"]],
    );
    await expect(plant).rejects.toThrow(/was erased/);
  });

  test("that was ordered and cut off is erased by the next start", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    const ledger = ledgerOf();
    stage.recorder.down = true;
    await expect(erasuresOver(ledger).erase(wanted(tenant))).rejects.toBeInstanceOf(RingwallError);
    stage.recorder.down = false;
    expect(await node.open(tenant)).toHaveLength(1);
    expect(await erasuresOver(ledger).replay()).toMatchObject({ orders: 1, replayed: 1 });
    await expect((await stage.node()).open(tenant)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    expect(ledger.lines.filter((line) => line.includes(`"tenant":"${tenant}"`))).toHaveLength(2);
  });

  test("is not erased when the ledger cannot be written", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    const ledger = ledgerOf();
    ledger.down = true;
    await expect(erasuresOver(ledger).erase(wanted(tenant))).rejects.toBeInstanceOf(RingwallError);
    expect(await (await stage.node()).open(tenant)).toHaveLength(1);
  });

  test("is never the platform", async () => {
    const refused = erasuresOver(ledgerOf()).erase(wanted(PLATFORM_TENANT));
    await expect(refused).rejects.toMatchObject({ code: "access.denied" });
    const shred = statement("attack.shred_platform", "select * from ringwall.tenant_shred(gen_random_uuid(), '{}', 1)");
    await expect(stage.db.worker.once(PLATFORM_TENANT, KEY_KEEPER, shred)).rejects.toBeInstanceOf(RingwallError);
  });

  test("a key that is made at that moment is destroyed or refused, never left over", async () => {
    for (let round = 0; round < 5; round += 1) {
      const tenant = await newTenant();
      const node = await stage.node();
      await stage.fill(node.keys, tenant, 1);
      const made = (["vault", "secrets", "objects", "identity"] as const).map(
        async (purpose) => void (await (await stage.node()).keys.current(tenant, purpose)),
      );
      await Promise.allSettled([...made, erasuresOver(ledgerOf()).erase(wanted(tenant))]);
      expect(await live(tenant)).toEqual([]);
    }
  });
});

describe("the ledger", () => {
  test("is not followed where nobody trusted signed it: a line that was planted erases nothing", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    const other = ledgerOf();
    const planted = newSigner().order({
      id: uuidv7(stage.clock()),
      subject: "tenant",
      tenant,
      place: "",
      name: "",
      reason: "planted",
      approver: "nobody",
      ordered_at: "2026-11-24T00:00:00.000Z",
      audit_version: 0,
    });
    other.lines.push(planted, "{}", "", "not JSON", planted.replace(tenant, PLATFORM_TENANT));
    expect(await erasuresOver(other).replay()).toMatchObject({ orders: 0, replayed: 0, refused: 5 });
    expect(await node.open(tenant)).toHaveLength(1);
  });

  test("of another node learns what the database knows", async () => {
    const tenant = await newTenant();
    const ledger = ledgerOf();
    await erasuresOver(ledgerOf()).erase(wanted(tenant));
    expect((await erasuresOver(ledger).replay()).copied).toBeGreaterThan(0);
    expect(ledger.lines.some((line) => line.includes(`"tenant":"${tenant}"`))).toBe(true);
    expect((await erasuresOver(ledger).replay()).copied).toBe(0);
  });
});

describe("a certificate", () => {
  test("names what was destroyed, and is checked with the public key alone", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    await stage.fill(node.keys, tenant, 1);
    await node.keys.rotate(tenant, "data", KEY_KEEPER);
    await node.keys.current(tenant, "vault");
    const { certificate, id } = await erasuresOver(ledgerOf()).erase(wanted(tenant));
    expect(readStatement(certificate, [signer.publicKey])).toMatchObject({
      schema: "ringwall.erasure.certificate.1",
      id,
      tenant,
      subject: "tenant",
      reason: "the contract ended",
      approver: "system:keys.manage",
      destroyed: [
        { purpose: "data", version: 1 },
        { purpose: "data", version: 2 },
        { purpose: "vault", version: 1 },
      ],
    });
    expect(readStatement(certificate, [newSigner().publicKey])).toBeUndefined();
    const [listed] = await erasuresOver(ledgerOf()).list(tenant, KEY_KEEPER);
    expect(listed?.certificate).toBe(certificate);
  });

  test("with any letter changed, added or taken away is none", () => {
    const line = signer.order({
      id: uuidv7(0),
      subject: "row",
      tenant: PLATFORM_TENANT,
      place: "shop.note",
      name: "1",
      reason: "“why”, said “they” \\ \u0007",
      approver: "somebody",
      ordered_at: "2026-11-24T00:00:00.000Z",
      audit_version: 0,
    });
    expect(readStatement(line, [signer.publicKey])).toMatchObject({ subject: "row" });
    fc.assert(
      fc.property(fc.nat(line.length - 1), fc.string({ maxLength: 2 }), (at, letters) => {
        const changed = line.slice(0, at) + letters + line.slice(at + 1);
        fc.pre(changed !== line);
        expect(readStatement(changed, [signer.publicKey])).toBeUndefined();
      }),
      { numRuns: 500 },
    );
    fc.assert(fc.property(fc.string(), (text) => readStatement(text, [signer.publicKey]) === undefined));
  });
});

/** Rows that an index still finds. */
async function tagged(tenant: TenantId): Promise<readonly string[]> {
  const rows = await stage.db.owner.query<{ note_id: string }>(
    "select note_id from shop.note where tenant_id = $1 and body_eq is not null",
    [tenant],
  );
  return rows.map(({ note_id: id }) => id);
}

describe("a row", () => {
  test("is erased alone, and a backup of its row is erased again by the ledger", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    const [gone = "", kept = ""] = await stage.fill(node.keys, tenant, 2);
    const [old] = await stage.db.owner.query<{ row_key: Buffer }>("select row_key from shop.note where note_id = $1", [
      gone,
    ]);
    const ledger = ledgerOf();
    const what = { subject: "row", place: NOTES, row: gone } as const;
    await stage.db.owner.query("update shop.note set body_eq = 'tag' where tenant_id = $1", [tenant]);
    await erasuresOver(ledger).erase({ ...wanted(tenant), what });
    expect(await tagged(tenant)).toEqual([kept]);
    await expect(node.openOne(tenant, gone)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    expect(await node.openOne(tenant, kept)).toMatch(/^note 1/);
    await stage.db.owner.query("update shop.note set row_key = $2 where note_id = $1", [gone, old?.row_key]);
    await stage.db.owner.query("delete from ringwall.erasure where tenant_id = $1", [tenant]);
    expect(await erasuresOver(ledger).replay()).toMatchObject({ replayed: 1 });
    await expect((await stage.node()).openOne(tenant, gone)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
  });

  test("of another tenant, or of a table that was not registered, is not reached", async () => {
    const [mine, other] = [await newTenant(), await newTenant()];
    const node = await stage.node();
    const [row = ""] = await stage.fill(node.keys, other, 1);
    const done = await erasuresOver(ledgerOf()).erase({ ...wanted(mine), what: { subject: "row", place: NOTES, row } });
    expect(readStatement(done.certificate, [signer.publicKey])).toMatchObject({ rows: 0 });
    expect(await node.openOne(other, row)).toMatch(/^note 0/);
    const what = { subject: "row", place: "ringwall.session", row } as const;
    await expect(erasuresOver(ledgerOf()).erase({ ...wanted(mine), what })).rejects.toMatchObject({
      code: "resource.not_found",
    });
  });
});

describe("a person", () => {
  test("loses their rows and what the audit log holds of them; the chain stays as it is", async () => {
    const tenant = await newTenant();
    const node = await stage.node();
    const [ann, ben] = [uuidv7(stage.clock()) as UserId, uuidv7(stage.clock()) as UserId];
    const [anns = ""] = await stage.fill(node.keys, tenant, 1, ann);
    const [bens = ""] = await stage.fill(node.keys, tenant, 1, ben);
    const entry = `insert into ringwall.audit_entry (tenant_id, position, event_id, occurred_at, action, leaf, hash, detail)
      values ($1, $2, gen_random_uuid(), now(), 'x', $3, sha256('x'), sha256('y'))`;
    const leaf = (user: string) => JSON.stringify({ actor: { session: "s", type: "user", user } });
    await stage.db.owner.query(entry, [tenant, 1, leaf(ann)]);
    await stage.db.owner.query(entry, [tenant, 2, leaf(ben)]);
    const what = { subject: "person", user: ann } as const;
    await stage.db.owner.query("update shop.note set body_eq = 'tag' where tenant_id = $1", [tenant]);
    const done = await erasuresOver(ledgerOf()).erase({ ...wanted(tenant), what });
    expect(readStatement(done.certificate, [signer.publicKey])).toMatchObject({ rows: 1, details: 1 });
    await expect(node.openOne(tenant, anns)).rejects.toMatchObject({ code: "keys.decrypt_failed" });
    expect(await node.openOne(tenant, bens)).toMatch(/^note 0/);
    expect(await tagged(tenant)).toEqual([bens]);
    const kept = await stage.db.owner.query(
      "select position::int as at, octet_length(detail) as length from ringwall.audit_entry where tenant_id = $1 order by 1",
      [tenant],
    );
    expect(kept).toEqual([
      { at: 1, length: 1 },
      { at: 2, length: 32 },
    ]);
  });

  test("erasing is the only change that a chained entry takes", async () => {
    const tenant = await newTenant();
    await stage.db.owner.query(
      `insert into ringwall.audit_entry (tenant_id, position, event_id, occurred_at, action, leaf, hash, detail)
       values ($1, 1, gen_random_uuid(), now(), 'x', '{}', sha256('x'), sha256('y'))`,
      [tenant],
    );
    for (const change of ["leaf = '{ }'", "detail = null", "detail = sha256('z')", "hash = sha256('z')"]) {
      const changed = stage.db.owner.query(`update ringwall.audit_entry set ${change} where tenant_id = $1`, [tenant]);
      await expect(changed, change).rejects.toThrow(/append-only/);
    }
    const removed = stage.db.owner.query("delete from ringwall.audit_entry where tenant_id = $1", [tenant]);
    await expect(removed).rejects.toThrow(/append-only/);
  });
});
