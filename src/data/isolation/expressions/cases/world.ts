import type { Order, Value } from "./evaluate.ts";

/** One way in which a row is not the context's. */
export interface World {
  readonly tenantIsNull: boolean;
  readonly contextIsNull: boolean;
  /** As it stands in a sentence: "holds for ...". */
  readonly text: string;
  /** How two values that are not NULL may compare in it. */
  orders(left: Value, right: Value): readonly Order[];
}

const ORDERS: readonly Order[] = ["less", "greater", "equal"];
const DIFFERENT: readonly Order[] = ["less", "greater"];

/** Every way in which a row is not the context's; a tenant column that is NOT NULL leaves out those of rows without one. */
export function worlds(tenantNullable: boolean): readonly World[] {
  return [
    world(false, false, "a row of another tenant"),
    world(false, true, "a row of any tenant when there is no context"),
    ...(tenantNullable
      ? [
          world(true, false, "a row whose tenant is NULL"),
          world(true, true, "a row whose tenant is NULL when there is no context"),
        ]
      : []),
  ];
}

function world(tenantIsNull: boolean, contextIsNull: boolean, text: string): World {
  return { tenantIsNull, contextIsNull, text, orders };
}

function orders(left: Value, right: Value): readonly Order[] {
  if (left.key === right.key) return ["equal"];
  const pair = new Set([left.key, right.key]);
  if (pair.has("tenant") && pair.has("context")) return DIFFERENT;
  if (left.literal !== undefined && right.literal !== undefined) return literals(left.literal, right.literal);
  return ORDERS;
}

type Literal = NonNullable<Value["literal"]>;

/** Texts that differ are different, but which is less depends on the collation; other types have several spellings. */
function literals(left: Literal, right: Literal): readonly Order[] {
  if (left.type !== right.type || left.type === "other") return ORDERS;
  if (left.type !== "integer") return DIFFERENT;
  const [a, b] = [BigInt(left.value), BigInt(right.value)];
  return a === b ? ["equal"] : a < b ? ["less"] : ["greater"];
}
