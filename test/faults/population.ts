import { TOTP } from "otpauth";
import type { HttpClient } from "./http.ts";

/** Everybody's, since nobody here keeps secrets from anybody. */
export const PASSWORD = "tide knot 52 ember";
const PEOPLE_AT_ONCE = 4;

/** A customer with an account, signed in. */
export interface Person {
  readonly tenant: string;
  readonly email: string;
  readonly token: string;
  readonly account: string;
}

/** A bank of a test's own. */
export interface TestBank {
  readonly tenant: string;
  readonly people: readonly Person[];
  /** Sum of all opening balances, in minor units. */
  readonly opening: bigint;
}

interface Doors {
  readonly bank: HttpClient;
  readonly api: HttpClient;
  readonly admin: HttpClient;
}

/** Makes a bank as its operator and its owner do: everything over HTTP, nothing planted. */
export async function foundBank(doors: Doors, tenant: string, customers: number, opening: number): Promise<TestBank> {
  await doors.admin.json({ method: "POST", path: "/v1/tenants", body: { id: tenant, name: `Bank ${tenant}` } });
  const invited = await doors.admin.json<{ link: string }>({
    method: "POST",
    path: `/v1/tenants/${tenant}/owner-invitations`,
    body: { email: `owner@${tenant}.example` },
  });
  const owner = await acceptAsOwner(doors.api, invited.link);
  const numbers = Array.from({ length: customers }, (_, index) => index);
  const people: Person[] = [];
  const enter = async (): Promise<void> => {
    for (let number = numbers.pop(); number !== undefined; number = numbers.pop()) {
      people.push(await enterPerson(doors, { tenant, owner, number, opening }));
    }
  };
  await Promise.all(Array.from({ length: PEOPLE_AT_ONCE }, enter));
  return { tenant, people, opening: BigInt(customers) * BigInt(opening) };
}

/** The first owner has to set up a second factor, and has given it just now. Returns the session's token. */
async function acceptAsOwner(api: HttpClient, link: string): Promise<string> {
  const body = { token: tokenOf(link), name: "Owner", password: PASSWORD };
  const { login } = await api.json<{ login: string }>({ method: "POST", path: "/v1/invitations/accept", body });
  const begun = await api.json<{ secret: string }>({
    method: "POST",
    path: "/v1/sign-in/enrolment",
    body: { login },
  });
  const code = new TOTP({ secret: begun.secret }).generate();
  const path = "/v1/sign-in/enrolment/confirm";
  return (await api.json<{ token: string }>({ method: "POST", path, body: { login, code } })).token;
}

interface Newcomer {
  readonly tenant: string;
  readonly owner: string;
  readonly number: number;
  readonly opening: number;
}

async function enterPerson({ api, bank }: Doors, { number, opening, owner, tenant }: Newcomer): Promise<Person> {
  const staff = { method: "POST", token: owner } as const;
  const email = `customer-${number}@${tenant}.example`;
  const { link } = await bank.json<{ link: string }>({ ...staff, path: "/api/users", body: { email } });
  const joined = await api.json<{ token: string }>({
    method: "POST",
    path: "/v1/invitations/accept",
    body: { token: tokenOf(link), name: `Customer ${number}`, password: PASSWORD },
  });
  const { token } = joined;
  const { user } = await bank.json<{ user: string }>({ method: "GET", path: "/api/session", token });
  const record = { user, name: `Customer ${number}`, national_id: `T-${number.toString().padStart(6, "0")}` };
  const customer = await bank.json<{ id: string }>({ ...staff, path: "/api/customers", body: record });
  const body = { customer: customer.id, currency: "EUR", opening_balance: opening };
  const account = await bank.json<{ id: string }>({ ...staff, path: "/api/accounts", body });
  return { tenant, email, token, account: account.id };
}

/** The token stands in the link's fragment, which browsers send to nobody. */
function tokenOf(link: string): string {
  return link.slice(link.indexOf("#") + 1);
}
