/**
 * The code of `docs/guides/fields.md`, as it stands there; `fields.test.ts` compares and runs it.
 *
 * @module
 */
import { type Kysely, sql } from "kysely";
import type { Database, ServiceActor } from "ringwall/core";
import { statement } from "ringwall/core";
import { type Fields, sealed, sealedTable } from "ringwall/data/fields";
import { sealColumns, wall } from "ringwall/migrations";

export const PATIENT = sealedTable(
  "clinic.patient",
  { row: "patient_id", rows: 50_000 },
  sealed("ssn").equality({ normaliser: "digits" }).lastFour(),
  sealed("diagnosis").hideNull().padded(64),
);

export async function up(db: Kysely<unknown>): Promise<void> {
  await sql`
    create table clinic.patient (
      tenant_id  ringwall.tenant_ref not null default ringwall.tenant(),
      patient_id text not null,
      primary key (tenant_id, patient_id)
    )`.execute(db);
  await wall(db, "clinic.patient", { bank_app: ["select", "insert"] });
  await sealColumns(db, PATIENT);
}

const INSERT = statement(
  "clinic.insert_patient",
  `insert into clinic.patient (patient_id, row_key, ssn, ssn_eq, ssn_last4, diagnosis)
   values ($1, $2, $3, $4, $5, $6)`,
);

export async function admit(database: Database, fields: Fields, actor: ServiceActor, id: string, ssn: string) {
  const row = await fields.table(PATIENT).seal(actor.tenant, id, { ssn, diagnosis: null });
  const { row_key, ssn_eq, ssn_last4, diagnosis } = row;
  await database.once(actor.tenant, actor, INSERT, [id, row_key, row.ssn, ssn_eq, ssn_last4, diagnosis]);
}

const FIND = statement<{ patient_id: string; row_key: Buffer; ssn: Buffer }>(
  "clinic.find_patients",
  "select patient_id, row_key, ssn from clinic.patient where ssn_last4 = any($1::bytea[])",
);

export async function findByLastFour(database: Database, fields: Fields, actor: ServiceActor, digits: string) {
  const patients = fields.table(PATIENT);
  const search = await patients.search(actor.tenant, "ssn_last4", digits);
  const hits = await database.once(actor.tenant, actor, FIND, [search.parameter]);
  return await patients.matching(actor.tenant, search, hits);
}
