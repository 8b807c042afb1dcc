import { sql } from "kysely";
import { assert, RingwallError, type TenantId } from "../../core/index.ts";
import { tableDdl } from "../fields/index.ts";
import {
  type Adoption,
  type AdoptionNote,
  type AdoptionRequest,
  type AdoptionStep,
  checkName,
  planAdoption,
} from "./adoption.ts";
import { blankBatch, countOwn, fillBatch, restoreBatch, unblankedCondition, unrestoredCondition } from "./batches.ts";
import { readTable } from "./catalogue.ts";
import { countEverywhere, inEveryTenant, type Owner, withLock } from "./owner.ts";
import {
  completePreparation,
  dismantle,
  installTrigger,
  openToOwner,
  pendingCondition,
  prepare,
  removeTwin,
  writeNote,
} from "./structure.ts";
import { type Verified, verifyTwins } from "./verify.ts";

/** How far to go: everything up to comparing is safe at any time; the other two are the operator's decision. */
export type AdoptionGoal = "verify" | "cut-over" | "drop";

/** One thing that happened, for whoever watches. */
export interface AdoptionProgress {
  readonly step: "prepare" | "fill" | "verify" | "cut-over" | "blank" | "drop" | "restore" | "remove";
  readonly tenant?: TenantId;
  readonly done?: number;
  readonly total?: number;
}
type Watch = (progress: AdoptionProgress) => void;

/** Where an adoption stands, and what the last comparison said. */
export interface AdoptionState {
  readonly step: AdoptionStep | "none";
  readonly verified?: Verified;
}

const CUT_ATTEMPTS_MAX = 10;

/** Looks, and changes nothing. */
export async function readAdoptionState(owner: Pick<Owner, "db">, request: AdoptionRequest): Promise<Adoption> {
  return planAdoption(await readTable(owner.db, request.table), request);
}

/**
 * Moves a column of plaintext into a sealed twin, as far as `goal` says. Every step commits by itself and is remembered
 * in the database: whatever is interrupted is gone on with by the same call.
 *
 * @throws RingwallError `request.invalid` when the column cannot be adopted, `resource.conflict` when twins differ or
 * writers still write plaintext alone.
 */
export async function adopt(
  owner: Owner,
  request: AdoptionRequest,
  goal: AdoptionGoal,
  watch: Watch = () => undefined,
): Promise<AdoptionState> {
  let adoption = await readAdoptionState(owner, request);
  if (adoption.note?.step === "dropped") return { step: "dropped" };
  if (adoption.note?.step === "restoring") throw conflict("an undo is under way: finish it with --undo");
  if (adoption.note === undefined) {
    watch({ step: "prepare" });
    await prepare(owner, adoption);
    adoption = await readAdoptionState(owner, request);
  }
  let verified: Verified | undefined;
  if (adoption.note?.step !== "cut") {
    await completePreparation(owner, adoption);
    await fill(owner, adoption, watch);
    verified = await compare(owner, adoption, watch);
    if (goal === "verify") return { step: "verified", verified };
    await cutOver(owner, adoption, watch);
    adoption = await readAdoptionState(owner, request);
  }
  const outcome = verified === undefined ? {} : { verified };
  if (goal !== "drop") return { step: "cut", ...outcome };
  await drop(owner, adoption, watch);
  return { step: "dropped", ...outcome };
}

async function fill(owner: Owner, adoption: Adoption, watch: Watch): Promise<void> {
  await inEveryTenant(owner, {
    left: async (tx) => await countOwn(tx, adoption, pendingCondition(adoption)),
    batch: async (tx, tenant) => await fillBatch(owner, adoption, tx, tenant),
    progress: (tenant, done, total) => watch({ step: "fill", tenant, done, total }),
  });
}

