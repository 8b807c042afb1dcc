import type { Constraint, Index } from "../catalog/index.ts";
import { quoted } from "../sql-text.ts";
import type { Draft } from "./plan.ts";
import type { Schema, Subject } from "./subjects.ts";

/** Puts the tenant first in every key, and makes every reference between tenants' tables stay within one tenant. */
export function planKeys(schema: Schema, draft: Draft): void {
  const constraints = schema.catalog.constraints.filter(({ inherited }) => !inherited);
  const moved = new Set(constraints.filter((key) => isForeign(schema, key)).map(({ oid }) => oid));
  for (const key of constraints) {
    const subject = schema.subjects.get(key.table);
    if (subject === undefined) continue;
    if (key.kind === "foreign key") planReference(schema, subject, key, draft);
    else planKey({ subject, key, moved, constraints }, draft);
  }
  for (const index of schema.catalog.indexes) {
    const subject = schema.subjects.get(index.table);
    if (subject !== undefined) planUniqueIndex(subject, index, draft);
  }
  for (const subject of schema.subjects.values()) planTenantIndex(schema, subject, draft);
}

/** A reference between two tables of tenants that could cross from one to the other. */
function isForeign({ subjects }: Schema, { columns, kind, references, table }: Constraint): boolean {
  const [from, to] = [subjects.get(table), subjects.get(references?.table ?? 0)];
  if (kind !== "foreign key" || references === undefined || from === undefined || to === undefined) return false;
  const place = columns.indexOf(from.tenant.name);
  return place === -1 || references.columns[place] !== to.tenant.name;
}

/** `shared_with` that refers to the table of tenants: another tenant is meant. */
function namesTenant({ subjects }: Schema, { references }: Constraint): boolean {
  const to = subjects.get(references?.table ?? 0);
  return to !== undefined && references?.columns.length === 1 && references.columns[0] === to.tenant.name;
}

function planReference(schema: Schema, subject: Subject, key: Constraint, draft: Draft): void {
  const to = schema.subjects.get(key.references?.table ?? 0);
  if (to === undefined || key.references === undefined || !isForeign(schema, key)) return;
  const object = {
    kind: "constraint",
    schema: subject.relation.schema,
    table: subject.relation.name,
    name: key.name,
  } as const;
  if (namesTenant(schema, key)) {
    draft.note(
      object,
      `${subject.name}: ${key.columns.join(", ")} names another tenant, and the wall shows a row to its own tenant alone: ` +
        "what is shared on purpose goes through one narrow function",
    );
    return;
  }
  const isTenantPart = key.columns.includes(subject.tenant.name) || key.references.columns.includes(to.tenant.name);
  if (isTenantPart || (key.columns.length > 1 && key.definition.includes(" MATCH FULL"))) {
    draft.decide(object, `${subject.name}: ${key.definition} cannot be given the tenant without a person's look`);
    return;
  }
  draft.step("drop foreign keys", subject.name, `alter table ${subject.sql} drop constraint ${quoted(key.name)}`, {
    before: key.definition,
  });
  const { columns, onDelete, onUpdate } = key.references;
  const list = (names: readonly string[]): string => names.map((name) => quoted(name)).join(", ");
  // Only what pointed there is emptied; the tenant of the row stays.
  const emptied = onDelete === "set null" || onDelete === "set default" ? ` (${list(key.columns)})` : "";
  const definition =
    `foreign key (${list([subject.tenant.name, ...key.columns])}) ` +
    `references ${to.sql} (${list([to.tenant.name, ...columns])}) on delete ${onDelete}${emptied} on update ${onUpdate}` +
    deferral(key.definition);
  const name = quoted(key.name);
  // Only PostgreSQL 18 takes one that is to be validated later on a partitioned table.
  const isPartitioned = subject.relation.kind === "partitioned table" || to.relation.kind === "partitioned table";
  draft.step(
    "foreign keys",
    subject.name,
    `alter table ${subject.sql} add constraint ${name} ${definition}${isPartitioned ? "" : " not valid"}`,
    { slow: isPartitioned },
  );
  if (!isPartitioned) draft.step("validate", subject.name, `alter table ${subject.sql} validate constraint ${name}`);
}

