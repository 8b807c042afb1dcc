import { list, literal, name, printed, type Sql, sql } from "../sql.ts";
import { live } from "./check.ts";
import { type Relation, type Routine, relationName, tableName } from "./planting/index.ts";
import { counted, probeLeakyFilters, scanOnly } from "./reads.ts";
import type { Stage } from "./stage.ts";

const INVOKER = "Make the view security_invoker, or revoke SELECT on it from the app role.";

export const PATH_CHECKS = {
  partition: live(
    "partition",
    "A partition gives other tenants' rows when it is read by its own name",
    "A table's policies hold for queries that name the table, not for those that name its partition.",
    {
      remediation: "Revoke everything on the partitions from the app role; it reaches them through the parent.",
    },
  ),
  inheritance: live(
    "inheritance",
    "An inheriting table gives other tenants' rows when it is read by its own name",
    "Policies are not inherited.",
    {
      remediation: "Put the wall on the inheriting table, too, or revoke everything on it.",
    },
  ),
  view: live(
    "view",
    "A view gives other tenants' rows",
    "A view reads with the rights of its owner, whom no policy may hold.",
    { category: "indirect", remediation: INVOKER },
  ),
  viewWrite: live(
    "view-write",
    "A write through a view reaches another tenant's rows",
    "A simple view can be written, with the rights of its owner.",
    { category: "indirect", remediation: INVOKER },
  ),
  influence: live(
    "view-influence",
    "What a view says changes with another tenant's rows",
    "Sums and counts over all tenants tell a tenant how the others do.",
    { category: "indirect", remediation: INVOKER },
  ),
  materialized: live(
    "materialized-view",
    "A materialized view gives other tenants' rows",
    "A materialized view is a copy without row-level security.",
    {
      category: "indirect",
      remediation:
        "Revoke SELECT on it from the app role, and give a view with a condition on the tenant or a function instead.",
    },
  ),
  definer: live(
    "definer-function",
    "A SECURITY DEFINER function gives other tenants' rows",
    "It runs with its owner's rights, and takes the caller's word for whose rows are wanted.",
    {
      category: "indirect",
      remediation: "Let the function compare with the tenant of the context, or revoke EXECUTE on it.",
    },
  ),
  leakproof: live(
    "leakproof-function",
    "A function marked LEAKPROOF tells values before the wall holds",
    "PostgreSQL runs what is marked LEAKPROOF before the policies' conditions; this one says what it saw.",
    {
      category: "indirect",
      remediation: "ALTER FUNCTION ... NOT LEAKPROOF.",
    },
  ),
  sequence: live(
    "sequence",
    "A sequence tells how many rows all tenants make",
    "Two looks at last_value tell the volume between them.",
    {
      category: "indirect",
      level: "warning",
      remediation: "Revoke SELECT on the sequence; USAGE is enough for nextval. Prefer random keys.",
    },
  ),
} as const;

/** Views over views, and partitions of partitions. */
const DEPTH_MAX = 32;

/** Other doors to the rows of the tables that were planted. */
export async function probePaths(stage: Stage, relations: readonly Relation[]): Promise<void> {
  const planted = relations.filter((relation) => stage.row("b", relation) !== undefined);
  stage.ran.add(PATH_CHECKS.leakproof.id);
  await probeChildren(stage, planted);
  for (const relation of planted) await probeLeakproof(stage, relation);
}

/** A child is read by its own name, with its parent's tenant column. */
async function probeChildren(stage: Stage, planted: readonly Relation[]): Promise<void> {
  const children = [...stage.schema.relations.values()].flatMap((child) => {
    const root = rootOf(stage, child);
    const reached = root !== undefined && planted.includes(root) && child.may.select && child.may.usage;
    const condition = reached ? conditionOf(stage, root, child) : undefined;
    return condition === undefined
      ? []
      : [
          {
            child,
            show: sql`select * from ${relationName(child)} where ${condition} limit 5`,
            count: sql`select count(*) from ${relationName(child)} where ${condition}`,
          },
        ];
  });
  stage.ran.add(PATH_CHECKS.partition.id).add(PATH_CHECKS.inheritance.id);
  const answers = await counted(
    stage,
    children.map(({ count }) => count),
  );
  for (const [index, { child, show }] of children.entries()) {
    if ((answers[index] ?? 0) === 0) continue;
    const check = child.isPartition ? PATH_CHECKS.partition : PATH_CHECKS.inheritance;
    stage.found(
      check,
      child,
      `${tableName(child)} gives rows of other tenants when it is read by its own name`,
      stage.evidence(await stage.tried(show), show),
    );
  }
}

