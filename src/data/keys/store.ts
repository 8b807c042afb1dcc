import {
  type Actor,
  assert,
  type Database,
  PLATFORM_TENANT,
  type Recorder,
  type SqlValue,
  type SystemActor,
  statement,
  type TenantId,
} from "../../core/index.ts";
import type { KeyPlace, KeyPurpose } from "./tenant-key.ts";

/** One version of a tenant's key as it is stored: wrapped, and named by the master key that wraps it. */
export interface WrappedKey {
  readonly tenant: TenantId;
  readonly purpose: KeyPurpose;
  readonly version: number;
  readonly masterId: string;
  /** Empty when it was destroyed. */
  readonly wrapped: Buffer;
  readonly commitment: Buffer;
  /** Left out while it is active. A retired version is not opened any more, a destroyed one cannot be. */
  readonly state?: "retired" | "destroyed";
}

/** Where wrapped keys live. The highest version is the current one; a version's key never changes. */
export interface KeyStore {
  /** All versions there ever were, newest first. */
  read(tenant: TenantId, purpose: KeyPurpose): Promise<readonly WrappedKey[]>;
  /** Stores a version and tells every node of a rotation. False when that version is there already; it is left as it is then. */
  add(key: WrappedKey, actor: Actor): Promise<boolean>;
  /** Counts `uses` of a version before they happen. Returns how many were counted by everybody so far. */
  reserve(key: KeyPlace, uses: number): Promise<number>;
  /** Whose keys were rotated, retired or erased since an earlier answer; without one, from when to ask. */
  changes(since: string | undefined): Promise<KeyChanges>;
}

/** One answer about what changed. Some of it may have been told before. */
export interface KeyChanges {
  /** To be asked with the next time. */
  readonly upto: string;
  readonly changed: readonly { readonly tenant: TenantId; readonly change: string }[];
}

/** The capability under which keys are read and made on a tenant's behalf. */
export const KEY_KEEPER: SystemActor = { type: "system", capability: "keys.manage" };

// Four rotations a year for sixteen years; the read stays one small page.
export const KEY_VERSIONS_MAX = 64;

interface Row {
  readonly version: number;
  readonly state: "active" | "retired" | "destroyed";
  readonly master_id: string;
  readonly wrapped: Buffer | null;
  readonly commitment: Buffer;
}

const READ = statement<Row>(
  "keys.read",
  `select version, state, master_id, wrapped, commitment
     from ringwall.tenant_key
    where purpose = $1
    order by version desc
    limit 64`,
);

// Two processes may make a tenant's first key at once: one insert wins, the other waits for it, then reads it. An erased
// tenant gets none; a trigger says so too, but an error would end the transaction.
const ADD = statement<{ version: number }>(
  "keys.add",
  `insert into ringwall.tenant_key (purpose, version, master_id, wrapped, commitment)
   select $1, $2, $3, $4, $5
    where $1 = 'audit' or not exists (
      select from ringwall.erasure where tenant_id = ringwall.tenant() and subject = 'tenant')
   on conflict (tenant_id, purpose, version) do nothing
   returning version`,
);

const CHANGES = statement<{ upto: string; tenant_id: TenantId | null; changed: string | null }>(
  "keys.changes",
  "select upto, tenant_id, changed from ringwall.key_epoch_since($1)",
);

const RESERVE = statement<{ reserved: bigint }>(
  "keys.reserve",
  `insert into ringwall.key_usage as u (purpose, version, reserved) values ($1, $2, $3)
   on conflict (tenant_id, purpose, version) do update set reserved = u.reserved + excluded.reserved
   returning reserved`,
);

/**
 * Wrapped keys in the table `ringwall.tenant_key`, behind the tenant wall.
 *
 * @param options.own - Connections for keys alone. A key may be needed by whoever already holds one of the others (to
 * record, to seal): taken from the same pool, all would wait for each other.
 * @param options.database - For rotations, which record and so may need a key themselves.
 * @param options.recorder - Asked for when first needed, since audit itself needs keys. A rotation commits with its record; a
 * first key, which nobody asks for, is noted after it is there: its record may need that very key.
 */
export function databaseKeyStore(options: {
  readonly own: Database;
  readonly database: Database;
  readonly recorder: () => Recorder | undefined;
}): KeyStore {
  const { own, database, recorder } = options;
  return {
    async read(tenant, purpose) {
      const rows = await own.once(tenant, KEY_KEEPER, READ, [purpose]);
      return rows.map((row) => ({
        tenant,
        purpose,
        version: row.version,
        masterId: row.master_id,
        wrapped: row.wrapped ?? Buffer.alloc(0),
        commitment: row.commitment,
        ...(row.state === "active" ? {} : { state: row.state }),
      }));
    },
    async reserve({ tenant, purpose, version }, uses) {
      const [row] = await own.once(tenant, KEY_KEEPER, RESERVE, [purpose, version, uses]);
      assert(row !== undefined, "what was counted is told");
      return Number(row.reserved);
    },
    async changes(since) {
      const rows = await own.once(PLATFORM_TENANT, KEY_KEEPER, CHANGES, [since ?? null]);
      const [first] = rows;
      assert(first !== undefined, "what is asked is answered");
      return {
        upto: first.upto,
        changed: rows.flatMap(({ changed, tenant_id: tenant }) =>
          tenant === null || changed === null ? [] : [{ tenant, change: changed }],
        ),
      };
    },
    async add(key, actor) {
      const first = key.version === 1;
      const event = {
        action: first ? ("key.created" as const) : ("key.rotated" as const),
        outcome: "success" as const,
        tenant: key.tenant,
        actor,
        targets: [{ type: "key", id: key.purpose }],
        facts: { version: key.version },
      };
      const values: SqlValue[] = [key.purpose, key.version, key.masterId, key.wrapped, key.commitment];
      const added = await (first ? own : database).forTenant(key.tenant, actor, async (tx) => {
        const rows = await tx.run(ADD, values);
        if (rows.length === 0) return false;
        // Nobody can have kept what was not there: a first key needs no message.
        if (first) return true;
        tx.invalidate({ kind: "key", tenant: key.tenant, id: key.purpose });
        await recorder()?.record(tx, event);
        return true;
      });
      if (added && first) recorder()?.note(event);
      return added;
    },
  };
}
