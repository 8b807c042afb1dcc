import { type Kysely, sql } from "kysely";

/** Which commands a role may run on a table. Column lists are granted by hand in the migration. */
export type Grants = Readonly<Record<string, readonly ("select" | "insert" | "update" | "delete")[]>>;

/**
 * Puts the wall around a tenant table: row-level security enabled and forced, one RESTRICTIVE policy that names no role,
 * and for each role one permissive policy and the least grants.
 *
 * @param table - In the schema `ringwall`, or with its schema (`bank.account`); `tenant_id` must be there.
 * @param grants - Role to commands. A role that is not named reaches nothing.
 * @example await wall(db, "secret_version", { ringwall_app: ["select", "insert"] });
 */
export async function wall(db: Kysely<unknown>, table: string, grants: Grants): Promise<void> {
  const name = sql.table(qualified(table));
  await sql`alter table ${name} enable row level security`.execute(db);
  // FORCE, because without it the table's owner reads every tenant's rows.
  await sql`alter table ${name} force row level security`.execute(db);
  // Names no role, so no other role can be granted around it. `(select ...)` makes it one evaluation per statement, and
  // the planner does not fold it. With an identical expression PostgreSQL uses USING for WITH CHECK as well.
  await sql`
    create policy tenant_wall on ${name} as restrictive for all
      using (tenant_id = (select ringwall.tenant()))
      with check (tenant_id = (select ringwall.tenant()))`.execute(db);
  await grantAll(db, table, grants);
}

/** One permissive policy per role, and its grants. */
export async function grantAll(db: Kysely<unknown>, table: string, grants: Grants): Promise<void> {
  const name = sql.table(qualified(table));
  for (const [role, commands] of Object.entries(grants)) {
    await sql`create policy ${sql.id(role)} on ${name} for all to ${sql.id(role)} using (true) with check (true)`.execute(
      db,
    );
    await sql`grant ${sql.join(commands.map((command) => COMMANDS[command]))} on ${name} to ${sql.id(role)}`.execute(
      db,
    );
  }
}

function qualified(table: string): string {
  return table.includes(".") ? table : `ringwall.${table}`;
}

const COMMANDS = { select: sql`select`, insert: sql`insert`, update: sql`update`, delete: sql`delete` } as const;

/**
 * Hands a SECURITY DEFINER function to `ringwall_definer`, which bypasses row-level security, and lets only the named
 * roles call it. The function must be narrow: qualify every name, since it has to be safe under any search_path.
 *
 * @param signature - As in `name(text, integer)`, without the schema. A constant of the migration.
 */
export async function definerFunction(db: Kysely<unknown>, signature: string, roles: readonly string[]): Promise<void> {
  // tidy-allow(sql): a signature is a constant of a migration, and no quoting function takes one with its parameter types.
  const name = sql.raw(`ringwall.${signature}`);
  await sql`revoke all on function ${name} from public`.execute(db);
  for (const role of roles) await sql`grant execute on function ${name} to ${sql.id(role)}`.execute(db);
  // The new owner needs CREATE on the schema at this moment, and at no other.
  await sql`grant create on schema ringwall to ringwall_definer`.execute(db);
  await sql`alter function ${name} owner to ringwall_definer`.execute(db);
  await sql`revoke create on schema ringwall from ringwall_definer`.execute(db);
}
