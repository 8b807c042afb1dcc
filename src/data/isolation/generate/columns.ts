import { quoted } from "../sql-text.ts";
import { contextExpression } from "./expression.ts";
import type { Draft } from "./plan.ts";
import type { Schema } from "./subjects.ts";

/** Types by which an index can be used behind the wall: their equality is leakproof. */
const INDEXABLE: ReadonlySet<string> = new Set(["text", "varchar", "bpchar", "uuid", "int2", "int4", "int8"]);

/** The tenant column is never NULL; who inserts need not name it. */
export function planColumns(schema: Schema, draft: Draft): void {
  for (const { isChild, name, relation, sql, tenant } of schema.subjects.values()) {
    if (isChild) continue;
    const object = { kind: "table", schema: relation.schema, name: relation.name, column: tenant.name } as const;
    if (!INDEXABLE.has(tenant.baseType)) {
      draft.decide(
        object,
        `${name}.${tenant.name} is ${tenant.type}, whose comparison keeps the wall from using an index`,
      );
    }
    if (tenant.notNull) continue;
    const column = quoted(tenant.name);
    fillFromParent(schema, relation.oid, draft);
    draft.step("fill", name, `alter table ${sql} alter column ${column} set not null`, {
      before: "may be NULL",
      slow: true,
    });
    if (tenant.expression === undefined) {
      const value = contextExpression(schema.settings, tenant);
      draft.step("fill", name, `alter table ${sql} alter column ${column} set default ${value}`);
    }
  }
}

/** Rows of nobody belong to whom they refer to, where that is sure. */
function fillFromParent({ catalog, subjects }: Schema, oid: number, draft: Draft): void {
  const subject = subjects.get(oid);
  if (subject === undefined) return;
  const way = catalog.constraints.find(({ columns, kind, references, table }) => {
    const parent = subjects.get(references?.table ?? 0);
    return kind === "foreign key" && table === oid && parent !== undefined && !columns.includes(subject.tenant.name);
  });
  const parent = subjects.get(way?.references?.table ?? 0);
  if (way?.references === undefined || parent === undefined) return;
  const { columns } = way.references;
  const joined = way.columns.map((name, place) => `child.${quoted(name)} = parent.${quoted(columns[place] ?? "")}`);
  const column = quoted(subject.tenant.name);
  draft.step(
    "fill",
    subject.name,
    `update ${subject.sql} as child set ${column} = parent.${quoted(parent.tenant.name)} from ${parent.sql} as parent ` +
      `where child.${column} is null and ${joined.join(" and ")}`,
    { before: "rows may belong to nobody", slow: true },
  );
}