async function compare(owner: Owner, adoption: Adoption, watch: Watch): Promise<Verified> {
  const verified = await verifyTwins(owner, adoption, (tenant, done) => watch({ step: "verify", tenant, done }));
  if (verified.differences > 0) {
    const named = verified.different.map(({ row, tenant }) => `${tenant}/${row}`).join(", ");
    throw conflict(`${verified.differences} twins differ from their plaintext; empty them and run again: ${named}`);
  }
  await withLock(owner, async (tx) => await writeNote(tx, adoption, noteOf(adoption, "verified")));
  return verified;
}

function noteOf({ note }: Adoption, step: AdoptionStep): AdoptionNote {
  assert(note !== undefined, "an adoption that goes on has begun");
  return { ...note, step };
}

/** From this transaction on the twin is the truth. No row may be without one, in no tenant. */
async function cutOver(owner: Owner, adoption: Adoption, watch: Watch): Promise<void> {
  const { column, facts, name, twin } = adoption;
  watch({ step: "cut-over" });
  for (let attempt = 1; ; attempt += 1) {
    const left = await withLock(owner, async (tx) => {
      await sql`lock table ${sql.table(name)} in access exclusive mode`.execute(tx);
      const pending = await countEverywhere(tx, facts, pendingCondition(adoption));
      if (pending.size > 0) return pending;
      await installTrigger(tx, adoption, "refuse");
      await sql`alter table ${sql.table(name)} alter column ${sql.ref(column)} drop not null`.execute(tx);
      if (adoption.note?.notNull === true) {
        const check = sql.id(`${checkName(twin)}_there`);
        await sql`
          alter table ${sql.table(name)} add constraint ${check} check (${sql.ref(twin)} is not null) not valid`.execute(
          tx,
        );
      }
      await writeNote(tx, adoption, noteOf(adoption, "cut"));
      return undefined;
    });
    if (left === undefined) return;
    await refuseStrangers(owner, left);
    if (attempt === CUT_ATTEMPTS_MAX) {
      throw conflict("plaintext is still written without its twin: every node of the application has to write both");
    }
    await fill(owner, adoption, watch);
  }
}

/** Rows of a tenant that is not in the register have no key: somebody has to say what becomes of them. */
async function refuseStrangers(owner: Owner, rows: ReadonlyMap<string, number>): Promise<void> {
  const known = new Set<string>(await owner.tenants());
  const strangers = [...rows.keys()].filter((tenant) => !known.has(tenant));
  if (strangers.length === 0) return;
  throw conflict(`there are rows of tenants that are not in the register: ${strangers.slice(0, 10).join(", ")}`);
}

/** Empties the plaintext, then drops its column. */
async function drop(owner: Owner, adoption: Adoption, watch: Watch): Promise<void> {
  const { column, facts, name, note, twin } = adoption;
  const target = sql.table(name);
  await inEveryTenant(owner, {
    left: async (tx) => await countOwn(tx, adoption, unblankedCondition(adoption)),
    batch: async (tx) => await blankBatch(adoption, tx),
    progress: (tenant, done, total) => watch({ step: "blank", tenant, done, total }),
  });
  watch({ step: "drop" });
  const there = sql.id(`${checkName(twin)}_there`);
  // Read under a weak lock first, so that SET NOT NULL below finds the proof and reads nothing.
  if (note?.notNull === true) await sql`alter table ${target} validate constraint ${there}`.execute(owner.db);
  await withLock(owner, async (tx) => {
    await sql`lock table ${target} in access exclusive mode`.execute(tx);
    const left = await countEverywhere(tx, facts, unblankedCondition(adoption));
    if (left.size > 0) {
      await refuseStrangers(owner, left);
      throw conflict("plaintext was written meanwhile: run the command again");
    }
    await dismantle(tx, adoption);
    await sql`alter table ${target} drop column ${sql.ref(column)}`.execute(tx);
    if (note?.notNull === true) {
      await sql`alter table ${target} alter column ${sql.ref(twin)} set not null`.execute(tx);
      await sql`alter table ${target} drop constraint ${there}`.execute(tx);
    }
    await noteNullable(tx, adoption, note?.notNull !== true);
    await writeNote(tx, adoption, noteOf(adoption, "dropped"));
  });
  // The emptied values are still in the table's file until this is done.
  await sql`vacuum ${target}`.execute(owner.db);
}

