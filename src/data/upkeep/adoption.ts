import { hash } from "node:crypto";
import { sql } from "kysely";
import { z } from "zod";
import { type AnyTable, readNote, sealed, sealedTable, tableFromComments } from "../fields/index.ts";
import { type NormaliserName, planIndexes } from "../indexes/index.ts";
import { invalid, type TableFacts } from "./catalogue.ts";

/** What somebody asks for: a column of plaintext to be sealed, and how it is to be found afterwards. */
export interface AdoptionRequest {
  /** With its schema. */
  readonly table: string;
  readonly column: string;
  /** The sealed column; `COLUMN_sealed` unless given. */
  readonly twin?: string;
  /** An index over the whole value. */
  readonly equality?: NormaliserName;
  /** An index over the last four digits. */
  readonly lastFour?: boolean;
  /** Expected rows of one tenant, for the planner; needed with an index. */
  readonly rows?: number;
  /** Bits of the equality index's tags, instead of the planner's choice. */
  readonly bits?: number;
  /** Hides lengths, from this many bytes. */
  readonly padded?: number;
}

/**
 * How far an adoption is. `prepared`: twin and trigger are there, rows are being filled. `verified`: every row's twin was
 * opened and compared. `cut`: the twin is the truth, plaintext is refused. `restoring`: an undo is filling plaintext in
 * again. `dropped`: the plaintext column is gone.
 */
export type AdoptionStep = "prepared" | "verified" | "cut" | "restoring" | "dropped";

const Note = z.object({
  adopting: z.object({
    column: z.string(),
    type: z.enum(["text", "character varying"]),
    notNull: z.boolean(),
    madeRowKey: z.boolean(),
    step: z.enum(["prepared", "verified", "cut", "restoring", "dropped"]),
  }),
});
/** What the database remembers of an adoption: a comment on the twin's CHECK, changed in the transaction of its step. */
export type AdoptionNote = z.output<typeof Note>["adopting"];

/** An adoption that has begun, or is about to. */
export interface Adoption {
  readonly name: string;
  readonly facts: TableFacts;
  readonly column: string;
  readonly twin: string;
  /** The table as if the twin were its only sealed column. */
  readonly table: AnyTable;
  /** Undefined when nothing has been done yet. */
  readonly note: AdoptionNote | undefined;
  /** SQL type of the row's id. */
  readonly idType: ReturnType<typeof sql>;
  /** Names what belongs to this adoption in the catalogue. */
  readonly mark: string;
}

const COLUMN = /^[a-z_][a-z0-9_]{0,49}$/;
const ROW_KEY = "row_key";
const ID_TYPES: Readonly<Record<string, ReturnType<typeof sql>>> = {
  uuid: sql`uuid`,
  text: sql`text`,
  bigint: sql`bigint`,
  integer: sql`integer`,
};

/** Finds out what there is to do. Changes nothing. @throws RingwallError `request.invalid` when it cannot be done. */
export function planAdoption(facts: TableFacts, request: AdoptionRequest): Adoption {
  const { column, twin = `${column}_sealed` } = request;
  if (!COLUMN.test(column) || !COLUMN.test(twin)) throw invalid("a column has a plain name of at most 50 characters");
  const [row, ...more] = facts.key;
  const idType = row === undefined ? undefined : ID_TYPES[facts.columns.get(row)?.type ?? ""];
  if (row === undefined || more.length > 0 || idType === undefined) {
    throw invalid("the primary key must be tenant_id and one id of type uuid, text, bigint or integer");
  }
  const note = readAdoption(facts, twin);
  if (note !== undefined && note.column !== column) throw invalid(`${twin} is the twin of another column`);
  if (note === undefined && facts.columns.has(twin)) throw invalid(`there is a column ${twin} that no adoption made`);
  checkPlaintext(facts, column, note);
  const table = note === undefined ? declare(facts, row, request, twin) : known(facts, twin);
  return {
    name: facts.name,
    facts,
    column,
    twin,
    table,
    note,
    idType,
    mark: `ringwall_adopt_${hash("sha256", `${facts.name}.${twin}`, "hex").slice(0, 16)}`,
  };
}

function readAdoption(facts: TableFacts, twin: string): AdoptionNote | undefined {
  const comment = facts.constraints.get(checkName(twin))?.comment;
  const parsed = Note.safeParse(readNote(comment ?? ""));
  return parsed.success ? parsed.data.adopting : undefined;
}

function checkPlaintext(facts: TableFacts, column: string, note: AdoptionNote | undefined): void {
  if (note?.step === "dropped") return;
  const plain = facts.columns.get(column);
  if (plain === undefined) throw invalid(`the table ${facts.name} has no column ${column}`);
  if (note === undefined && plainType(plain.type) === undefined) {
    throw invalid(`${column} is of type ${plain.type}: text and varchar can be adopted`);
  }
}

/** The type to make the column of again; a limit of its length is not kept. */
export function plainType(type: string): AdoptionNote["type"] | undefined {
  if (type === "text") return "text";
  return type.startsWith("character varying") ? "character varying" : undefined;
}

function declare(facts: TableFacts, row: string, request: AdoptionRequest, twin: string): AnyTable {
  const { bits, equality, lastFour, padded, rows, table: name } = request;
  const there = tableFromComments(name, facts.comments);
  const plain = sealed(twin).nullable();
  const sized = padded === undefined ? plain : plain.padded(padded);
  const options = { row, rowKey: there?.rowKey ?? ROW_KEY, ...(rows === undefined ? {} : { rows }) };
  if (equality === undefined && lastFour !== true) return sealedTable(name, options, sized);
  if (rows === undefined) throw invalid("an index is planned for a number of rows of one tenant: give it with --rows");
  const chosen = bits === undefined ? {} : { bits };
  const found = equality === undefined ? sized : sized.equality({ normaliser: equality, ...chosen });
  const table = sealedTable(name, options, lastFour === true ? found.lastFour() : found);
  // Whoever reads the new tags reads the old ones beside them.
  const all = [...(there?.indexes ?? []), ...table.indexes];
  planIndexes(
    rows,
    all.map(({ declared, spec }) => ({
      name: declared.column,
      ...(declared.unique === true ? { unique: true } : { bits: spec.bits }),
    })),
  );
  return table;
}

/** The part of the table that is this adoption's, as its first step left it. */
function known(facts: TableFacts, twin: string): AnyTable {
  const table = tableFromComments(facts.name, facts.comments);
  const columns = table?.columns.filter(({ name }) => name === twin) ?? [];
  if (table === undefined || columns.length === 0) throw invalid(`the comments of ${facts.name} were changed`);
  return { ...table, columns, indexes: table.indexes.filter(({ spec }) => spec.column === twin) };
}

/** The CHECK that holds sealed values in a column, and nothing else. */
export function checkName(column: string): string {
  return `${column}_sealed`;
}

/** Every column that the adoption adds. */
export function addedColumns({ facts, note, table, twin }: Adoption): readonly string[] {
  const tags = table.indexes.map(({ declared }) => declared.column);
  const makesKey = note === undefined ? !facts.columns.has(table.rowKey) : note.madeRowKey;
  return [twin, ...tags, ...(makesKey ? [table.rowKey] : [])];
}
