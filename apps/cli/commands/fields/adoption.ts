import {
  type Adoption,
  type AdoptionProgress,
  type AdoptionRequest,
  type AdoptionState,
  adopt,
  readAdoptionState,
  undoAdoption,
} from "ringwall/data/upkeep";
import type { Context, Input } from "../../command.ts";
import { showRow } from "../answer.ts";
import { type LocalOwner, withLocalOwner } from "./owner.ts";

// A line for so many rows: enough to see that it goes on.
const LINE_ROWS = 5_000;

const NEXT: Readonly<Record<AdoptionState["step"], string>> = {
  none: "nothing of it is left",
  prepared: "plaintext is the truth",
  verified: "every twin is right; let every node write both columns, then run it with --cut-over",
  cut: "the twin is the truth; let no node read plaintext any more, then run it with --drop",
  restoring: "an undo is under way; run it with --undo again",
  dropped: "the plaintext is gone; VACUUM FULL gives its space back, and backups from before still hold it",
};

/** Behind `fields adopt`, in a module of its own so that other commands do not load a database driver. */
export async function adoptLocally(input: Input, context: Context, request: AdoptionRequest): Promise<void> {
  await withLocalOwner(input, context, async (local) => {
    if (input.flag("dry-run")) {
      describe(input, context, await readAdoptionState(local.owner, request));
      return;
    }
    const { differences, pending, same, step } = flat(await go(input, context, local, request));
    local.note("column.adopted", request.table, { column: request.column, step });
    const facts = { table: request.table, column: request.column, step, same, pending, differences };
    const compared = same === undefined ? "" : ` (${same} rows compared, ${pending} waiting)`;
    showRow(input, context, facts, `${request.table}.${request.column}: ${step}${compared}: ${NEXT[step]}`);
  });
}

async function go(input: Input, context: Context, { owner }: LocalOwner, request: AdoptionRequest) {
  const watch = progressLines(context);
  if (input.flag("undo")) return await undoAdoption(owner, request, watch);
  return await adopt(
    owner,
    request,
    input.flag("drop") ? "drop" : input.flag("cut-over") ? "cut-over" : "verify",
    watch,
  );
}

function flat({ step, verified }: AdoptionState) {
  return { step, same: verified?.same, pending: verified?.pending, differences: verified?.differences };
}

/** One line when a step begins in a tenant, and one for some thousands of rows. To stderr: stdout is the answer. */
function progressLines({ stderr }: Context): (progress: AdoptionProgress) => void {
  let said = "";
  return ({ done, step, tenant, total }) => {
    const place = tenant === undefined ? step : `${step} ${tenant}`;
    const mark = `${place} ${String(Math.floor((done ?? 0) / LINE_ROWS))}`;
    if (mark === said && done !== total) return;
    said = mark;
    stderr(done === undefined ? place : `${place} ${String(done)}${total === undefined ? "" : `/${String(total)}`}`);
  };
}

function describe(input: Input, context: Context, { facts, note, table, twin }: Adoption): void {
  const step = note?.step ?? "none";
  const indexes = table.indexes.map(({ declared, spec }) => ({
    column: declared.column,
    normaliser: spec.normaliser,
    bits: spec.bits,
  }));
  const tags = indexes.map(({ bits, column, normaliser }) => `${column} (${normaliser}, ${bits} bits)`).join(", ");
  const rows = Math.round(facts.estimatedRows);
  showRow(
    input,
    context,
    { table: facts.name, step, twin, row: table.row, rowKey: table.rowKey, estimatedRows: rows, indexes },
    `${facts.name}: step ${step}; twin ${twin}, row key ${table.rowKey}, id ${table.row}, about ${rows} rows` +
      `${tags === "" ? ", no index" : `, indexes ${tags}`}. Nothing was changed.`,
  );
}
