import { assert } from "../../core/index.ts";
import type { NormaliserName } from "../indexes/index.ts";
import { COLUMN_NAME } from "./format.ts";
import { PADDED_BYTES_MIN } from "./padded.ts";

/** How a blind index is made and cut. */
export interface IndexOptions {
  /** How many values there can be, as a power of two. Without it the planner takes it that there are very many. */
  readonly valueBits?: number;
  /** Takes this many bits of each tag instead of the planner's choice. */
  readonly bits?: number;
  /** Spreads each value over this many tags, so that a frequent one does not stand out. A search asks for all. */
  readonly partitions?: number;
  /** Goes up when anything of the index changes; the rows are then tagged anew. */
  readonly version?: number;
  /** What rows may still have while they are tagged anew: a search asks for both. What is left out was as it is now. */
  readonly previous?: {
    readonly version: number;
    /** The length of its tags. The planner cannot know it: another number of rows may have given another one. */
    readonly bits: number;
    readonly normaliser?: NormaliserName;
    readonly partitions?: number;
  };
}

/** Options of an index over the whole value. */
export interface EqualityOptions extends IndexOptions {
  /** What makes two values equal. `exact` unless given. */
  readonly normaliser?: NormaliserName;
  /** Stored in full, so that the database can hold uniqueness. Whoever reads it sees which rows are equal. */
  readonly unique?: boolean;
}

/** One blind index of a column, as it was declared. */
export interface DeclaredIndex extends EqualityOptions {
  /** The column of the tag. */
  readonly column: string;
  /** What of the value it is of. */
  readonly kind: "eq" | "last4" | "domain";
  readonly normaliser: NormaliserName;
}

/** What was declared of a column. */
export interface ColumnDefinition {
  readonly nullable: boolean;
  readonly hidesNull: boolean;
  /** Least length of a padded value; undefined when lengths show. */
  readonly paddedBytes: number | undefined;
  readonly stored: "bytea" | "text";
  readonly indexes: readonly DeclaredIndex[];
}

/** A declared column, whatever its types. */
export type AnyColumn = SealedColumn<string, string | null, Buffer | string, string>;

// The last four digits of a number that does not begin with them.
const LAST_FOUR_VALUE_BITS = Math.log2(10_000);
const PADDED_BYTES_MAX = 65_536;

/**
 * A sealed column and its blind indexes. Every method gives a new declaration.
 * @typeParam Value - What is sealed and opened: `string`, with `null` when the column may hold it.
 * @typeParam Stored - What the database holds: `Buffer`, or `string` for the text form.
 * @typeParam Tags - The names of its index columns.
 */
export class SealedColumn<
  Name extends string,
  Value extends string | null,
  Stored extends Buffer | string,
  Tags extends string,
> {
  readonly name: Name;
  readonly definition: ColumnDefinition;
  /** Carries types; never present at run time. */
  declare readonly types?: { readonly value: Value; readonly stored: Stored; readonly tags: Tags };

  constructor(name: Name, definition: ColumnDefinition) {
    // `constructor` is a fine column and every object has one: a value that is missing would look as if it were there.
    assert(COLUMN_NAME.test(name) && !(name in {}), "a sealed column has a plain name");
    this.name = name;
    this.definition = definition;
  }

  /** Found by equality, through the column `NAME_eq`. */
  equality(options: EqualityOptions = {}): SealedColumn<Name, Value, Stored, Tags | `${Name}_eq`> {
    return this.#indexed({
      ...options,
      kind: "eq",
      column: `${this.name}_eq`,
      normaliser: options.normaliser ?? "exact",
    });
  }

  /** Found by its last four digits, through the column `NAME_last4`. */
  lastFour(options: IndexOptions = {}): SealedColumn<Name, Value, Stored, Tags | `${Name}_last4`> {
    const index = { valueBits: LAST_FOUR_VALUE_BITS, ...options, kind: "last4", normaliser: "last4" } as const;
    return this.#indexed({ ...index, column: `${this.name}_last4` });
  }

  /** Found by the domain of an address, through the column `NAME_domain`. */
  domain(options: IndexOptions = {}): SealedColumn<Name, Value, Stored, Tags | `${Name}_domain`> {
    return this.#indexed({ ...options, kind: "domain", column: `${this.name}_domain`, normaliser: "domain" });
  }

  /** May be NULL, and is seen to be: NULL stays NULL in the database. */
  nullable(): SealedColumn<Name, Value | null, Stored, Tags> {
    return this.#with({ nullable: true });
  }

  /** Always holds a value: what a column is unless it says otherwise. */
  required(): SealedColumn<Name, string, Stored, Tags> {
    return this.#with({ nullable: false, hidesNull: false });
  }

  /** May be NULL without its being seen: a NULL is sealed like a value, and its tags are random ones. Pads, too. */
  hideNull(): SealedColumn<Name, Value | null, Stored, Tags> {
    return this.#with({ hidesNull: true, paddedBytes: this.definition.paddedBytes ?? PADDED_BYTES_MIN });
  }

  /**
   * Hides lengths: sealed as 16, 32, 64 ... bytes.
   * @param least - A power of two from 16; values shorter than two bytes less than this all look alike.
   */
  padded(least: number = PADDED_BYTES_MIN): SealedColumn<Name, Value, Stored, Tags> {
    const fits = Number.isInteger(Math.log2(least)) && least >= PADDED_BYTES_MIN && least <= PADDED_BYTES_MAX;
    assert(fits, "a column is padded to a power of two from 16 to 65,536");
    return this.#with({ paddedBytes: least });
  }

  /** Stored in the text form `rw1.…` in a column of type text, for tools that take no bytes. A third longer. */
  asText(): SealedColumn<Name, Value, string, Tags> {
    return this.#with({ stored: "text" });
  }

  #indexed<More extends string>(index: DeclaredIndex): SealedColumn<Name, Value, Stored, Tags | More> {
    const { indexes } = this.definition;
    assert(!indexes.some(({ kind }) => kind === index.kind), "a column has one index of a kind");
    assert(!(index.unique === true && (index.partitions ?? 1) !== 1), "a unique index has no partitions");
    return this.#with({ indexes: [...indexes, index] });
  }

  #with<V extends string | null, S extends Buffer | string, T extends string>(
    change: Partial<ColumnDefinition>,
  ): SealedColumn<Name, V, S, T> {
    const definition = { ...this.definition, ...change };
    assert(!(definition.nullable && definition.hidesNull), "a column shows its NULLs or hides them");
    return new SealedColumn(this.name, definition);
  }
}

/**
 * Declares a sealed column.
 * @example sealed("ssn").equality({ normaliser: "digits" }).lastFour()
 */
export function sealed<Name extends string>(name: Name): SealedColumn<Name, string, Buffer, never> {
  const definition = {
    nullable: false,
    hidesNull: false,
    paddedBytes: undefined,
    stored: "bytea",
    indexes: [],
  } as const;
  return new SealedColumn(name, definition);
}
