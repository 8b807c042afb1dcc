import { TOTP } from "otpauth";
import { openAccount } from "../../examples/bank/routes/accounts.ts";
import { openCustomer } from "../../examples/bank/routes/customers.ts";
import { CREATE_DOCUMENT } from "../../examples/bank/schema.ts";
import type { Bank } from "../../examples/bank/server.ts";
import type { Principal, Role } from "../../src/application/access/index.ts";
import type { SignedIn } from "../../src/application/identity/index.ts";
import { type TenantId, tenantId, uuidv7 } from "../../src/core/index.ts";

export const PASSWORD = "tide knot 52 ember";
/** In minor units. */
export const OPENING = 100_000;
const AUTHORITY = { type: "system", capability: "tenants.create" } as const;
const CONTEXT = { requestId: "breach" } as const;

/** Somebody with a session, an account and a document. */
export interface Member {
  readonly tenant: TenantId;
  readonly email: string;
  readonly user: string;
  readonly token: string;
  readonly account: string;
  readonly document: string;
}

/** The people of one bank. */
export interface Members {
  readonly owner: Member;
  readonly customer: Member;
  readonly other: Member;
  readonly viewer: Member;
}

/** Makes a bank and its people by the product's own functions, with every layer on. */
export async function members(bank: Bank, name: string): Promise<Members> {
  const { identity } = bank.ringwall;
  const tenant = tenantId(name);
  await identity.createTenant(AUTHORITY, { id: tenant, name });
  const address = (who: string): string => `${who}@${name}.example`;
  const first = await identity.inviteFirstOwner(AUTHORITY, tenant, address("owner"));
  const owner = await join(bank, first.token.open(), address("owner"));
  const staff = await identity.authenticate(owner.token);
  const invited = async (who: string, role: Role): Promise<Member> => {
    const link = await identity.inviteUser(staff, { email: address(who), role });
    return await furnish(bank, staff, await join(bank, link.token.open(), address(who)));
  };
  return {
    owner: await furnish(bank, staff, owner),
    customer: await invited("customer", "editor"),
    other: await invited("other", "editor"),
    viewer: await invited("viewer", "viewer"),
  };
}

type Joined = Omit<Member, "account" | "document">;

async function join(bank: Bank, token: string, email: string): Promise<Joined> {
  const { identity } = bank.ringwall;
  const entered = await identity.acceptInvitation({ token, name: "Somebody", password: PASSWORD }, CONTEXT);
  const session = await finish(bank, entered);
  const { tenant, user } = await identity.authenticate(session);
  return { tenant, email, user, token: session };
}

async function finish({ clock, ringwall }: Bank, entered: SignedIn): Promise<string> {
  const token = entered.token.open();
  if (entered.kind === "session") return token;
  const { base32 } = await ringwall.identity.beginLoginEnrolment(token);
  const code = new TOTP({ secret: base32.open() }).generate({ timestamp: clock() });
  return (await ringwall.identity.confirmLoginEnrolment(token, code, CONTEXT)).token.open();
}

async function furnish(bank: Bank, staff: Principal, joined: Joined): Promise<Member> {
  const [customer, account, document] = [uuidv7(bank.clock()), uuidv7(bank.clock()), uuidv7(bank.clock())];
  const person = { id: customer, user: joined.user, name: "Somebody", nationalId: "19850412-0057" };
  await openCustomer(bank, staff, person, CONTEXT);
  await openAccount(bank, staff, { id: account, customer, currency: "EUR", balance: BigInt(OPENING) }, CONTEXT);
  const values = [document, joined.user, `${joined.email} writes`, "Nobody else's business."];
  await bank.database.forTenant(staff.tenant, staff, async (tx) => {
    await tx.run(CREATE_DOCUMENT, values);
  });
  return { ...joined, account, document };
}
