import { type AuditEvent, type Recorder, RingwallError, type SystemActor, type TenantId } from "../../core/index.ts";
import { decryptFailed, isErasedRowKey, ROW_KEY_BYTES, type RowPlace } from "../keys/index.ts";
import type { StoredRow } from "./row-key-cache.ts";

// The version of the wrapping key in a record: see row-key.ts of the keys.
const KEY_VERSION_AT = 2;
// A table, a column or a UUID is shorter; an entry of the audit holds no more of a longer one.
const NAME_CHARS_MAX = 64;
const OPENER: SystemActor = { type: "system", capability: "fields.open" };

/** The column that is being opened; `""` while it is the row key. Whoever opens several writes here which one it is at. */
export interface OpeningAt {
  column: string;
}

/**
 * Runs what opens something of one row, and is where every failure to open ends, whatever it was: one error that names
 * the place and not the reason, and one note for the audit. What is not a failure to open goes on as it is.
 */
export interface Locator {
  now<Result>(tenant: TenantId, place: StoredRow, at: Readonly<OpeningAt>, work: () => Result): Result;
  /** For keys that may have to be loaded first. */
  soon<Result>(
    tenant: TenantId,
    place: StoredRow,
    at: Readonly<OpeningAt>,
    work: () => Result | Promise<Result>,
  ): Result | Promise<Result>;
}

/** @param recorder - Told of every value that could not be opened, as `field.refused`. */
export function locator(recorder: Recorder | undefined): Locator {
  const refuse = (error: unknown, tenant: TenantId, place: StoredRow, { column }: OpeningAt): never => {
    if (!(error instanceof RingwallError) || error.code !== "keys.decrypt_failed") throw error;
    const found = refusal(tenant, place, column, error.detail["erased"] === true);
    recorder?.note(auditEvent(found));
    throw decryptFailed({ ...found });
  };
  const now: Locator["now"] = (tenant, place, at, work) => {
    try {
      return work();
    } catch (error) {
      return refuse(error, tenant, place, at);
    }
  };
  return {
    now,
    soon(tenant, place, at, work) {
      const result = now(tenant, place, at, work);
      return result instanceof Promise ? result.catch((error: unknown) => refuse(error, tenant, place, at)) : result;
    },
  };
}

/** Where opening failed, for the log and the audit: which tenant, row, column and key, and whether it was erased; no other reason. */
interface RefusedPlace extends RowPlace {
  readonly tenant: TenantId;
  readonly column: string;
  /** The version of the tenant's key that the record names; 0 when it is no record. */
  readonly keyVersion: number;
  /** The row's key or the tenant's was destroyed on purpose: nothing that anybody has to look into. */
  readonly erased: boolean;
}

function refusal(tenant: TenantId, place: StoredRow, column: string, tenantErased: boolean): RefusedPlace {
  const keyVersion = place.rowKey.length === ROW_KEY_BYTES ? place.rowKey.readUInt32BE(KEY_VERSION_AT) : 0;
  const erased = tenantErased || isErasedRowKey(place.rowKey);
  return { tenant, table: place.table, row: place.row, column, keyVersion, erased };
}

function auditEvent({ tenant, table, row, column, keyVersion, erased }: RefusedPlace): AuditEvent {
  return {
    action: "field.refused",
    outcome: "error",
    tenant,
    actor: OPENER,
    targets: [{ type: short(table), id: short(row) }],
    facts: { column: short(column), keyVersion, erased },
  };
}

/** Names that a caller may have from outside: what an entry holds of them is bounded. */
function short(name: string): string {
  return name.slice(0, NAME_CHARS_MAX).toWellFormed();
}