/** The comment by which the column is known says whether it may be NULL. */
async function noteNullable(tx: Owner["db"], { name, table, twin }: Adoption, nullable: boolean): Promise<void> {
  const columns = table.columns.map((column) => (nullable ? column.nullable() : column.required()));
  const note = tableDdl({ ...table, columns }).comments.find((one) => one.name === twin);
  assert(note !== undefined, "the twin is a column of its table");
  await sql`comment on column ${sql.ref(`${name}.${twin}`)} is ${sql.lit(note.text)}`.execute(tx);
}

/**
 * Goes one step back: from dropped to cut over (with an empty column of plaintext), from cut over to prepared (plaintext
 * filled in again), from prepared to nothing (twin and all removed).
 */
export async function undoAdoption(
  owner: Owner,
  request: AdoptionRequest,
  watch: Watch = () => undefined,
): Promise<AdoptionState> {
  const adoption = await readAdoptionState(owner, request);
  switch (adoption.note?.step) {
    case undefined:
      return { step: "none" };
    case "dropped":
      await undrop(owner, adoption);
      return { step: "cut" };
    case "cut":
    case "restoring":
      await restore(owner, adoption, watch);
      return { step: "prepared" };
    case "prepared":
    case "verified":
      watch({ step: "remove" });
      await removeTwin(owner, adoption);
      return { step: "none" };
  }
}

async function undrop(owner: Owner, adoption: Adoption): Promise<void> {
  const { column, mark, name, note, twin } = adoption;
  const type = note?.type === "character varying" ? sql`character varying` : sql`text`;
  await withLock(owner, async (tx) => {
    await sql`alter table ${sql.table(name)} add column ${sql.ref(column)} ${type}`.execute(tx);
    if (note?.notNull === true) {
      const check = sql.id(`${checkName(twin)}_there`);
      await sql`alter table ${sql.table(name)} add constraint ${check} check (${sql.ref(twin)} is not null) not valid`.execute(
        tx,
      );
      await sql`alter table ${sql.table(name)} alter column ${sql.ref(twin)} drop not null`.execute(tx);
    }
    await openToOwner(tx, name, mark);
    await installTrigger(tx, adoption, "refuse");
    await noteNullable(tx, adoption, true);
    await writeNote(tx, adoption, noteOf(adoption, "cut"));
  });
}

/** First writers fill plaintext in again, then the rows that are there get theirs, then it is the truth. */
async function restore(owner: Owner, adoption: Adoption, watch: Watch): Promise<void> {
  const { column, facts, name, note, twin } = adoption;
  const target = sql.table(name);
  await withLock(owner, async (tx) => {
    await installTrigger(tx, adoption, "mark");
    await sql`alter table ${target} drop constraint if exists ${sql.id(`${checkName(twin)}_there`)}`.execute(tx);
    await writeNote(tx, adoption, noteOf(adoption, "restoring"));
  });
  await inEveryTenant(owner, {
    left: async (tx) => await countOwn(tx, adoption, unrestoredCondition(adoption)),
    batch: async (tx, tenant) => await restoreBatch(owner, adoption, tx, tenant),
    progress: (tenant, done, total) => watch({ step: "restore", tenant, done, total }),
  });
  await completePreparation(owner, adoption);
  await withLock(owner, async (tx) => {
    await sql`lock table ${target} in access exclusive mode`.execute(tx);
    const left = await countEverywhere(tx, facts, unrestoredCondition(adoption));
    if (left.size > 0) throw conflict("twins are still written without their plaintext: run the command again");
    if (note?.notNull === true) {
      await sql`alter table ${target} alter column ${sql.ref(column)} set not null`.execute(tx);
    }
    await writeNote(tx, adoption, noteOf(adoption, "prepared"));
  });
}

function conflict(message: string): RingwallError {
  return new RingwallError("resource.conflict", { message });
}
