import { type Kysely, sql } from "kysely";
import { tableDdl } from "../fields/index.ts";
import { type Adoption, type AdoptionNote, addedColumns, checkName, plainType } from "./adoption.ts";
import { type Owner, withLock } from "./owner.ts";
import { registerSealedTable, registerTags, unregisterSealedTable, unregisterTags } from "./registered-table.ts";

type Sql = Kysely<unknown>;
type Fragment = ReturnType<typeof sql>;

/** Rows whose plaintext is not sealed yet. */
export function pendingCondition({ column, twin }: Adoption): Fragment {
  return sql`${sql.ref(column)} is not null and ${sql.ref(twin)} is null`;
}

/** Twin, tags, row key, their CHECKs, the trigger, and what the owner needs to see rows: all of it or nothing. */
export async function prepare(owner: Owner, adoption: Adoption): Promise<AdoptionNote> {
  const { column, facts, mark, name, table } = adoption;
  const plain = facts.columns.get(column);
  const note: AdoptionNote = {
    column,
    type: plainType(plain?.type ?? "") ?? "text",
    notNull: plain?.notNull === true,
    madeRowKey: !facts.columns.has(table.rowKey),
    step: "prepared",
  };
  const added = addedColumns(adoption);
  await withLock(owner, async (tx) => {
    for (const piece of tableDdl(table).columns.filter((one) => added.includes(one.name))) {
      const check = sql.id(checkName(piece.name));
      await sql`alter table ${sql.table(name)} add column ${sql.ref(piece.name)} bytea`.execute(tx);
      // NOT VALID: holds for every write from now on, and does not read the whole table under this lock.
      // tidy-allow(sql): a CHECK out of the declaration, whose names were checked; there is no quoting for one.
      const text = sql.raw(piece.text.slice(piece.text.indexOf("check (")));
      await sql`alter table ${sql.table(name)} add constraint ${check} ${text} not valid`.execute(tx);
    }
    if (note.madeRowKey) await registerSealedTable(tx, { table: name, row: table.row, rowKey: table.rowKey });
    await registerTags(
      tx,
      name,
      added.filter((column) => table.indexes.some(({ declared }) => declared.column === column)),
    );
    await openToOwner(tx, name, mark);
    await grantLikePlaintext(tx, adoption, added);
    await installTrigger(tx, adoption, "mark");
    for (const { name: noted, text } of tableDdl(table).comments) {
      await sql`comment on column ${sql.ref(`${name}.${noted}`)} is ${sql.lit(text)}`.execute(tx);
    }
    await writeNote(tx, adoption, note);
  });
  return note;
}

/** The owner sees rows by this policy alone, and inside the wall of the tenant whose context it carries. */
export async function openToOwner(tx: Sql, table: string, policy: string): Promise<void> {
  const { rows } = await sql`
    select 1 from pg_policy where polrelid = to_regclass(${table}) and polname = ${policy}`.execute(tx);
  if (rows.length > 0) return;
  await sql`
    create policy ${sql.id(policy)} on ${sql.table(table)} to current_user using (true) with check (true)`.execute(tx);
}

/** Roles that reach the plaintext by a grant of that column alone reach the twin in the same way. */
async function grantLikePlaintext(tx: Sql, { column, name, twin }: Adoption, added: readonly string[]): Promise<void> {
  const { rows } = await sql<{ role: string; privilege: string }>`
    select grantee::regrole::text as role, privilege_type as privilege
    from pg_attribute, aclexplode(attacl)
    where attrelid = to_regclass(${name}) and attname = ${column} and grantee <> 0`.execute(tx);
  const columns = sql.join([...new Set([twin, ...added])].map((one) => sql.ref(one)));
  for (const { privilege, role } of rows) {
    const grant = GRANTS[privilege];
    if (grant !== undefined)
      await sql`grant ${grant} (${columns}) on ${sql.table(name)} to ${sql.id(role)}`.execute(tx);
  }
}

const GRANTS: Readonly<Record<string, Fragment>> = { SELECT: sql`select`, INSERT: sql`insert`, UPDATE: sql`update` };

/**
 * What happens to writes of an application that knows one of the two columns only.
 *
 * `mark`: plaintext is the truth. A write that changes it and not the twin empties the twin, so that the next batch seals
 * it anew: an old twin never stands beside a new value.
 * `refuse`: the twin is the truth. A write of both keeps the twin and drops the plaintext; a write of plaintext alone is
 * refused, since the database cannot seal.
 */
