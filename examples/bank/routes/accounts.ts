import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { isAdministrator, listFilter, type Principal } from "ringwall/application/access";
import { Uuid } from "ringwall/application/input";
import { RingwallError, randomBytes, uuidv7 } from "ringwall/core";
import { caller, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { type Bank, minorUnits, requireVisible } from "../bank.ts";
import { type AccountRow, CREATE_ACCOUNT, LIST_ACCOUNTS, READ_ACCOUNT, READ_CUSTOMER } from "../schema.ts";

const TABLE = "bank.account";
const PAGE = 50;
const NUMBER_DIGITS = 18;
const OPENING_MAX = 100_000_000_000;

const read = { access: { permission: "resource:read" } } as const;
const Id = z.strictObject({ id: Uuid });
const Currency = z.string().regex(/^[A-Z]{3}$/);
const NewAccount = z.strictObject({
  customer: Uuid,
  currency: Currency,
  opening_balance: z.int().min(0).max(OPENING_MAX),
});
const Listed = z.strictObject({ id: z.string(), owner: z.string(), balance: z.int(), currency: z.string() });
const Account = z.strictObject({ ...Listed.shape, number: z.string() });

/** Accounts: opened by staff, seen by their owner and by staff. The number is sealed in the database. */
export function accounts(bank: Bank): readonly RouteDefinition[] {
  const { database, ringwall } = bank;
  return [
    route(
      "GET",
      "/api/accounts",
      {
        ...read,
        query: z.strictObject({ after: Uuid.optional() }),
        output: z.strictObject({ items: z.array(Listed) }),
        summary: "Lists accounts one may see.",
      },
      async ({ exchange, query }) => {
        const actor = caller(exchange);
        if (listFilter(actor, "resource:read").kind === "none") throw new RingwallError("access.denied");
        const owner = isAdministrator(actor.role) ? null : actor.user;
        const rows = await database.once(actor.tenant, actor, LIST_ACCOUNTS, [owner, query.after ?? null, PAGE]);
        return { items: rows.map(listed) };
      },
    ),
    route(
      "GET",
      "/api/accounts/:id",
      { ...read, params: Id, output: Account, summary: "Shows one account, its number opened." },
      async ({ exchange, params }) => {
        const actor = caller(exchange);
        const { tenant } = actor;
        const [row] = await database.once(tenant, actor, READ_ACCOUNT, [params.id]);
        if (row === undefined) throw new RingwallError("resource.not_found");
        requireVisible(actor, row);
        const opened = ringwall.fields.open(tenant, numberPlace(row), row.number);
        const number = opened instanceof Promise ? await opened : opened;
        const targets = [{ type: "account", id: row.account_id }];
        ringwall.recorder.note({ action: "account.read", outcome: "success", tenant, actor, targets });
        return { ...listed(row), number };
      },
    ),
    route(
      "POST",
      "/api/accounts",
      { access: { permission: "admin:users" }, body: NewAccount, summary: "Opens an account for a customer." },
      async ({ body, exchange }) => {
        const actor = caller(exchange);
        const id = uuidv7(bank.clock());
        const { currency, customer } = body;
        const balance = BigInt(body.opening_balance);
        const number = await openAccount(bank, actor, { id, customer, currency, balance }, originOf(exchange));
        return new Answer(201, { id, number });
      },
    ),
  ];
}

function listed({
  account_id: id,
  owner_id: owner,
  balance,
  currency,
}: Omit<AccountRow, "tenant_id" | "number" | "row_key">) {
  return { id, owner, balance: minorUnits(balance), currency };
}

function numberPlace({ account_id: row, row_key: rowKey }: AccountRow) {
  return { table: TABLE, column: "number", row, rowKey };
}

/** Random, so that no number tells how many accounts there are. 128 bits leave no digit more likely than another. */
function newNumber(): string {
  const random = BigInt(`0x${randomBytes(16).toString("hex")}`) % 10n ** BigInt(NUMBER_DIGITS);
  return random.toString().padStart(NUMBER_DIGITS, "0");
}

/** What a new account starts with. */
export interface AccountInput {
  readonly id: string;
  readonly customer: string;
  readonly currency: string;
  /** In minor units. */
  readonly balance: bigint;
}

/** Opens an account with a new number, sealed for its row. @returns The number. */
export async function openAccount(
  { database, ringwall }: Pick<Bank, "database" | "ringwall">,
  actor: Principal,
  { balance, currency, customer, id }: AccountInput,
  context: ReturnType<typeof originOf>,
): Promise<string> {
  const { tenant } = actor;
  const number = newNumber();
  const { rowKey, sealed } = await ringwall.fields.sealRow(tenant, { table: TABLE, row: id, values: { number } });
  await database.forTenant(tenant, actor, async (tx) => {
    const [holder] = await tx.run(READ_CUSTOMER, [customer]);
    if (holder === undefined) throw new RingwallError("resource.not_found");
    await tx.run(CREATE_ACCOUNT, [id, customer, holder.user_id, sealed.number, rowKey, balance, currency]);
    await ringwall.recorder.record(tx, {
      action: "account.created",
      outcome: "success",
      tenant,
      actor,
      targets: [
        { type: "account", id },
        { type: "customer", id: customer },
      ],
      facts: { currency, opening: minorUnits(balance) },
      context,
    });
  });
  return number;
}
