import { sql } from "kysely";
import { registerSealedTable, wall } from "../../../migrations/index.ts";
import { openSql } from "../../adapters/postgres/index.ts";
import {
  type Clock,
  type Database,
  randomBytes,
  silentLogger,
  statement,
  type TenantId,
  uuidv7,
} from "../../core/index.ts";
import { createFields } from "../../data/fields/index.ts";
import { createKeys, databaseKeyStore, type Keys, type MasterKey, softwareMaster } from "../../data/keys/index.ts";
import type { RotationParts } from "../../data/rotation/index.ts";
import { type TestDatabase, testDatabase } from "../database.ts";
import { type ListeningRecorder, listeningRecorder } from "../recorder.ts";

export const NOTES = "shop.note";

const INSERT = statement(
  "test.insert_note",
  "insert into shop.note (note_id, person_id, body, row_key) values ($1, $2, $3, $4)",
);
const INSERT_MANY = statement(
  "test.insert_notes",
  `insert into shop.note (note_id, person_id, body, row_key)
   select id::uuid, person::uuid, decode(body, 'base64'), decode(key, 'base64')
     from unnest($1::text[], $2::text[], $3::text[], $4::text[]) as n (id, person, body, key)`,
);
const READ = statement<{ note_id: string; body: Buffer; row_key: Buffer }>(
  "test.read_notes",
  "select note_id::text, body, row_key from shop.note where $1::uuid is null or note_id = $1 order by note_id limit 5000",
);

/** One node: a key tree of its own over the shared database, and what rewraps there. */
export interface RotationNode {
  readonly keys: Keys;
  readonly parts: RotationParts;
  /** Every note of the tenant, opened. */
  open(tenant: TenantId): Promise<readonly string[]>;
  /** One note, opened. */
  openOne(tenant: TenantId, id: string): Promise<string>;
}

export type RotationStage = Awaited<ReturnType<typeof rotationStage>>;

/** A database with a registered table of sealed notes, a master key, and as many nodes as a test wants. */
export async function rotationStage(options: { connectionsMax?: number } = {}) {
  const db = await testDatabase(options);
  await createNotes(db);
  const recorder: ListeningRecorder = listeningRecorder();
  const time = { aheadMs: 0 };
  const clock: Clock = () => db.clock() + time.aheadMs;
  const master = randomBytes(32);
  const trees: Keys[] = [];

  async function node(
    changes: {
      readonly master?: MasterKey;
      readonly previousMasters?: readonly MasterKey[];
      readonly worker?: Database;
    } = {},
  ): Promise<RotationNode> {
    const store = databaseKeyStore({ own: db.database, database: db.database, recorder: () => recorder });
    const { previousMasters = [], worker = db.worker } = changes;
    const keys = await createKeys({
      master: changes.master ?? softwareMaster(Buffer.from(master)),
      previousMasters,
      store,
      bus: db.bus,
      clock,
    });
    trees.push(keys);
    const fields = createFields({ keys });
    const parts: RotationParts = {
      worker,
      keys,
      recorder,
      clock,
      log: silentLogger,
      pace: async () => {},
      settleMs: 0,
    };
    const opened = async (tenant: TenantId, id: string | null): Promise<string[]> => {
      const actor = { type: "service", tenant, name: "shop" } as const;
      const texts: string[] = [];
      for (const row of await db.client.once(tenant, actor, READ, [id])) {
        const place = { table: NOTES, row: row.note_id, rowKey: row.row_key, column: "body" };
        texts.push(await fields.open(tenant, place, row.body));
      }
      return texts;
    };
    return {
      keys,
      parts,
      open: (tenant) => opened(tenant, null),
      openOne: async (tenant, id) => (await opened(tenant, id))[0] ?? "",
    };
  }

  return {
    db,
    recorder,
    time,
    clock,
    master: () => softwareMaster(Buffer.from(master)),
    /** For processes that a test starts. */
    masterHex: master.toString("hex"),
    node,
    /** Seals and stores `count` notes of one person; gives their ids. */
    async fill(keys: Keys, tenant: TenantId, count: number, person = uuidv7(clock())): Promise<readonly string[]> {
      const fields = createFields({ keys, rowKeysMax: 0 });
      const actor = { type: "service", tenant, name: "shop" } as const;
      const ids: string[] = [];
      const columns: [string[], string[], string[], string[]] = [[], [], [], []];
      for (let index = 0; index < count; index += 1) {
        const id = uuidv7(clock());
        const { rowKey, sealed } = await fields.sealRow(tenant, {
          table: NOTES,
          row: id,
          values: { body: `note ${String(index)} of ${tenant}` },
        });
        ids.push(id);
        for (const [at, value] of [id, person, sealed.body.toString("base64"), rowKey.toString("base64")].entries()) {
          columns[at]?.push(value);
        }
      }
      await db.client.once(tenant, actor, INSERT_MANY, columns);
      return ids;
    },
    /** Stores one note as it is. */
    async put(tenant: TenantId, row: readonly [string, string, Buffer, Buffer]): Promise<void> {
      await db.client.once(tenant, { type: "service", tenant, name: "shop" }, INSERT, row);
    },
    /** How many notes are wrapped under which version. */
    async versions(tenant: TenantId): Promise<Record<string, number>> {
      const rows = await db.owner.query<{ version: number; count: number }>(
        `select ('x' || encode(substring(row_key from 3 for 4), 'hex'))::bit(32)::int as version, count(*)::int as count
           from shop.note where tenant_id = $1 group by 1 order by 1`,
        [tenant],
      );
      return Object.fromEntries(rows.map(({ count, version }) => [version, count]));
    },
    async close(): Promise<void> {
      for (const keys of trees) keys.close();
      await db.close();
    },
  };
}

async function createNotes(db: TestDatabase): Promise<void> {
  const owner = openSql(db.target("ringwall_migrate"));
  await sql`create schema shop`.execute(owner);
  await sql`grant usage on schema shop to bank_app`.execute(owner);
  await sql`
    create table shop.note (
      tenant_id ringwall.tenant_ref not null default ringwall.tenant(),
      note_id   uuid  not null,
      person_id uuid  not null,
      body      bytea not null,
      body_eq   bytea,
      row_key   bytea not null check (octet_length(row_key) = 98),
      primary key (tenant_id, note_id)
    )`.execute(owner);
  await wall(owner, NOTES, { bank_app: ["select", "insert"] });
  await registerSealedTable(owner, {
    table: NOTES,
    row: "note_id",
    rowKey: "row_key",
    person: "person_id",
    tags: ["body_eq"],
  });
  await owner.destroy();
}