function conditionOf(stage: Stage, root: Relation, child: Relation): Sql | undefined {
  const [owner] = stage.garden.owners.get(root.oid) ?? [];
  const column = child.columns.find((one) => one.name === owner);
  if (column?.readable !== true) return undefined;
  // An inheriting table has rows of its own, which nobody planted: whatever is not A's counts there.
  return child.isPartition
    ? sql`${name(column.name)}::text = ${literal(stage.b.id)}`
    : sql`${name(column.name)}::text <> ${literal(stage.a.id)}`;
}

export function rootOf(stage: { readonly schema: Stage["schema"] }, child: Relation): Relation | undefined {
  let at: Relation | undefined = child;
  for (let depth = 0; depth < DEPTH_MAX && typeof at?.parent === "number"; depth++)
    at = stage.schema.relations.get(at.parent);
  return at === child ? undefined : at;
}

/** The functions that someone has marked as telling nothing, given each text of the table. */
async function probeLeakproof(stage: Stage, relation: Relation): Promise<void> {
  if (!relation.may.select || !relation.may.usage) return;
  for (const routine of stage.schema.routines.filter(({ leakproof }) => leakproof)) {
    const [argument] = routine.arguments;
    if (routine.arguments.length - routine.optional > 1 || argument === undefined) continue;
    const column = relation.columns.find((one) => one.readable && one.base === argument.base);
    if (column === undefined) continue;
    const statement = sql`select 1 from ${relationName(relation)} where ${name(routine.schema, routine.name)}(${name(column.name)}) is null`;
    const outcome = await stage.attempt(async () => {
      await stage.enter(stage.nobody);
      await scanOnly(stage);
      return await stage.run(statement);
    });
    stage.ran.add(PATH_CHECKS.leakproof.id);
    const told = [stage.a, stage.b].some(
      ({ id, marker }) => !outcome.ok && [id, marker].some((value) => outcome.refusal.message.includes(value)),
    );
    if (outcome.ok || !told) continue;
    const where = {
      object: { kind: "function", schema: routine.schema, name: routine.name },
      tables: [tableName(relation)],
    } as const;
    stage.found(
      PATH_CHECKS.leakproof,
      where,
      `${routine.signature} told a value of another tenant's row of ${tableName(relation)}`,
      stage.evidence([{ error: outcome.refusal.message }], statement),
    );
  }
}

/** Rows of the view in which B's id or marker stands, wherever it does. */
function marked(stage: Stage, view: Relation): Sql {
  const columns = view.columns.filter(({ readable }) => readable);
  const row = sql`concat_ws(' ', ${list(columns.map((column) => sql`${name(column.name)}::text`))})`;
  return sql`(position(${literal(stage.b.marker)} in ${row}) > 0 or position(${literal(stage.b.id)} in ${row}) > 0)`;
}

/** Views that read a planted table, or one of the functions' results: those that read no table are asked as well. */
function views(stage: Stage, kind: "v" | "m"): Relation[] {
  const reads = (view: Relation, depth: number): boolean =>
    view.sources.length === 0 ||
    view.sources.some((oid) => {
      if (stage.planted.a.has(oid)) return true;
      const source = stage.schema.relations.get(oid);
      if (source === undefined || depth > DEPTH_MAX) return false;
      const root = rootOf(stage, source);
      return (
        (root !== undefined && stage.planted.a.has(root.oid)) || (source.sources.length > 0 && reads(source, depth + 1))
      );
    });
  return [...stage.schema.relations.values()].filter(
    (one) => one.kind === kind && one.may.select && one.may.usage && reads(one, 0),
  );
}

/** What each view says, as one text: compared before and after rows of B are there. */
export async function viewAnswers(stage: Stage): Promise<ReadonlyMap<number, string>> {
  const answers = new Map<number, string>();
  for (const view of views(stage, "v")) {
    const columns = list(view.columns.filter(({ readable }) => readable).map((column) => name(column.name)));
    const rows = await stage.tried<{ said: string | null }>(
      sql`select md5(string_agg(x::text, ',' order by x::text)) as said from (select ${columns} from ${relationName(view)} limit 10000) x`,
    );
    if (rows[0] !== undefined) answers.set(view.oid, rows[0].said ?? "");
  }
  return answers;
}

