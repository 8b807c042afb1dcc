import type { Oid } from "./model.ts";
import type { Grant } from "./principals.ts";

/** Rights as the queries give them: grantee, privilege, grantable. Null where nothing was ever granted. */
export type GrantRows = readonly (readonly [string, string, boolean])[] | null;

export function grantsOf(rows: GrantRows): readonly Grant[] {
  return (rows ?? []).map(([grantee, privilege, grantable]) => ({ grantee, privilege, grantable }));
}

/** A code of one letter as the word for it. A letter that is not known is a PostgreSQL that is not known. */
export function wordOf<Word extends string>(words: Readonly<Record<string, Word>>, code: string): Word {
  const word = Object.hasOwn(words, code) ? words[code] : undefined;
  if (word === undefined) throw new TypeError(`the catalog holds a code that is not known: ${code}`);
  return word;
}

/** Rows by the object they belong to, in their order. */
export function grouped<Row, Value>(
  rows: readonly Row[],
  key: (row: Row) => Oid,
  value: (row: Row) => Value,
): ReadonlyMap<Oid, readonly Value[]> {
  const groups = new Map<Oid, Value[]>();
  for (const row of rows) {
    const group = groups.get(key(row));
    if (group === undefined) groups.set(key(row), [value(row)]);
    else group.push(value(row));
  }
  return groups;
}
