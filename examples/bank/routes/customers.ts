import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { type Principal, requirePermission } from "ringwall/application/access";
import { requests } from "ringwall/application/identity";
import { Name, Uuid } from "ringwall/application/input";
import { isoTime, RingwallError, uuidv7 } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { type Bank, resourceOf } from "../bank.ts";
import { CREATE_CUSTOMER, CUSTOMER, FIND_CUSTOMERS, READ_CUSTOMER } from "../schema.ts";

const staff = { access: { permission: "admin:users" } } as const;
/** Inviting needs a second factor that was given lately, as everywhere where it is decided who may do what. */
const FRESH_SECONDS = 900;
/** One person has one record, and a cut tag hits a few others; more than this is no search. */
const HITS_MAX = 100;
const Id = z.strictObject({ id: Uuid });
/** Letters, digits and the separators that countries print. What it means is the country's affair. */
const NationalId = z.string().regex(/^[0-9A-Za-z][0-9A-Za-z ./-]{3,31}$/);
const NewCustomer = z.strictObject({ user: Uuid, name: Name, national_id: NationalId });

/** People of the bank: staff invites them and opens their customer records. Nobody chooses a role or a bank here. */
export function customers(bank: Bank): readonly RouteDefinition[] {
  const { database, publicOrigin, ringwall } = bank;
  return [
    route(
      "POST",
      "/api/users",
      { ...staff, stepUpSeconds: FRESH_SECONDS, body: requests.inviteFirstOwner, summary: "Invites a customer." },
      async ({ body, exchange }) => {
        const issued = await ringwall.identity.inviteUser(caller(exchange), { email: body.email, role: "editor" });
        const link = `${publicOrigin}/invitation#${issued.token.open()}`;
        return new Answer(201, { link, expires_at: isoTime(issued.expiresMs) });
      },
    ),
    route(
      "POST",
      "/api/customers",
      { ...staff, body: NewCustomer, summary: "Opens a customer record." },
      async ({ body, exchange }) => {
        const id = uuidv7(bank.clock());
        const { national_id: nationalId, name, user } = body;
        // A person of another bank looks like nobody.
        await ringwall.identity.readUser(caller(exchange), user);
        await openCustomer(bank, caller(exchange), { id, name, nationalId, user }, originOf(exchange));
        return new Answer(201, { id });
      },
    ),
    route(
      "GET",
      "/api/customers",
      {
        ...staff,
        query: z.strictObject({ national_id: NationalId }),
        summary: "Finds customer records by national id.",
      },
      async ({ exchange, query }) => ({ items: await findCustomers(bank, caller(exchange), query.national_id) }),
    ),
    route(
      "GET",
      "/api/customers/:id",
      { ...staff, params: Id, summary: "Shows a customer record." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const [row] = await database.once(actor.tenant, actor, READ_CUSTOMER, [params.id]);
        if (row === undefined) throw new RingwallError("resource.not_found");
        requirePermission(actor, "admin:users", resourceOf({ tenant_id: row.tenant_id, owner_id: row.user_id }));
        const { national_id: nationalId } = await ringwall.fields.table(CUSTOMER).open(actor.tenant, row);
        const targets = [{ type: "customer", id: row.customer_id }];
        ringwall.recorder.note({ action: "customer.read", outcome: "success", tenant: actor.tenant, actor, targets });
        return { id: row.customer_id, user: row.user_id, name: row.name, national_id: nationalId };
      },
    ),
  ];
}

/** What is known of a new customer. */
export interface CustomerInput {
  readonly id: string;
  readonly user: string;
  readonly name: string;
  readonly nationalId: string;
}

/** Asks for the tags of a national id, opens what they hit, and shows what is really of it. The id itself is not repeated. */
async function findCustomers({ database, ringwall }: Bank, actor: Principal, nationalId: string) {
  const { tenant } = actor;
  const records = ringwall.fields.table(CUSTOMER);
  const search = await records.search(tenant, "national_id_eq", nationalId);
  const rows = await database.once(tenant, actor, FIND_CUSTOMERS, [search.parameter, HITS_MAX]);
  const matching = await records.matching(tenant, search, rows);
  return matching.map(({ found: row }) => {
    requirePermission(actor, "admin:users", resourceOf({ tenant_id: row.tenant_id, owner_id: row.user_id }));
    const targets = [{ type: "customer", id: row.customer_id }];
    ringwall.recorder.note({ action: "customer.read", outcome: "success", tenant, actor, targets });
    return { id: row.customer_id, user: row.user_id, name: row.name };
  });
}

/** Seals the national id for its row, and writes row and audit record together. */
export async function openCustomer(
  { database, ringwall }: Pick<Bank, "database" | "ringwall">,
  actor: Principal,
  { id, name, nationalId, user }: CustomerInput,
  context: ReturnType<typeof originOf>,
): Promise<void> {
  const { tenant } = actor;
  const sealed = await ringwall.fields.table(CUSTOMER).seal(tenant, id, { national_id: nationalId });
  await database.forTenant(tenant, actor, async (tx) => {
    await tx.run(CREATE_CUSTOMER, [id, user, name, sealed.national_id, sealed.national_id_eq, sealed.row_key]);
    await ringwall.recorder.record(tx, {
      action: "customer.created",
      outcome: "success",
      tenant,
      actor,
      targets: [
        { type: "customer", id },
        { type: "user", id: user },
      ],
      personal: { name },
      context,
    });
  });
}
