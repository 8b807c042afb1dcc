import { z } from "zod";

/** PostgreSQL's limit for a name. */
const NAME_CHARS_MAX = 63;
const Name = z.string().min(1).max(NAME_CHARS_MAX);
/** `schema.table`, unquoted, split at the first dot. */
const TableName = z
  .string()
  .max(2 * NAME_CHARS_MAX + 1)
  .regex(/^[^.]+\..+$/, "is written schema.table");
const REASON_CHARS_MIN = 10;
const Reason = z.string().min(REASON_CHARS_MIN, "says why, in a sentence").max(500);

/** How a transaction is told whose it is. */
const ContextSettings = z.discriminatedUnion("kind", [
  /** Ringwall's signed context. */
  z.strictObject({ kind: z.literal("ringwall") }),
  /** `set_config(name, tenant, true)`: whoever can send SQL can choose the tenant, and the report says so. */
  z.strictObject({ kind: z.literal("setting"), name: z.string().regex(/^[a-z_]\w*(\.[a-z_]\w*)+$/i) }),
]);

/** What cannot be read off a schema: which column says whose a row is, who signs in, what is everybody's. */
export const IsolationSettings = z.strictObject({
  /** Schemas to look at; every one that is not PostgreSQL's own when empty. */
  schemas: z.array(Name).default([]),
  /** Columns that say whose a row is; the first one that a table has counts. */
  tenantColumns: z.array(Name).min(1).default(["tenant_id"]),
  context: ContextSettings.default({ kind: "ringwall" }),
  /** The logins that serve requests. What the verifier attacks as. */
  appRoles: z.array(Name).min(1),
  /** Who may own tables and run migrations; trusted, and never a member of an app role's groups. */
  ownerRoles: z.array(Name).default([]),
  /** Tables that hold no tenant's rows on purpose. */
  globalTables: z.array(z.strictObject({ table: TableName, reason: Reason })).default([]),
  /** Findings that are accepted; they are shown as such. `object` is the finding's table or object, `*` for every one. */
  exceptions: z.array(z.strictObject({ check: z.string(), object: z.string(), reason: Reason })).default([]),
});
export type IsolationSettings = z.output<typeof IsolationSettings>;