/** PostgreSQL writes these words last, after everything that can hold a name. */
function deferral(definition: string): string {
  const text = definition.replace(/ NOT VALID$/, "");
  if (text.endsWith(" DEFERRABLE INITIALLY DEFERRED")) return " deferrable initially deferred";
  return text.endsWith(" DEFERRABLE") ? " deferrable" : "";
}

interface KeyPlace {
  readonly subject: Subject;
  readonly key: Constraint;
  readonly moved: ReadonlySet<number>;
  readonly constraints: readonly Constraint[];
}

function planKey({ subject, key, moved, constraints }: KeyPlace, draft: Draft): void {
  if (key.kind !== "primary key" && key.kind !== "unique" && key.kind !== "exclusion") return;
  if (key.columns.includes(subject.tenant.name)) return;
  const object = {
    kind: "constraint",
    schema: subject.relation.schema,
    table: subject.relation.name,
    name: key.name,
  } as const;
  const opening = /^(?:PRIMARY KEY|UNIQUE|UNIQUE NULLS NOT DISTINCT) \(/.exec(key.definition)?.[0];
  const holding = constraints.find(
    ({ oid, references }) =>
      references?.table === key.table && sameNames(references.columns, key.columns) && !moved.has(oid),
  );
  if (opening === undefined || holding !== undefined) {
    const why =
      holding === undefined
        ? key.definition
        : `${key.definition} is what ${holding.name} refers to, which keeps no tenant`;
    draft.decide(object, `${subject.name}: ${why}: put ${subject.tenant.name} first in it`);
    return;
  }
  const definition = `${opening}${quoted(subject.tenant.name)}, ${key.definition.slice(opening.length)}`;
  const [table, name] = [subject.sql, quoted(key.name)];
  draft.step(
    "keys",
    subject.name,
    `alter table ${table} drop constraint ${name}, add constraint ${name} ${definition}`,
    {
      before: key.definition,
      slow: true,
    },
  );
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

function planUniqueIndex(subject: Subject, index: Index, draft: Draft): void {
  if (!index.unique || index.ofConstraint || index.inherited || index.columns.includes(subject.tenant.name)) return;
  const { name, schema } = subject.relation;
  const opening = openings(index.name, schema, name, index.method).find((text) => index.definition.startsWith(text));
  if (opening === undefined) {
    const object = { kind: "index", schema, table: name, name: index.name } as const;
    draft.decide(object, `${subject.name}: ${index.definition}: put ${subject.tenant.name} first in it`);
    return;
  }
  draft.step("keys", subject.name, `drop index ${quoted(schema, index.name)}`, { before: index.definition });
  draft.step(
    "keys",
    subject.name,
    `${opening}${quoted(subject.tenant.name)}, ${index.definition.slice(opening.length)}`,
    {
      slow: true,
    },
  );
}

/** How PostgreSQL may begin the index's definition: it quotes a name only where it has to. */
function openings(index: string, schema: string, table: string, method: string): readonly string[] {
  const forms = (name: string): readonly string[] => [name, quoted(name)];
  return forms(index).flatMap((first) =>
    forms(schema).flatMap((second) =>
      forms(table).flatMap((third) =>
        ["", "ONLY "].map((only) => `CREATE UNIQUE INDEX ${first} ON ${only}${second}.${third} USING ${method} (`),
      ),
    ),
  );
}

/** A table that is only ever read by tenant wants an index that begins with it. */
function planTenantIndex({ catalog }: Schema, subject: Subject, draft: Draft): void {
  if (subject.isChild) return;
  const first = catalog.indexes.some(({ columns, predicate, table }) => {
    return table === subject.relation.oid && predicate === undefined && columns[0] === subject.tenant.name;
  });
  const becomesFirst = catalog.constraints.some(
    ({ columns, kind, table }) =>
      table === subject.relation.oid &&
      (kind === "primary key" || kind === "unique") &&
      !columns.includes(subject.tenant.name),
  );
  if (first || becomesFirst) return;
  draft.step("indexes", subject.name, `create index on ${subject.sql} (${quoted(subject.tenant.name)})`, {
    before: "no index begins with the tenant",
    slow: true,
  });
}