export async function installTrigger(tx: Sql, adoption: Adoption, mode: "mark" | "refuse"): Promise<void> {
  const { mark, name } = adoption;
  const call = sql.id("ringwall", mark);
  const body = mode === "mark" ? markBody(adoption) : refuseBody(adoption);
  await sql`
    create or replace function ${call}() returns trigger language plpgsql
      set search_path = pg_catalog, pg_temp as ${sql.lit(body)}`.execute(tx);
  await sql`revoke all on function ${call}() from public`.execute(tx);
  // Not for the owner, whose batches write one of the two on purpose.
  const { rows } = await sql<{ name: string }>`select current_user as name`.execute(tx);
  await sql`
    create or replace trigger ${sql.id(mark)} before insert or update on ${sql.table(name)}
      for each row when (current_user <> ${sql.lit(rows[0]?.name ?? "")}) execute function ${call}()`.execute(tx);
}

// Column names are of letters, digits and underscores: planAdoption has checked them.
function markBody({ column, table, twin }: Adoption): string {
  const tags = table.indexes.map(({ declared }) => ` new.${declared.column} := null;`).join("");
  return `begin
    if tg_op = 'UPDATE' then
      if new.${column} is distinct from old.${column} and new.${twin} is not distinct from old.${twin} then
        new.${twin} := null;${tags}
      end if;
    end if;
    return new;
  end`;
}

function refuseBody({ column, twin }: Adoption): string {
  const refusal = `raise exception using errcode = '23514', message = 'the column ${column} is sealed: write ${twin}'`;
  return `begin
    if tg_op = 'UPDATE' then
      if new.${twin} is distinct from old.${twin} then new.${column} := null;
      elsif new.${column} is distinct from old.${column} then ${refusal};
      end if;
    elsif new.${column} is not null then
      if new.${twin} is null then ${refusal}; end if;
      new.${column} := null;
    end if;
    return new;
  end`;
}

/** Without a lock on writers. One that was cut off by a crash is invalid and is made again. */
async function makeIndexes(db: Sql, adoption: Adoption): Promise<void> {
  const { mark, name, table } = adoption;
  const wanted = [
    { index: mark, unique: false, columns: sql`(tenant_id) where ${pendingCondition(adoption)}` },
    ...table.indexes.map(({ declared: { column, unique } }) => ({
      index: `${name.slice(name.indexOf(".") + 1)}_${column}`.slice(-63),
      unique: unique === true,
      columns: sql`(tenant_id, ${sql.ref(column)})`,
    })),
  ];
  const schema = name.slice(0, name.indexOf("."));
  for (const { columns, index, unique } of wanted) {
    const { rows } = await sql<{ valid: boolean }>`
      select i.indisvalid as valid from pg_index i join pg_class c on c.oid = i.indexrelid
      where i.indrelid = to_regclass(${name}) and c.relname = ${index}`.execute(db);
    if (rows[0]?.valid === true) continue;
    if (rows[0] !== undefined) await sql`drop index concurrently ${sql.id(schema, index)}`.execute(db);
    const kind = unique ? sql`unique index` : sql`index`;
    await sql`create ${kind} concurrently ${sql.id(index)} on ${sql.table(name)} ${columns}`.execute(db);
  }
}

/** Takes away what only the adoption needed. The twin, its tags and the row key stay. */
export async function dismantle(tx: Sql, { mark, name }: Adoption): Promise<void> {
  const schema = name.slice(0, name.indexOf("."));
  await sql`drop trigger if exists ${sql.id(mark)} on ${sql.table(name)}`.execute(tx);
  await sql`drop function if exists ${sql.id("ringwall", mark)}()`.execute(tx);
  await sql`drop index if exists ${sql.id(schema, mark)}`.execute(tx);
  await sql`drop policy if exists ${sql.id(mark)} on ${sql.table(name)}`.execute(tx);
}

/** Takes back everything `prepare` did. */
export async function removeTwin(owner: Owner, adoption: Adoption): Promise<void> {
  await withLock(owner, async (tx) => {
    await dismantle(tx, adoption);
    if (adoption.note?.madeRowKey === true) await unregisterSealedTable(tx, adoption.name);
    else await unregisterTags(tx, adoption.name, addedColumns(adoption));
    for (const column of addedColumns(adoption)) {
      await sql`alter table ${sql.table(adoption.name)} drop column if exists ${sql.ref(column)}`.execute(tx);
    }
  });
}

/** Remembers the step, in the transaction that makes it. */
export async function writeNote(tx: Sql, { name, twin }: Adoption, note: AdoptionNote): Promise<void> {
  const text = `ringwall/1 ${JSON.stringify({ adopting: note })}`;
  await sql`comment on constraint ${sql.id(checkName(twin))} on ${sql.table(name)} is ${sql.lit(text)}`.execute(tx);
}

/** What `prepare` leaves for after its lock: reading the table for the CHECKs, and indexes. Doing it again changes nothing. */
export async function completePreparation(owner: Owner, adoption: Adoption): Promise<void> {
  for (const one of addedColumns(adoption)) {
    await sql`alter table ${sql.table(adoption.name)} validate constraint ${sql.id(checkName(one))}`.execute(owner.db);
  }
  await makeIndexes(owner.db, adoption);
}
