import { IsolationSettings } from "./settings.ts";

const KEYS = "Answers with one row, and only to who knows a secret whose hash is the key.";
const SEQUENCER =
  "For the audit sequencer, which works for every tenant; granted to the worker alone, and it needs the lease's epoch.";
const CARE =
  "For key care, which works for every tenant and sees wrapped keys and states, no tenant's data; granted to the worker alone.";
const OWN_TENANT = "Takes the tenant from the signed context into a variable, and compares every row with it.";

const REACH: readonly (readonly [string, string])[] = [
  ["session_by_hash", KEYS],
  ["login_by_hash", KEYS],
  ["link_by_hash", KEYS],
  ["sign_in_user", "Before a principal is known: one account by tenant and address, for the sign-in to verify."],
  ["tenant_by_id", "Before a principal is known: whether one tenant exists and may be used."],
  ["account_erase", OWN_TENANT],
  ["audit_erase_person", OWN_TENANT],
  ["tenant_shred", OWN_TENANT],
  ["tenant_rows_delete", OWN_TENANT],
  ["audit_append", SEQUENCER],
  ["audit_take", SEQUENCER],
  ["audit_peek", SEQUENCER],
  ["audit_refuse", SEQUENCER],
  ["audit_sign", SEQUENCER],
  ["audit_heads", SEQUENCER],
  ["audit_head_of", SEQUENCER],
  ["audit_read", SEQUENCER],
  ["audit_signed", SEQUENCER],
  ["erasure_listing", CARE],
  ["key_epoch_since", "Tells every node which tenants' keys changed; tenants' names and no more."],
  ["key_job_progress", CARE],
  ["key_jobs", CARE],
  ["key_listing", CARE],
  ["keys_elsewhere", CARE],
  ["keys_elsewhere_count", CARE],
];

/**
 * What cannot be read off Ringwall's own schema, for `verifyStatic`: its roles, the tables that hold no tenant's rows, and
 * what is accepted in it, each with its reason. Without the roles of host applications, which the caller adds to `appRoles`.
 */
export const RINGWALL_SETTINGS: IsolationSettings = IsolationSettings.parse({
  schemas: ["ringwall"],
  appRoles: ["ringwall_app", "ringwall_worker"],
  ownerRoles: ["ringwall_migrate"],
  globalTables: [
    { table: "ringwall.schema_version", reason: "Which migrations ran; the same for everybody." },
    { table: "ringwall.sealed_table", reason: "Which tables of the host hold sealed columns; the same for everybody." },
    { table: "ringwall.application_version", reason: "Which migrations of applications ran; the same for everybody." },
    { table: "ringwall.context_key", reason: "Verifies every tenant's context; no login but the owner's reads it." },
    { table: "ringwall.audit_sequencer", reason: "One row for the installation, reached through functions only." },
    { table: "ringwall.key_scheduler", reason: "One row for the installation, reached through a function only." },
  ],
  exceptions: [
    ...REACH.map(([name, reason]) => ({ check: "definer-reaches-tenants", object: `ringwall.${name}`, reason })),
    {
      check: "definer-dynamic-sql",
      object: "ringwall.tenant_rows_delete",
      reason:
        "Empties tables whose names it takes quoted out of the catalog, as their owner, for whom the forced wall of each holds; it asks first whether the tenant of the signed context is being deleted.",
    },
    {
      check: "definer-trigger",
      object: "ringwall.key_epoch_bump",
      reason: "Counts up one number, so that nodes notice.",
    },
    ...[
      "tenant_by_id",
      ...REACH.filter(([, reason]) => reason === SEQUENCER || reason === CARE).map(([name]) => name),
    ].map((name) => ({
      check: "probe-definer-function",
      object: `ringwall.${name}`,
      reason: REACH.find(([known]) => known === name)?.[1] ?? "",
    })),
    ...["link", "login_transaction", "session"].flatMap((table) =>
      ["probe-on-conflict", "probe-unique"].map((check) => ({
        check,
        object: `ringwall.${table}`,
        reason: "The digest of a random token of 256 bits: nobody guesses one, and who holds one may ask for its row.",
      })),
    ),
    {
      check: "probe-explain",
      object: "ringwall.tenant",
      reason:
        "The platform's own tenant may read all of it, so the wall looks at each row; how many tenants there are.",
    },
    ...["policy-wall-not-implied", "policy-always-true"].map((check) => ({
      check,
      object: "ringwall.tenant",
      reason: "The register of tenants, which the platform's own tenant keeps: a name and a status, no tenant's data.",
    })),
  ],
});
