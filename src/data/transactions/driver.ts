/** What the driver answers. */
export interface DriverResult<Row = Record<string, unknown>> {
  readonly rows: Row[];
  readonly rowCount: number | null;
  readonly command: string;
}

/** A statement as `pg` takes it. */
export interface DriverQuery {
  readonly text: string;
  readonly values?: readonly unknown[];
  readonly name?: string;
  readonly rowMode?: string;
  readonly types?: unknown;
}

/** A connection of `pg`'s pool, as far as it is used here. */
export interface DriverClient {
  query(query: object): Promise<unknown>;
  release(destroy?: boolean): void;
  on(event: "error", listener: (error: Error) => void): unknown;
  removeListener(event: "error", listener: (error: Error) => void): unknown;
}

/** A pool of `pg`, as far as it is used here. From version 8.12 on: it has to know `queryMode`. */
export interface DriverPool {
  connect(): Promise<DriverClient>;
}
