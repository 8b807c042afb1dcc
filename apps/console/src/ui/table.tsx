import type { ReactNode } from "react";

/** One column. `main` names the row; `end` is set to the right, for figures and acts. */
export interface Column<Row> {
  readonly name: string;
  readonly kind?: "main" | "end" | "acts";
  readonly cell: (row: Row) => ReactNode;
}

interface TableProps<Row> {
  readonly label: string;
  readonly columns: readonly Column<Row>[];
  readonly rows: readonly Row[];
  readonly keyOf: (row: Row) => string;
}

/**
 * Rows with a head; on a narrow screen each row becomes a card. The roles are written out, because a table that is laid
 * out as blocks is none any more to whoever cannot see it.
 */
export function Table<Row>({ columns, keyOf, label, rows }: TableProps<Row>): ReactNode {
  return (
    <div className="table-frame">
      <table role="table" aria-label={label}>
        <thead role="rowgroup">
          <tr role="row">
            {columns.map(({ kind, name }) => (
              <th key={name} role="columnheader" scope="col" className={kind}>
                {kind === "acts" ? <span className="unseen">{name}</span> : name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody role="rowgroup">
          {rows.map((row) => (
            <tr key={keyOf(row)} role="row">
              {columns.map(({ cell, kind, name }) => (
                <td key={name} role="cell" className={kind} data-label={kind === "acts" ? undefined : name}>
                  {cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
