import { list, literal, name, type Sql, sql } from "../sql.ts";
import { live } from "./check.ts";
import { type Relation, relationName, type Tenant } from "./planting/index.ts";
import { counted } from "./reads.ts";
import type { Stage } from "./stage.ts";

const CLOSED =
  "Compare with the tenant of the context alone: without one the comparison is NULL, and NULL opens nothing.";
const SIGNED = "Use a context that is signed and verified in the database (ringwall.tenant()).";
const STABLE = "Declare the function that reads the context STABLE, and call it as (select f()).";

export const CONTEXT_CHECKS = {
  none: live(
    "no-context",
    "Without a context rows are shown",
    "A request that was told no tenant, by a bug or on purpose, sees everybody's rows.",
    { category: "session", remediation: CLOSED },
  ),
  empty: live(
    "empty-context",
    "An empty context shows rows",
    'After a commit PostgreSQL leaves an empty text, not NULL: whoever takes it for "all" opens every tenant.',
    { category: "session", remediation: CLOSED },
  ),
  malformed: live(
    "malformed-context",
    "A malformed context shows rows",
    "A wildcard, a quote or a list in the context opens more than one tenant.",
    { category: "session", remediation: CLOSED },
  ),
  expired: live("expired-context", "An expired context is accepted", "A context that was once seen works for ever.", {
    category: "session",
    remediation: SIGNED,
  }),
  otherBackend: live(
    "foreign-context",
    "A context made for another connection is accepted",
    "A context harvested from another connection opens its tenant.",
    { category: "session", remediation: SIGNED },
  ),
  spoof: live(
    "spoofed-context",
    "The application's SQL can choose the tenant",
    "One SQL injection is enough: set_config with another tenant's name, and that tenant's rows are there.",
    {
      category: "session",
      level: "warning",
      remediation: SIGNED,
    },
  ),
  rowSecurity: live(
    "row-security-off",
    "SET row_security = off shows rows",
    "For a role that no policy holds one SET opens every table.",
    { category: "session", remediation: "The app role has no BYPASSRLS and owns no table." },
  ),
  custom: live(
    "prepared-custom",
    "A prepared statement gives the rows of the tenant before",
    "The plan was made with the first tenant's value in it, and serves the next tenant the first one's rows.",
    { category: "session", remediation: STABLE },
  ),
  generic: live(
    "prepared-generic",
    "A prepared statement with a generic plan gives the rows of the tenant before",
    "The plan was made with the first tenant's value in it, and serves the next tenant the first one's rows.",
    { category: "session", remediation: STABLE },
  ),
  savepoint: live(
    "savepoint-context",
    "A savepoint that is taken back leaves the other tenant's context",
    "After an error inside a transaction the rest of it works for somebody else.",
    {
      category: "session",
      remediation: "Keep the context in a setting that is local to the transaction, and nowhere else.",
    },
  ),
} as const;

interface Door {
  readonly relation: Relation;
  readonly condition: Sql;
}

/** Tables whose rows of both tenants are known: anything that comes without the right context is seen there. */
function doors(stage: Stage, relations: readonly Relation[], tenants: readonly ("a" | "b")[]): Door[] {
  return relations.flatMap((relation) => {
    if (!relation.may.select || !relation.may.usage) return [];
    const conditions = tenants.map((tenant) =>
      stage.row(tenant, relation) === undefined ? undefined : stage.rowsOf(tenant, relation, true),
    );
    const known = conditions.filter((condition) => condition !== undefined);
    return known.length < tenants.length ? [] : [{ relation, condition: list(known, " or ") }];
  });
}

const tally = (found: readonly Door[]): Sql =>
  sql`select ${list(found.map(({ condition, relation }, index) => sql`(select count(*) from ${relationName(relation)} where ${condition})::int8::float8 as ${name(`n${index}`)}`))}`;

type Check = (typeof CONTEXT_CHECKS)[keyof typeof CONTEXT_CHECKS];

/** Prepares the session, then looks which tables show rows; one that refuses does what it should. */
async function probeDoors(
  stage: Stage,
  check: Check,
  found: readonly Door[],
  said: string,
  prepare: () => Promise<void>,
): Promise<void> {
  stage.ran.add(check.id);
  if (found.length === 0) return;
  const answers = await stage.attempt(async () => {
    await prepare();
    return await counted(
      stage,
      found.map(({ condition, relation }) => sql`select count(*) from ${relationName(relation)} where ${condition}`),
    );
  });
  for (const [index, { condition, relation }] of found.entries()) {
    if (!answers.ok || (answers.value[index] ?? 0) === 0) continue;
    const show = sql`select * from ${relationName(relation)} where ${condition} limit 5`;
    const rows = await stage.attempt(async () => {
      await prepare();
      return await stage.run(show);
    });
    const message = `${said}: ${relation.schema}.${relation.name}`;
    stage.found(check, relation, message, stage.evidence(rows.ok ? rows.value : [], show));
  }
}

/** What an attacker would write into the setting. */
const MALFORMED = ["%", "*", "' or '1'='1", "null", "all", "-1", "0", "{}", "v1.x.y.1.0"];

