import { assert } from "../../core/index.ts";
import { quoted, literal as quotedLiteral } from "./sql-text.ts";

/** SQL that was written in this program, with quoted names and literals put in. Nothing else can be put into one. */
export class Sql {
  readonly text: string;
  private constructor(text: string) {
    this.text = text;
  }

  /** Puts a statement together out of parts that are SQL already. */
  static join(strings: readonly string[], parts: readonly Sql[]): Sql {
    return new Sql(strings.map((text, index) => text + (parts[index]?.text ?? "")).join(""));
  }

  /** A name, quoted: `name("a b", "t")` is `"a b"."t"`. */
  static name(parts: readonly string[]): Sql {
    for (const part of parts) assert(part !== "" && !part.includes("\0"), "a name has characters, and no NUL");
    return new Sql(quoted(...parts));
  }

  static literal(value: string): Sql {
    assert(!value.includes("\0"), "PostgreSQL's text has no NUL");
    return new Sql(quotedLiteral(value));
  }

  /** What PostgreSQL itself printed as an expression, a type or a signature, with every name in it quoted where needed. */
  static printed(text: string): Sql {
    return new Sql(text);
  }
}

/** Tagged template: what is put in is SQL, by `name`, `literal` or another template. */
export function sql(strings: TemplateStringsArray, ...parts: readonly Sql[]): Sql {
  return Sql.join(strings, parts);
}

export const name = (...parts: readonly string[]): Sql => Sql.name(parts);
export const literal = (value: string | null): Sql => (value === null ? sql`null` : Sql.literal(value));
export const printed = (text: string): Sql => Sql.printed(text);

/** Parts with a separator between them; an empty list is empty. */
export function list(parts: readonly Sql[], separator = ", "): Sql {
  return Sql.join(["", ...parts.slice(1).map(() => separator), ""], parts);
}
