/** Tables whose rows go together: one, a batch at a time, or several that refer to each other, in one statement. */
export interface DeletionStep {
  readonly tables: readonly string[];
  /** True where the rows refer to each other in a circle, so that no batch of them could go first. */
  readonly atOnce: boolean;
}

/** One foreign key. */
export interface Reference {
  readonly referring: string;
  readonly referred: string;
}

/**
 * In which order tables are emptied so that no row is deleted while another one still refers to it: the strongly connected
 * parts of the graph of foreign keys, referring ones first (Tarjan, SIAM Journal on Computing 1, 1972). References of
 * tables that are not in the list are passed over.
 */
export function deletionOrder(tables: readonly string[], references: readonly Reference[]): readonly DeletionStep[] {
  const known = new Set(tables);
  const next = new Map(tables.map((table) => [table, new Set<string>()]));
  for (const { referred, referring } of references) {
    if (known.has(referring) && known.has(referred)) next.get(referring)?.add(referred);
  }
  // Tarjan gives what is referred to first.
  return stronglyConnected(tables, next)
    .toReversed()
    .map((part) => {
      const [first = ""] = part;
      return { tables: part, atOnce: part.length > 1 || next.get(first)?.has(first) === true };
    });
}

interface Visit {
  readonly table: string;
  readonly rest: Iterator<string>;
}

/** With a stack of its own: a chain of five thousand tables must not overflow the process's. */
function stronglyConnected(tables: readonly string[], next: ReadonlyMap<string, ReadonlySet<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const parts: string[][] = [];
  const visits: Visit[] = [];

  const enter = (table: string): void => {
    index.set(table, index.size);
    low.set(table, index.get(table) ?? 0);
    open.push(table);
    isOpen.add(table);
    visits.push({ table, rest: (next.get(table) ?? new Set<string>()).values() });
  };
  const lower = (table: string, to: number | undefined): void => {
    low.set(table, Math.min(low.get(table) ?? 0, to ?? 0));
  };
  const leave = (table: string): void => {
    visits.pop();
    const parent = visits.at(-1);
    if (parent !== undefined) lower(parent.table, low.get(table));
    if (low.get(table) !== index.get(table)) return;
    const part = open.splice(open.lastIndexOf(table));
    for (const one of part) isOpen.delete(one);
    parts.push(part);
  };

  for (const root of tables) {
    if (!index.has(root)) enter(root);
    for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
      const { done, value } = visit.rest.next();
      if (done === true) leave(visit.table);
      else if (!index.has(value)) enter(value);
      else if (isOpen.has(value)) lower(visit.table, index.get(value));
    }
  }
  return parts;
}