/** Views show what their owner sees; each is asked for B's marker, and whether B's rows change its answer. */
export async function probeViews(stage: Stage, before: ReadonlyMap<number, string>): Promise<void> {
  const found = views(stage, "v");
  stage.ran.add(PATH_CHECKS.view.id).add(PATH_CHECKS.influence.id);
  const answers = await counted(
    stage,
    found.map((view) => sql`select count(*) from ${relationName(view)} where ${marked(stage, view)}`),
  );
  const after = await viewAnswers(stage);
  await probeLeakyFilters(stage, found);
  for (const [index, view] of found.entries()) {
    const show = sql`select * from ${relationName(view)} where ${marked(stage, view)} limit 5`;
    if ((answers[index] ?? 0) > 0) {
      stage.found(
        PATH_CHECKS.view,
        view,
        `the view ${tableName(view)} gives rows of another tenant`,
        stage.evidence(await stage.tried(show), show),
      );
    } else if (before.has(view.oid) && after.has(view.oid) && before.get(view.oid) !== after.get(view.oid)) {
      const read = sql`select * from ${relationName(view)} limit 5`;
      stage.found(
        PATH_CHECKS.influence,
        view,
        `what the view ${tableName(view)} says to a tenant changed when another tenant got rows`,
        stage.evidence(await stage.tried(read), read),
      );
    }
    await probeViewWrite(stage, view);
  }
}

async function probeViewWrite(stage: Stage, view: Relation): Promise<void> {
  const column = view.columns.find((one) => one.updatable && one.readable);
  const tenant = stage.settings.tenantColumns
    .map((wanted) => view.columns.find((one) => one.name === wanted))
    .find((one) => one !== undefined);
  stage.ran.add(PATH_CHECKS.viewWrite.id);
  if (tenant?.readable !== true) return;
  const theirs = sql`${name(tenant.name)}::text = ${literal(stage.b.id)}`;
  const statements = [
    ...(column === undefined
      ? []
      : [
          sql`update ${relationName(view)} set ${name(column.name)} = ${name(column.name)} where ${theirs} returning *`,
        ]),
    ...(view.may.delete ? [sql`delete from ${relationName(view)} where ${theirs} returning *`] : []),
  ];
  for (const statement of statements) {
    const rows = await stage.tried(statement);
    if (rows.length > 0)
      stage.found(
        PATH_CHECKS.viewWrite,
        view,
        `a write through the view ${tableName(view)} reached a row of another tenant`,
        stage.evidence(rows, statement),
      );
  }
}

/** Filled anew with the planted rows where that is allowed and quick; the rows it has already count as well. */
export async function probeMaterialized(stage: Stage): Promise<void> {
  stage.ran.add(PATH_CHECKS.materialized.id);
  for (const view of views(stage, "m")) {
    const tenant = stage.settings.tenantColumns
      .map((wanted) => view.columns.find((one) => one.name === wanted))
      .find((one) => one?.readable === true);
    const condition =
      tenant === undefined ? marked(stage, view) : sql`${name(tenant.name)}::text <> ${literal(stage.a.id)}`;
    const show = sql`select * from ${relationName(view)} where ${condition} limit 5`;
    const filled = await stage.attempt(async () => {
      await stage.asPlanter();
      await stage.run(sql`refresh materialized view ${relationName(view)}`);
      await stage.asApp();
      return await stage.run(show);
    });
    const rows = filled.ok ? filled.value : await stage.tried(show);
    if (rows.length > 0)
      stage.found(
        PATH_CHECKS.materialized,
        view,
        `the materialized view ${tableName(view)} gives rows of other tenants`,
        stage.evidence(rows, show),
      );
    else if (!filled.ok)
      stage.skipped.set(
        PATH_CHECKS.materialized.id,
        `${tableName(view)} could not be filled: ${filled.refusal.sqlstate}`,
      );
  }
}

const ARGUMENTS_MAX = 4;
const CALLS_MAX = 8;
const TEXTS = new Set(["text", "varchar", "bpchar", "citext", "name"]);
const NUMBERS = new Set(["int2", "int4", "int8", "numeric"]);

