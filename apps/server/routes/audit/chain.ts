import { route } from "ringwall/adapters/fastify";
import { TenantIdText } from "ringwall/application/input";
import { READ_LIMIT_MAX } from "ringwall/monitoring/audit";
import { caller } from "ringwall/pipeline";
import { z } from "zod";
import type { Routes } from "../services.ts";

// Canonical, so that one number has one spelling; the range is checked after.
const Digits = z.string().regex(/^(0|[1-9][0-9]{0,14})$/);

const Query = z.strictObject({
  after: Digits.transform(Number).pipe(z.int().min(0)).default(0),
  limit: Digits.transform(Number).pipe(z.int().min(1).max(READ_LIMIT_MAX)).default(READ_LIMIT_MAX),
});

const Chain = z.strictObject({
  tenant: TenantIdText,
  previous_hash: z.string().nullable().describe("Of the entry before these, in hex; null at the chain's beginning."),
  entries: z.array(
    z.strictObject({
      sequence: z.int(),
      leaf: z.string().describe("The record as it was hashed; personal values stand in it as a commitment alone."),
      hash: z.string(),
    }),
  ),
  signed_head: z.string().nullable().describe("The newest signed head, as one line of JSON."),
  public_key: z.string().describe("The key that signs heads: SubjectPublicKeyInfo in base64."),
});

/** A tenant's chain as it is stored, so that anybody who may read the log can recompute it without believing us. */
export const auditChain: Routes = (services) => [
  route(
    "GET",
    "/v1/audit-chain",
    {
      access: { permission: "admin:access" },
      query: Query,
      output: Chain,
      summary: "Reads the tenant's audit chain for recomputing it, oldest first; the reading is recorded in it too.",
      tag: "audit",
    },
    async ({ exchange, query }) => {
      const { installation, ringwall } = services();
      const principal = caller(exchange);
      const { links, previousHash, signedHead } = await ringwall.audit.chain(principal.tenant, principal, query);
      return {
        tenant: principal.tenant,
        previous_hash: previousHash ?? null,
        entries: links.map(({ hash, leaf, position }) => ({ sequence: position, leaf, hash })),
        signed_head: signedHead ?? null,
        public_key: installation.auditKey.export({ type: "spki", format: "der" }).toString("base64"),
      };
    },
  ),
];
