import { afterEach, expect, test } from "vitest";
import { silentLogger } from "../../core/index.ts";
import { listeningRecorder } from "../../testing/recorder.ts";
import { KEY_KEEPER } from "../keys/index.ts";
import { openRowsJob, type RotationParts, rewrapRows } from "../rotation/index.ts";
import { adopt, retagTable, undoAdoption } from "./index.ts";
import { REQUEST, type UpkeepStage, upkeepStage } from "./stage.fixture.ts";

let stage: UpkeepStage;
afterEach(async () => {
  await stage.close();
});

const rowsOf = async (tenant: string) =>
  await stage.db.owner.query<{
    client_id: string;
    row_key: Buffer | null;
    ssn_sealed: Buffer | null;
    ssn_sealed_eq: Buffer | null;
  }>("select client_id, row_key, ssn_sealed, ssn_sealed_eq from shop.client where tenant_id = $1", [tenant]);
const versionsOf = async (tenant: string): Promise<ReadonlySet<number | undefined>> =>
  new Set((await rowsOf(tenant)).map(({ row_key: record }) => record?.readUInt32BE(2)));
/** What an erasure does to a row. */
const erase = async (tenant: string, id: string) =>
  await stage.db.owner.query(
    "update shop.client set row_key = decode(repeat('00', 98), 'hex') where tenant_id = $1 and client_id = $2",
    [tenant, id],
  );

test("a tenant's rotation goes through a table that is being adopted, at every step of it", async () => {
  stage = await upkeepStage(300);
  const { db, keys, owner, tenants } = stage;
  const [north, south] = tenants;
  if (north === undefined || south === undefined) throw new Error("there are two tenants");
  const parts: RotationParts = {
    worker: db.worker,
    // The stage keeps its keys in memory, so one job goes on from version to version instead of ending with each.
    keys,
    recorder: listeningRecorder(),
    clock: db.clock,
    log: silentLogger,
    pace: async () => {},
    settleMs: 0,
  };
  for (const [goal, version] of [
    ["verify", 2],
    ["cut-over", 3],
    ["drop", 4],
  ] as const) {
    await adopt(owner(), REQUEST, goal);
    expect(await keys.rotate(north, "data", KEY_KEEPER)).toBe(version);
    const job = await rewrapRows(parts, await openRowsJob(parts, north));
    expect(job.done).toBe(300 * (version - 1));
    expect(job.total).toBe(job.done);
    expect(await versionsOf(north)).toEqual(new Set([version]));
    expect(await versionsOf(south)).toEqual(new Set([1]));
    expect(await stage.clients.openMany(north, await opening(north))).toHaveLength(300);
    if (goal === "drop") break;
  }
});

/** Rows whose twin is there, as they are opened. */
async function opening(tenant: string) {
  return (await rowsOf(tenant)).flatMap(({ client_id, row_key, ssn_sealed }) =>
    row_key === null || ssn_sealed === null ? [] : [{ client_id, row_key, ssn_sealed }],
  );
}

test("rows that were erased stay erased through adoption, tagging and undoing, and stop nobody else", async () => {
  stage = await upkeepStage(20);
  const { clients, owner, tenants } = stage;
  const [north] = tenants;
  if (north === undefined) throw new Error("there is a tenant");
  await adopt(owner(), REQUEST, "verify");
  await erase(north, "c7");
  // An application that knows the plaintext alone writes once more: the twin has to be made anew, under no key.
  await stage.db.owner.query("update shop.client set ssn_sealed = null where tenant_id = $1 and client_id = 'c7'", [
    north,
  ]);
  expect(await adopt(owner(), REQUEST, "cut-over")).toMatchObject({
    step: "cut",
    verified: { differences: 0, same: 39, erased: 1 },
  });
  const seen = async () => (await rowsOf(north)).find(({ client_id: id }) => id === "c7");
  const gone = await seen();
  expect(gone?.row_key).toEqual(Buffer.alloc(98));
  expect(gone?.ssn_sealed_eq).toBeNull();
  const read = (async () =>
    await clients.open(north, {
      client_id: "c7",
      row_key: gone?.row_key ?? Buffer.alloc(0),
      ssn_sealed: gone?.ssn_sealed ?? Buffer.alloc(0),
    }))();
  await expect(read).rejects.toMatchObject({ code: "keys.decrypt_failed", detail: { row: "c7", erased: true } });

  expect((await adopt(owner(), REQUEST, "drop")).step).toBe("dropped");
  await stage.keys.rotate(north, "index", KEY_KEEPER);
  expect(await retagTable(owner(), REQUEST.table)).toBeGreaterThanOrEqual(0);
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("cut");
  expect((await undoAdoption(owner(), REQUEST)).step).toBe("prepared");
  const back = await stage.db.owner.query<{ client_id: string; ssn: string }>(
    "select client_id, ssn from shop.client where tenant_id = $1",
    [north],
  );
  // The column may not be NULL, so what is left of an erased row is an empty text; the others are whole again.
  expect(back.find(({ client_id: id }) => id === "c7")?.ssn).toBe("");
  expect(back.filter(({ ssn }) => ssn.startsWith("100-00-"))).toHaveLength(19);
});