/** What an attacker can guess: the other tenant's id, small numbers, keys in use, a wildcard. No secret and no random key. */
function guesses(stage: Stage, base: string): readonly string[] {
  const rows = [...stage.planted.b.entries()].flatMap(([oid, [row]]) => {
    const relation = stage.schema.relations.get(oid);
    const columns = relation?.columns.filter((column) => column.base === base) ?? [];
    return row === undefined
      ? []
      : columns.map((column) => row[column.name]).filter((value) => typeof value === "string");
  });
  if (TEXTS.has(base)) return [stage.b.id, "%", ...rows.slice(0, 2)];
  if (NUMBERS.has(base))
    return [...new Set([...(/^\d+$/.test(stage.b.id) ? [stage.b.id] : []), ...rows.slice(0, 5), "1000"])];
  if (base === "uuid") return stage.b.id.includes("-") ? [stage.b.id] : [];
  if (base === "bool") return ["true"];
  if (base === "jsonb" || base === "json") return ["{}"];
  if (/^timestamp|^date/.test(base)) return ["2020-01-01"];
  return [];
}

function calls(stage: Stage, routine: Routine): Sql[] {
  const needed = routine.arguments.slice(0, routine.arguments.length - routine.optional);
  if (needed.length > ARGUMENTS_MAX) return [];
  const options = needed.map((argument) => guesses(stage, argument.base));
  if (options.some((option) => option.length === 0)) return [];
  const rounds = Math.max(1, ...options.map((option) => option.length));
  return Array.from({ length: Math.min(CALLS_MAX, rounds) }, (_, round) => {
    const values = needed.map((argument, index) => {
      const option = options[index] ?? [];
      return sql`${literal(option[round % option.length] ?? "")}::${printed(argument.type)}`;
    });
    return sql`select f::text as returned from ${name(routine.schema, routine.name)}(${list(values)}) f limit 5`;
  });
}

/** Each SECURITY DEFINER function that the app role may call, with arguments that anybody could think of. */
export async function probeDefinerFunctions(stage: Stage): Promise<void> {
  stage.ran.add(PATH_CHECKS.definer.id);
  for (const routine of stage.schema.routines.filter(({ definer }) => definer)) {
    for (const statement of calls(stage, routine)) {
      const rows = await stage.tried<{ returned: string | null }>(statement);
      const reached = rows.filter(({ returned }) => isTheirs(stage, returned ?? "", statement));
      if (reached.length === 0) continue;
      const where = {
        object: { kind: "function", schema: routine.schema, name: routine.name },
        tables: [],
      } as const;
      stage.found(
        PATH_CHECKS.definer,
        where,
        `${routine.signature} gave rows of another tenant to whoever asked`,
        stage.evidence(reached, statement),
      );
      break;
    }
  }
}

/** A shorter value stands in many a row. */
const VALUE_CHARS_MIN = 8;

/** The answer holds more of B than the question did. */
function isTheirs(stage: Stage, returned: string, statement: Sql): boolean {
  const texts = [stage.b.id, stage.b.marker].filter((value) => !statement.text.includes(value));
  if (texts.some((value) => returned.includes(value))) return true;
  // The id was in the question: a row that holds it beside other values is an answer, an echo is not.
  const valuesOf = (planted: Stage["planted"]["b"]): string[] =>
    [...planted.values()].flatMap(([row]) => Object.values(row ?? {})).filter((value) => value !== null);
  const mine = new Set(valuesOf(stage.planted.a));
  const others = valuesOf(stage.planted.b).filter((value) => value.length >= VALUE_CHARS_MIN && !mine.has(value));
  return others.some((value) => value !== stage.b.id && returned.includes(value) && !statement.text.includes(value));
}

/** Sequences that may be read. */
export async function probeSequences(stage: Stage): Promise<void> {
  stage.ran.add(PATH_CHECKS.sequence.id);
  for (const sequence of stage.schema.sequences) {
    const statement = sql`select last_value from ${relationName(sequence)}`;
    const rows = await stage.tried(statement);
    const where = { object: { kind: "sequence", schema: sequence.schema, name: sequence.name }, tables: [] } as const;
    if (rows.length > 0)
      stage.found(
        PATH_CHECKS.sequence,
        where,
        `the sequence ${tableName(sequence)} tells how many rows all tenants have made`,
        stage.evidence(rows, statement),
      );
  }
}