/** Every way to have no context, a wrong one, or one that was not given. */
export async function probeContexts(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const both = doors(stage, relations, ["a", "b"]);
  const theirs = doors(stage, relations, ["b"]);
  const set = async (value: string): Promise<void> => {
    await stage.run(sql`select set_config($1, $2, true)`, [stage.entry.setting, value]);
  };
  await probeDoors(stage, CONTEXT_CHECKS.none, both, "without a context rows are shown", async () => {
    // As in a connection that was told nothing yet: the setting falls back to what the role or the database has.
    await stage.run(sql`set local ${name(...stage.entry.setting.split("."))} to default`);
  });
  await probeDoors(
    stage,
    CONTEXT_CHECKS.empty,
    both,
    "with an empty context rows are shown",
    async () => await set(""),
  );
  for (const value of MALFORMED) {
    await probeDoors(
      stage,
      CONTEXT_CHECKS.malformed,
      both,
      `with the context ${JSON.stringify(value)} rows are shown`,
      async () => await set(value),
    );
  }
  await probeDoors(
    stage,
    CONTEXT_CHECKS.rowSecurity,
    theirs,
    "with row_security off rows of others are shown",
    async () => {
      await stage.run(sql`set local row_security = off`);
    },
  );
  const { refused } = stage.entry;
  if (refused !== undefined) {
    await probeDoors(
      stage,
      CONTEXT_CHECKS.expired,
      both,
      "with an expired context rows are shown",
      async () => await refused.expired(stage.session, stage.b.id),
    );
    await probeDoors(
      stage,
      CONTEXT_CHECKS.otherBackend,
      both,
      "with another connection's context rows are shown",
      async () => await refused.otherBackend(stage.session, stage.b.id),
    );
  }
  await probeSpoof(stage, theirs);
}

/** A names B, without anything but SQL. One finding: it is the context that is weak, not a table. */
async function probeSpoof(stage: Stage, found: readonly Door[]): Promise<void> {
  stage.ran.add(CONTEXT_CHECKS.spoof.id);
  const [door] = found.filter(({ relation }) => stage.proven.has(relation.oid));
  if (door === undefined) return;
  const forged = sql`select set_config(${literal(stage.entry.setting)}, replace(current_setting(${literal(stage.entry.setting)}), ${literal(stage.a.id)}, ${literal(stage.b.id)}), true)`;
  const show = sql`select * from ${relationName(door.relation)} where ${door.condition} limit 5`;
  const outcome = await stage.attempt(async () => {
    await stage.run(forged);
    return await stage.run(show);
  });
  if (!outcome.ok || outcome.value.length === 0) return;
  const where = { object: { kind: "setting", name: stage.entry.setting }, tables: [] } as const;
  stage.found(
    CONTEXT_CHECKS.spoof,
    where,
    `whoever can send SQL chooses the tenant by set_config of ${stage.entry.setting}`,
    stage.evidence(outcome.value, sql`${forged}; ${show}`),
  );
}

/** One statement for all tables is prepared as A and run as B: rows of A in it are a plan's memory. */
export async function probePrepared(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const mine = doors(stage, relations, ["a"]);
  for (const [check, mode] of [
    [CONTEXT_CHECKS.custom, "force_custom_plan"],
    [CONTEXT_CHECKS.generic, "force_generic_plan"],
  ] as const) {
    await preparedAs(stage, check, mode, mine);
  }
  await probeSavepoint(stage, mine);
}

async function preparedAs(stage: Stage, check: Check, mode: string, found: readonly Door[]): Promise<void> {
  stage.ran.add(check.id);
  if (found.length === 0) return;
  const statement = name(`rw_probe_${mode}_${stage.nextNumber()}`);
  const outcome = await stage.attempt(async () => {
    await stage.run(sql`select set_config('plan_cache_mode', ${literal(mode)}, true)`);
    await stage.run(sql`prepare ${statement} as ${tally(found)}`);
    await stage.run(sql`execute ${statement}`);
    await stage.enter(stage.b);
    return await stage.run<Record<string, number>>(sql`execute ${statement}`);
  });
  // A prepared statement outlives the savepoint; whether it was made at all is not known after a refusal.
  await stage.attempt(async () => await stage.run(sql`deallocate ${statement}`));
  if (!outcome.ok && found.length > 1) {
    const half = Math.ceil(found.length / 2);
    await preparedAs(stage, check, mode, found.slice(0, half));
    await preparedAs(stage, check, mode, found.slice(half));
  }
  if (!outcome.ok) return;
  for (const [index, { condition, relation }] of found.entries()) {
    if ((outcome.value[0]?.[`n${index}`] ?? 0) === 0) continue;
    const open = stage.findings.some(
      (one) => one.check === "probe-read" && one.tables.includes(`${relation.schema}.${relation.name}`),
    );
    if (open) continue;
    const show = sql`prepare q as select count(*) from ${relationName(relation)} where ${condition}`;
    stage.found(
      check,
      relation,
      `a statement prepared as one tenant gave that tenant's rows to another from ${relation.schema}.${relation.name}`,
      stage.evidence([{ rows: outcome.value[0]?.[`n${index}`] }], show),
    );
  }
}

/** As A; in a savepoint as B; the savepoint is taken back: A again, and A's rows only. */
async function probeSavepoint(stage: Stage, found: readonly Door[]): Promise<void> {
  stage.ran.add(CONTEXT_CHECKS.savepoint.id);
  const proven = found.filter(({ relation }) => stage.proven.has(relation.oid));
  if (proven.length === 0) return;
  const outcome = await stage.attempt(async () => {
    await within(stage, stage.b);
    return await stage.run<Record<string, number>>(tally(proven));
  });
  if (!outcome.ok) return;
  for (const [index, { relation }] of proven.entries()) {
    if ((outcome.value[0]?.[`n${index}`] ?? 0) > 0) continue;
    stage.found(
      CONTEXT_CHECKS.savepoint,
      relation,
      `after a savepoint was taken back ${relation.schema}.${relation.name} is seen as another tenant`,
      stage.evidence([], tally(proven)),
    );
  }
}

async function within(stage: Stage, tenant: Tenant): Promise<void> {
  await stage.session.query("savepoint rw_context");
  await stage.enter(tenant);
  await stage.session.query("rollback to savepoint rw_context");
}
