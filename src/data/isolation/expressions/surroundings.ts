/** What is known of a column. `type` is the base type's name in pg_catalog, or `schema.name` of a type that is not there. */
export interface ColumnType {
  readonly type: string;
  readonly nullable: boolean;
  /** `false`: its collation may hold two different texts for equal. */
  readonly deterministic: boolean;
}

/** A function that an expression calls, with its source when it can be read. */
export interface FunctionSource {
  readonly language: string;
  /** As in `AS '...'`; the text that `pg_get_function_sqlbody` gives when it has one of those. */
  readonly source: string | undefined;
  /** Names of the parameters in order; empty strings for those without one. */
  readonly parameters: readonly string[];
  readonly returnsSet: boolean;
  /** Reads tables with its owner's rights. */
  readonly definer: boolean;
  /** `undefined`: names in it are looked up along the caller's search_path. */
  readonly searchPath: string | undefined;
}

/** What the names in an expression stand for. A face of the catalog, so that expressions can be judged without one. */
export interface Surroundings {
  readonly context: { readonly kind: "ringwall" } | { readonly kind: "setting"; readonly name: string };
  column(table: string, name: string): ColumnType | undefined;
  /** The column that says whose a row of the table is. */
  tenantColumn(table: string): string | undefined;
  /** The functions of that name that take so many arguments; several when it is overloaded. `schema` undefined: not qualified. */
  functions(schema: string | undefined, name: string, argumentCount: number): readonly FunctionSource[];
  /** Whether somebody made an operator of that name for types of PostgreSQL's own, so that the name alone does not say which is meant. */
  isShadowed(operator: string): boolean;
  /** Whether a read of the table as the role in question gives only the context's own rows. */
  isWalled(table: string): boolean;
  /** For a judged table without a column that says whose a row is: where its rows' tenant is written instead. */
  links(table: string): readonly Link[];
}

/** A reference from a row to the one row that says whose it is. */
export interface Link {
  readonly column: string;
  readonly other: string;
  readonly otherColumn: string;
}
