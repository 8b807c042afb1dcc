import { rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { TOTP } from "otpauth";
import type { Ringwall } from "ringwall";
import { writePrivateFile } from "ringwall/adapters/files";
import type { Principal } from "ringwall/application/access";
import type { SessionOpened, SignedIn } from "ringwall/application/identity";
import { type Mode, RingwallError, type TenantId, tenantId } from "ringwall/core";
import type { Runtime } from "ringwall/supervised";
import type { Bank } from "./bank.ts";
import { openAccount } from "./routes/accounts.ts";
import { openCustomer } from "./routes/customers.ts";
import { CREATE_DOCUMENT, READ_ACCOUNT, READ_CUSTOMER, READ_DOCUMENT } from "./schema.ts";
import { newPlan, readPlan, type SeedBank, type SeedPerson } from "./seed-plan.ts";

const AUTHORITY = { type: "system", capability: "development.seed" } as const;
const ORIGIN = { requestId: "development.seed" } as const;
const STEP_MS = 30_000;

/** A bank with the whole of Ringwall behind it: seeding reads the register of tenants too. */
export type SeededBank = Omit<Bank, "ringwall"> & {
  readonly ringwall: Ringwall;
  /** Lets that many milliseconds pass; by a timer when left out. */
  readonly wait?: (ms: number) => Promise<void>;
};

/**
 * Fills both banks at the first development start, by the same functions that its routes use and with no way in of its
 * own. Every act may be the last one before a crash: what is chosen is durable first, and the next start goes on.
 *
 * The credentials are left in `first-run.txt` (0600), which the supervisor shows once.
 *
 * @throws RingwallError `config.invalid` in any other mode than development, when there is something to seed.
 */
export async function seed(bank: SeededBank, mode: Mode, runtime: Runtime): Promise<void> {
  const planFile = join(runtime.dataDir, "secrets", "bank-seed.json");
  const begun = await readPlan(planFile);
  if (begun === undefined && (await isSeeded(bank))) return;
  if (mode !== "development") {
    throw new RingwallError("config.invalid", { message: "the example bank is seeded in development only" });
  }
  const plan = begun ?? newPlan(bank.clock());
  const save = (): void => writePrivateFile(planFile, JSON.stringify(plan));
  save();
  for (const one of plan) await seedBank(bank, one, save);
  writePrivateFile(join(runtime.dataDir, "first-run.txt"), describe(plan));
  await rm(planFile);
}

async function isSeeded({ ringwall }: SeededBank): Promise<boolean> {
  return (await ringwall.database.lookup("tenant_by_id", ["northbank"])) !== undefined;
}

async function seedBank(bank: SeededBank, plan: SeedBank, save: () => void): Promise<void> {
  const { identity } = bank.ringwall;
  const tenant = tenantId(plan.tenant);
  await unlessThere(identity.createTenant(AUTHORITY, { id: tenant, name: plan.name }));
  const [first, ...others] = plan.people;
  if (first === undefined) throw new TypeError("a seeded bank has an owner");
  const owner = await enterOwner(bank, tenant, first, save);
  for (const person of others) await enterPerson(bank, owner, person, save);
  for (const person of others) await openFor(bank, owner, person);
  await writeDocument(bank, owner, plan);
  await identity.signOut(owner);
}

/** A conflict means that it was done before the seed was interrupted. */
async function unlessThere<T>(act: Promise<T>): Promise<T | undefined> {
  try {
    return await act;
  } catch (error) {
    if (error instanceof RingwallError && error.code === "resource.conflict") return undefined;
    throw error;
  }
}

async function enterOwner(
  bank: SeededBank,
  tenant: TenantId,
  person: SeedPerson,
  save: () => void,
): Promise<Principal> {
  const { identity } = bank.ringwall;
  const { email, name, password } = person;
  const link = await unlessThere(identity.inviteFirstOwner(AUTHORITY, tenant, email));
  const entered =
    link === undefined
      ? await identity.signIn({ tenant, email, password }, ORIGIN)
      : await identity.acceptInvitation({ token: link.token.open(), name, password }, ORIGIN);
  return await principalOf(bank, await finish(bank, tenant, person, entered, save));
}

/** Goes through whatever second step a sign-in asks for. */
async function finish(
  bank: SeededBank,
  tenant: TenantId,
  person: SeedPerson,
  entered: SignedIn,
  save: () => void,
): Promise<SessionOpened> {
  const { identity } = bank.ringwall;
  if (entered.kind === "session") return entered;
  const login = entered.token.open();
  if (entered.next === "enrol") {
    person.totp = (await identity.beginLoginEnrolment(login)).base32.open();
    // Durable before it is in force: after a crash the secret is still known.
    save();
    return await identity.confirmLoginEnrolment(login, codeOf(bank, person), ORIGIN);
  }
  // The code of this step may have been used just before the crash, and each is taken once.
  await (bank.wait ?? delay)(STEP_MS - (bank.clock() % STEP_MS));
  return await identity.giveCode(login, codeOf(bank, person), ORIGIN);
}

function codeOf({ clock }: SeededBank, { totp }: SeedPerson): string {
  if (totp === null) throw new RingwallError("internal", { detail: { what: "a seeded second factor is unknown" } });
  return new TOTP({ secret: totp }).generate({ timestamp: clock() });
}

async function principalOf({ ringwall }: SeededBank, opened: SessionOpened): Promise<Principal> {
  return await ringwall.identity.authenticate(opened.token.open());
}

/** Invites a person unless they are there, and sets up their second factor when the plan has one. */
async function enterPerson(bank: SeededBank, owner: Principal, person: SeedPerson, save: () => void): Promise<void> {
  const { identity } = bank.ringwall;
  const { email, name, password, role } = person;
  const { tenant } = owner;
  const known = (await identity.listUsers(owner)).find((user) => user.email === email);
  if (known?.secondFactor === person.factor) return;
  const entered =
    known === undefined
      ? await identity.acceptInvitation({ token: await invitation(bank, owner, email, role), name, password }, ORIGIN)
      : await identity.signIn({ tenant, email, password }, ORIGIN);
  let principal = await principalOf(bank, await finish(bank, tenant, person, entered, save));
  if (person.factor) {
    person.totp = (await identity.beginEnrolment(principal, password, ORIGIN)).base32.open();
    save();
    principal = await principalOf(bank, await identity.confirmEnrolment(principal, codeOf(bank, person), ORIGIN));
  }
  await identity.signOut(principal);
}

async function invitation(
  { ringwall }: SeededBank,
  owner: Principal,
  email: string,
  role: SeedPerson["role"],
): Promise<string> {
  return (await ringwall.identity.inviteUser(owner, { email, role })).token.open();
}

async function openFor(bank: SeededBank, owner: Principal, { customer, email, name }: SeedPerson): Promise<void> {
  if (customer === null) return;
  const { database, ringwall } = bank;
  const { account, balance, id, nationalId } = customer;
  const user = (await ringwall.identity.listUsers(owner)).find((one) => one.email === email);
  if (user === undefined) throw new RingwallError("internal", { detail: { what: "a seeded person is missing" } });
  const [record] = await database.once(owner.tenant, owner, READ_CUSTOMER, [id]);
  if (record === undefined) await openCustomer(bank, owner, { id, user: user.user, name, nationalId }, ORIGIN);
  const [open] = await database.once(owner.tenant, owner, READ_ACCOUNT, [account]);
  if (open !== undefined) return;
  await openAccount(bank, owner, { id: account, customer: id, currency: "EUR", balance: BigInt(balance) }, ORIGIN);
}

async function writeDocument({ database, ringwall }: SeededBank, owner: Principal, plan: SeedBank): Promise<void> {
  const { tenant } = owner;
  const [known] = await database.once(tenant, owner, READ_DOCUMENT, [plan.document]);
  if (known !== undefined) return;
  const title = `${plan.name}: terms of business`;
  const body = `Accounts of ${plan.name} are kept in euros. Transfers between its own accounts cost nothing.`;
  await database.forTenant(tenant, owner, async (tx) => {
    await tx.run(CREATE_DOCUMENT, [plan.document, owner.user, title, body]);
    const targets = [{ type: "document", id: plan.document }];
    await ringwall.recorder.record(tx, {
      action: "document.created",
      outcome: "success",
      tenant,
      actor: owner,
      targets,
    });
  });
}

function describe(plan: readonly SeedBank[]): string {
  const lines = plan.flatMap(({ document, name, people, tenant }) => [
    `${name} (tenant ${tenant}), document ${document}`,
    ...people.flatMap(({ customer, email, password, role, totp }) => [
      `  ${role.padEnd(6)}  ${email}`,
      `          password  ${password}`,
      ...(totp === null ? [] : [`          TOTP      ${totp}`]),
      ...(customer === null ? [] : [`          account   ${customer.account}`]),
    ]),
  ]);
  return `${lines.join("\n")}\n`;
}
