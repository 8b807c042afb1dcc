import { RingwallError } from "../../core/index.ts";

/** Who owns Ringwall's tables, and must own every table of tenants' rows. */
const OWNER = "ringwall_migrate";

/** A table of tenants' rows: who owns it, and whether the owner has a door in its wall. */
export interface WalledTable {
  readonly table_schema: string;
  readonly table_name: string;
  readonly opened: boolean;
  readonly owner: string;
}

/**
 * Every row of a tenant is reached, or none is: a table that is passed over would be rows that nobody exports or deletes.
 * @param act - "read from", "deleted from": what was to be done.
 * @throws RingwallError `database.schema_mismatch`, with the tables and what to run.
 */
export function requireOpened(tables: readonly WalledTable[], act: string): void {
  const closed = tables.filter(({ opened }) => !opened);
  if (closed.length === 0) return;
  const names = closed.map(nameOf).join(", ");
  const foreign = closed.filter(({ owner }) => owner !== OWNER);
  const given = foreign.map((table) => `${nameOf(table)} belongs to ${quoted(table.owner)}: make ${OWNER} its owner`);
  const wayOut = [...given, "run: ringwall migrate"].join("; ");
  throw new RingwallError("database.schema_mismatch", { message: `rows cannot be ${act} ${names}; ${wayOut}` });
}

function nameOf({ table_name: name, table_schema: schema }: WalledTable): string {
  return `${quoted(schema)}.${quoted(name)}`;
}

/** As a person may paste it: a name that is no plain word in quotes. */
function quoted(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
