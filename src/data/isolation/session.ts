/** One connection to a PostgreSQL under examination. Values travel as bind parameters; identifiers are quoted by the caller. */
export interface SqlSession {
  /** Runs one statement. @throws SqlRefusal when PostgreSQL refuses it; anything else means that the connection is gone */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>;
  close(): Promise<void>;
}

/** Opens connections as one login. The verifier opens few, and closes each. */
export interface SqlAccess {
  connect(): Promise<SqlSession>;
}

/** PostgreSQL said no. `message` and `detail` are PostgreSQL's own words and may hold values of rows. */
export class SqlRefusal extends Error {
  readonly sqlstate: string;
  readonly detail: string | undefined;

  constructor(sqlstate: string, message: string, detail?: string) {
    super(message);
    this.name = "SqlRefusal";
    this.sqlstate = sqlstate;
    this.detail = detail;
  }
}
