import { randomBytes } from "../../../../core/index.ts";
import type { IsolationSettings } from "../../settings.ts";
import { type Column, type Relation, type Schema, tableName, tenantColumn } from "./schema.ts";
import { type Tenant, uuid } from "./values.ts";

/** The columns that hold a tenant's id: those of the settings, and what they refer to. */
export function ownerColumns(schema: Schema, settings: IsolationSettings): ReadonlyMap<number, ReadonlySet<string>> {
  const owners = new Map<number, Set<string>>();
  const open: [number, string][] = [];
  const add = (oid: number, column: string): void => {
    const known = owners.get(oid) ?? new Set();
    if (known.has(column)) return;
    owners.set(oid, known.add(column));
    open.push([oid, column]);
  };
  for (const relation of schema.relations.values()) {
    if (!["r", "p"].includes(relation.kind)) continue;
    const column = tenantColumn(relation, settings);
    if (column !== undefined) add(relation.oid, column.name);
  }
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [oid, column] = next;
    for (const reference of schema.relations.get(oid)?.references ?? []) {
      const target = reference.targetColumns[reference.columns.indexOf(column)];
      if (target !== undefined) add(reference.target, target);
    }
  }
  return owners;
}

/** Tenant tables, without partitions, which are reached through the table they are part of. */
export function probedTables(
  schema: Schema,
  settings: IsolationSettings,
  owners: ReadonlyMap<number, ReadonlySet<string>>,
): Relation[] {
  const global = new Set(settings.globalTables.map(({ table }) => table));
  return [...schema.relations.values()].filter(
    (relation) => owners.has(relation.oid) && !relation.isPartition && !global.has(tableName(relation)),
  );
}

const TENANT_LIMITS: Readonly<Record<string, number>> = {
  int2: 32_000,
  int4: 2_000_000_000,
  int8: 2_000_000_000,
  numeric: 2_000_000_000,
};

/** An id that every tenant column can hold, as far as one exists, and a marker for texts. */
export function madeTenant(columns: readonly Column[]): Tenant {
  const unique = randomBytes(4).toString("hex");
  const marker = `rwprobe${unique}`;
  if (columns.some(({ base }) => base === "uuid")) return { id: uuid(), marker };
  const limits = columns.map(({ base }) => TENANT_LIMITS[base]).filter((limit) => limit !== undefined);
  if (limits.length === 0) return { id: marker, marker };
  const limit = Math.min(...limits);
  return { id: String(limit - 1 - (randomBytes(4).readUInt32BE() % Math.floor(limit / 4))), marker };
}

export function tenantsFor(columns: readonly Column[]): { a: Tenant; b: Tenant; nobody: Tenant } {
  return { a: madeTenant(columns), b: madeTenant(columns), nobody: madeTenant(columns) };
}
