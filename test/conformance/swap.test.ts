import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { RingwallError, type TenantId, tenantId } from "../../src/core/index.ts";
import { createFields, FIELD_OVERHEAD_BYTES, type Fields } from "../../src/data/fields/index.ts";
import { ROW_KEY_BYTES } from "../../src/data/keys/index.ts";
import { type MemoryKeyStore, testKeys } from "../../src/testing/keys.ts";
import { type ListeningRecorder, listeningRecorder } from "../../src/testing/recorder.ts";
import { damage, flipped, reencoded } from "../../src/testing/sealing/damage.ts";

const TENANTS = ["alpha-bank", "beta-bank", "alpha-bank-2", "platform-test"].map(tenantId);
// Names that run into each other when they are joined without lengths.
const TABLES = ["customer", "customer_a", "customer_archive"];
const COLUMNS = ["a", "ssn", "archive_ssn"] as const;
const ROWS = ["0198c1a0-0000-7000-8000-000000000001", "0198c1a0-0000-7000-8000-000000000002", "1"];
const VERSIONS = [1, 2];
const ROTATOR = { type: "system", capability: "keys.manage" } as const;
// The same everywhere, so that nothing but the place can make the difference.
const VALUE = "078-05-1120";

interface Cell {
  readonly tenant: TenantId;
  readonly table: string;
  readonly row: string;
  readonly column: (typeof COLUMNS)[number];
  readonly version: number;
  readonly rowKey: Buffer;
  readonly sealed: Buffer;
}

interface Stage {
  readonly fields: Fields;
  readonly store: MemoryKeyStore;
  readonly recorder: ListeningRecorder;
  readonly cells: readonly Cell[];
}

/** One cell for each tenant, table, row, column and version: each row is sealed once under each version of the key. */
async function stage(): Promise<Stage> {
  const { keys, store } = await testKeys();
  const recorder = listeningRecorder();
  const fields = createFields({ keys, recorder });
  const cells: Cell[] = [];
  for (const version of VERSIONS) {
    for (const tenant of TENANTS) {
      if (version > 1) await keys.rotate(tenant, "data", ROTATOR);
      for (const table of TABLES) {
        for (const row of ROWS) {
          const values = Object.fromEntries(COLUMNS.map((column) => [column, VALUE]));
          const { rowKey, sealed } = await fields.sealRow(tenant, { table, row, values });
          for (const column of COLUMNS) {
            const bytes = sealed[column] ?? Buffer.alloc(0);
            cells.push({ tenant, table, row, column, version, rowKey, sealed: bytes });
          }
        }
      }
    }
  }
  // Warm both versions, so that from here on every answer can come at once.
  for (const cell of cells) await fields.open(cell.tenant, cell, cell.sealed);
  return { fields, store, recorder, cells };
}

/** What opening gives: the value, or everything that a caller can see of the error. */
function outcome(open: () => string | Promise<string>): string | object {
  try {
    const opened = open();
    // A promise would mean that this one asked the database or the master, and the others did not.
    if (opened instanceof Promise) throw new TypeError("a warm key gives no promise");
    return opened;
  } catch (error) {
    if (!(error instanceof RingwallError)) throw error;
    const { name, code, message, status, retryAfterSeconds, cause, detail } = error;
    return {
      name,
      code,
      message,
      status,
      retryAfterSeconds,
      cause,
      fields: Object.keys(error),
      detail: Object.keys(detail),
    };
  }
}

const REFUSED = {
  name: "RingwallError",
  code: "keys.decrypt_failed",
  message: "The value could not be opened.",
  status: 500,
  retryAfterSeconds: undefined,
  cause: undefined,
  fields: ["name", "code", "detail", "retryAfterSeconds"],
  detail: ["tenant", "table", "row", "column", "keyVersion", "erased"],
};

