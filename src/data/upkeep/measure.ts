import { assert, type TenantId } from "../../core/index.ts";
import type { AnyTable } from "../fields/index.ts";
import {
  type Leakage,
  measureLeakage,
  type NormaliserName,
  normalise,
  type Observation,
  shareAlone,
} from "../indexes/index.ts";
import type { Owner } from "./owner.ts";
import { forEachPage, isLiving, readSealedTable, type SealedRecord, seeing } from "./sealed-table.ts";

/** More rows of a tenant than this change the shares in no digit that is shown. */
export const MEASURED_ROWS_MAX = 100_000;

/** What one thing that is seen of a column tells, over all tenants. Shares are of the rows that hold a value. */
export interface MeasuredPart extends Leakage {
  /** The sealed column. */
  readonly of: string;
  /** The index column, or `length` for how long the sealed value is. */
  readonly by: string;
  /** Stored in full: equality is told, and nothing else is claimed of it. */
  readonly unique: boolean;
  /** The tenant of whom most is learnt beyond guessing. */
  readonly worst: { readonly tenant: TenantId; readonly frequency: number; readonly guessing: number } | undefined;
}

/** What somebody with the database and without keys learns of a table. */
export interface TableLeakage {
  readonly table: string;
  readonly tenants: number;
  readonly rows: number;
  readonly parts: readonly MeasuredPart[];
  /** The share of rows that no other row of their tenant looks like, all tags and lengths taken together. */
  readonly alone: number;
}

interface Part {
  readonly of: string;
  readonly by: string;
  readonly unique: boolean;
  readonly normaliser: NormaliserName;
  readonly see: (row: SealedRecord) => string | null;
}

/**
 * Opens a table's rows and holds what they hold against what can be seen without keys. Each tenant is attacked by itself,
 * since tags of two tenants have nothing in common.
 */
export async function measureTable(
  owner: Owner,
  name: string,
  rowsMax: number = MEASURED_ROWS_MAX,
): Promise<TableLeakage> {
  const table = await readSealedTable(owner.db, name);
  const parts = partsOf(table);
  const byPart = new Map<Part, { tenant: TenantId; leakage: Leakage }[]>(parts.map((part) => [part, []]));
  let rows = 0;
  let alone = 0;
  let tenants = 0;
  await seeing(owner, name, async () => {
    for (const tenant of await owner.tenants()) {
      const observed = await observe(owner, table, parts, tenant, rowsMax);
      if (observed.looks.length === 0) continue;
      tenants += 1;
      rows += observed.looks.length;
      alone += shareAlone(observed.looks) * observed.looks.length;
      for (const [part, observations] of observed.byPart) {
        byPart.get(part)?.push({ tenant, leakage: measureLeakage(observations) });
      }
    }
  });
  return {
    table: name,
    tenants,
    rows,
    parts: [...byPart].map(([part, measured]) => joined(part, measured)),
    alone: rows === 0 ? 0 : alone / rows,
  };
}

function partsOf(table: AnyTable): readonly Part[] {
  const tags = table.indexes.map(
    ({ declared, spec }): Part => ({
      of: spec.column,
      by: declared.column,
      unique: declared.unique === true,
      normaliser: spec.normaliser,
      see: (row) => text(row[declared.column]),
    }),
  );
  const lengths = table.columns.map(
    ({ name }): Part => ({
      of: name,
      by: "length",
      unique: false,
      normaliser: "exact",
      see: (row) => (row[name] === null ? null : String(text(row[name])?.length)),
    }),
  );
  return [...tags, ...lengths];
}

function text(cell: unknown): string | null {
  if (cell === null) return null;
  if (typeof cell === "string") return cell;
  assert(Buffer.isBuffer(cell), "a sealed cell is bytes or text");
  return cell.toString("hex");
}

async function observe(owner: Owner, table: AnyTable, parts: readonly Part[], tenant: TenantId, rowsMax: number) {
  const byPart = new Map<Part, Observation[]>(parts.map((part) => [part, []]));
  const looks: string[] = [];
  const sealing = owner.fields.table(table);
  await forEachPage(
    owner,
    table,
    tenant,
    async (rows) => {
      // A row that was never sealed (its adoption is under way) has no key, and an erased one opens no more.
      const sealed = rows.filter((row) => isLiving(row[table.rowKey]));
      const opened = await sealing.openMany(tenant, sealed);
      sealed.forEach((row, at) => {
        for (const part of parts) {
          const value = opened[at]?.[part.of] ?? null;
          const kept = value === null || value === "" ? value : (normalise(part.normaliser, value) ?? "");
          byPart.get(part)?.push({ seen: part.see(row), value: kept });
        }
        looks.push(JSON.stringify(parts.map((part) => part.see(row))));
      });
    },
    { rowsMax },
  );
  return { byPart, looks };
}

/** Sums counts, and weighs shares by the rows that hold a value. */
function joined({ by, of, unique }: Part, measured: readonly { tenant: TenantId; leakage: Leakage }[]): MeasuredPart {
  const sum = (pick: (leakage: Leakage) => number): number =>
    measured.reduce((total, { leakage }) => total + pick(leakage), 0);
  const held = (leakage: Leakage): number => leakage.held;
  const weighed = (pick: (leakage: Leakage) => number): number =>
    sum(held) === 0 ? 0 : sum((leakage) => pick(leakage) * held(leakage)) / sum(held);
  const worst = measured.toSorted((a, b) => gain(b.leakage) - gain(a.leakage))[0];
  return {
    of,
    by,
    unique,
    rows: sum(({ rows }) => rows),
    held: sum(held),
    nulls: sum(({ nulls }) => nulls),
    values: sum(({ values }) => values),
    seen: sum(({ seen }) => seen),
    largestBucket: Math.max(0, ...measured.map(({ leakage }) => leakage.largestBucket)),
    guessing: weighed(({ guessing }) => guessing),
    frequency: weighed(({ frequency }) => frequency),
    ceiling: weighed(({ ceiling }) => ceiling),
    worst:
      worst === undefined
        ? undefined
        : { tenant: worst.tenant, frequency: worst.leakage.frequency, guessing: worst.leakage.guessing },
  };
}

function gain({ frequency, guessing }: Leakage): number {
  return frequency - guessing;
}