describe("a sealed field", () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage();
  });

  test("opens in its own place, and costs 32 bytes; its row's record has 98", () => {
    for (const cell of s.cells) expect(s.fields.open(cell.tenant, cell, cell.sealed)).toBe(VALUE);
    expect(FIELD_OVERHEAD_BYTES).toBeLessThanOrEqual(48);
    expect(ROW_KEY_BYTES).toBeLessThanOrEqual(128);
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), fc.constantFrom(...s.cells), (value, cell) => {
        const sealed = s.fields.seal(cell.tenant, cell, value);
        if (sealed instanceof Promise) throw new TypeError("a warm key gives no promise");
        expect(sealed.length - Buffer.byteLength(value)).toBeLessThanOrEqual(48);
        expect(cell.rowKey.length).toBeLessThanOrEqual(128);
        expect(s.fields.open(cell.tenant, cell, sealed)).toBe(value);
      }),
    );
  });

  test("moved to every other tenant, table, column, row and version is accepted nowhere, and asks nobody", () => {
    const reads = s.store.reads;
    let moves = 0;
    let accepted = 0;
    for (const from of s.cells) {
      for (const to of s.cells) {
        if (from === to) continue;
        moves += 1;
        // The ciphertext alone, into the place of another one.
        const alone = outcome(() => s.fields.open(to.tenant, to, from.sealed));
        if (typeof alone === "string") accepted += 1;
        else if (moves % 97 === 0) expect(alone).toEqual(REFUSED);
      }
    }
    expect(moves).toBe(216 * 215);
    expect(moves).toBeGreaterThanOrEqual(10_000);
    expect(accepted).toBe(0);
    expect(s.store.reads).toBe(reads);
  });

  test("moved together with its row's record is accepted nowhere, but for its own older self", () => {
    let moves = 0;
    let accepted = 0;
    for (const from of s.cells) {
      for (const to of s.cells) {
        // A whole older row put back in its own place opens: the limit that the module's page states.
        const older = ["tenant", "table", "row", "column"].every(
          (part) => Reflect.get(from, part) === Reflect.get(to, part),
        );
        if (older) continue;
        moves += 1;
        const moved = outcome(() => s.fields.open(to.tenant, { ...to, rowKey: from.rowKey }, from.sealed));
        if (typeof moved === "string") accepted += 1;
        else if (moves % 97 === 0) expect(moved).toEqual(REFUSED);
      }
    }
    expect(moves).toBe(216 * 214);
    expect(accepted).toBe(0);
  });

  test("is audited with its place when it does not open, and nothing of the value", () => {
    const [from, to] = [s.cells[0], s.cells.at(-1)];
    if (from === undefined || to === undefined) throw new Error("the stage is empty");
    s.recorder.events.length = 0;
    outcome(() => s.fields.open(to.tenant, to, from.sealed));
    expect(s.recorder.events).toEqual([
      {
        action: "field.refused",
        outcome: "error",
        tenant: to.tenant,
        actor: { type: "system", capability: "fields.open" },
        targets: [{ type: to.table, id: to.row }],
        facts: { column: to.column, keyVersion: 2, erased: false },
      },
    ]);
    // Of a row of several columns, the one that failed is named.
    s.recorder.events.length = 0;
    const sealed = { a: s.cells.find((cell) => cell.rowKey === to.rowKey)?.sealed ?? to.sealed, ssn: from.sealed };
    expect(() => s.fields.openRow(to.tenant, { ...to, sealed })).toThrow("could not be opened");
    expect(s.recorder.events.map(({ facts }) => facts)).toEqual([{ column: "ssn", keyVersion: 2, erased: false }]);
  });

  test("that cannot be audited is an error all the same", () => {
    const [from, to] = [s.cells[0], s.cells.at(-1)];
    if (from === undefined || to === undefined) throw new Error("the stage is empty");
    s.recorder.down = true;
    try {
      expect(() => s.fields.open(to.tenant, to, from.sealed)).toThrow(
        expect.objectContaining({ code: "audit.unavailable" }),
      );
    } finally {
      s.recorder.down = false;
    }
  });
});

describe("damaged", () => {
  let s: Stage;
  beforeAll(async () => {
    s = await stage();
  });
  const first = (): Cell => {
    const cell = s.cells[0];
    if (cell === undefined) throw new Error("the stage is empty");
    return cell;
  };

  test("at any byte, cut, lengthened, re-encoded or of another version, a field is one and the same error", () => {
    const cell = first();
    const { sealed } = cell;
    const open = (bytes: Buffer) => outcome(() => s.fields.open(cell.tenant, cell, bytes));
    for (let at = 0; at < sealed.length; at += 1) {
      for (const mask of [1, 2, 4, 8, 16, 32, 64, 128, 255]) expect(open(flipped(sealed, at, mask))).toEqual(REFUSED);
      expect(open(sealed.subarray(0, at))).toEqual(REFUSED);
      expect(open(sealed.subarray(at + 1))).toEqual(REFUSED);
      expect(open(Buffer.concat([sealed, sealed.subarray(0, at + 1)]))).toEqual(REFUSED);
    }
    for (let version = 0; version < 256; version += 1) {
      if (version !== 1) expect(open(flipped(sealed, 0, 1 ^ version))).toEqual(REFUSED);
    }
    for (const encoding of ["hex", "base64", "base64url", "utf8"] as const) {
      expect(open(reencoded(sealed, encoding))).toEqual(REFUSED);
    }
    // Plaintext is never passed through.
    for (const text of [VALUE, "", "\u0001\u0001\u0001\u0001"]) expect(open(Buffer.from(text))).toEqual(REFUSED);
    fc.assert(
      fc.property(damage(sealed), (bytes) => {
        expect(open(bytes)).toEqual(REFUSED);
      }),
    );
  });

  test("anywhere, a row's record is the same error; only an unknown key version asks the database for it", async () => {
    const cell = first();
    const open = async (rowKey: Buffer): Promise<string> =>
      await s.fields.open(cell.tenant, { ...cell, rowKey }, cell.sealed);
    const refusal = async (rowKey: Buffer): Promise<object | string> => {
      try {
        return await open(rowKey);
      } catch (error) {
        return outcome(() => {
          throw error;
        });
      }
    };
    for (let at = 0; at < ROW_KEY_BYTES; at += 1) {
      expect(await refusal(flipped(cell.rowKey, at, 1))).toEqual(REFUSED);
      expect(await refusal(flipped(cell.rowKey, at, 255))).toEqual(REFUSED);
      expect(await refusal(cell.rowKey.subarray(0, at))).toEqual(REFUSED);
    }
    await fc.assert(
      fc.asyncProperty(damage(cell.rowKey), async (bytes) => {
        expect(await refusal(bytes)).toEqual(REFUSED);
      }),
    );
  });
});
