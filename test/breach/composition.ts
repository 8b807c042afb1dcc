import { type Bank } from "../../examples/bank/server.ts";
import { isRole, type Principal } from "../../src/application/access/index.ts";
import {
  assert,
  isTenantId,
  type Recorder,
  RingwallError,
  type SessionId,
  silentLogger,
  type UserId,
} from "../../src/core/index.ts";
import type { Fields } from "../../src/data/fields/index.ts";
import { createGuard, type Exchange, type Guard, type Layer, type Step } from "../../src/pipeline.ts";
import type { Ringwall } from "../../src/ringwall.ts";
import type { TestDatabase } from "../../src/testing/index.ts";

/**
 * The bank without one layer. Only code that composes the parts itself can do this: no configuration, header or setting
 * leads here, and nothing that is shipped imports this file.
 */
export async function compose(whole: Bank, ringwall: Ringwall, at: TestDatabase, without?: Layer): Promise<Bank> {
  switch (without) {
    case undefined:
      return whole;
    case 1:
      return guardedBy(whole, withoutPerimeter(ringwall.guard));
    case 2:
      return guardedBy(whole, { ...ringwall.guard, steps: ringwall.guard.steps.filter((step) => step.layer !== 2) });
    case 3:
      return guardedBy(whole, withoutApplication(ringwall.guard));
    case 4:
      return await withoutData(whole, at);
    case 5:
      return withoutMonitoring(whole, ringwall);
  }
}

function guardedBy(bank: Bank, guard: Guard): Bank {
  return { ...bank, ringwall: { ...bank.ringwall, guard } };
}

/** Every request comes in as it is: no limits, no rates, no look at where it comes from, JSON as JavaScript reads it. */
function withoutPerimeter(guard: Guard): Guard {
  return {
    ...guard,
    steps: guard.steps.filter((step) => step.layer !== 1),
    bodyBytesMax: 104_857_600,
    parseBody: (bytes) => JSON.parse(bytes.toString("utf8")) as unknown,
    headersFor: () => [],
  };
}

/**
 * Whoever says to be somebody is believed, with whatever role and bank they name, and input is taken as it comes. What
 * handlers decide is decided about that claim.
 */
function withoutApplication(guard: Guard): Guard {
  const believe: Step = {
    name: "credential",
    layer: 3,
    phase: "arrival",
    run: (exchange) => {
      if (exchange.policy.access !== "public") exchange.principal = claimed(exchange);
    },
  };
  const take: Step = { name: "input", layer: 3, phase: "input", run: takeAsItComes };
  const steps = guard.steps.flatMap((step) => {
    if (step.name === "credential") return [believe];
    if (step.name === "input") return [take];
    return step.layer === 3 ? [] : [step];
  });
  return { ...guard, steps };
}

/** The claim is the bearer token: `role.tenant.user.session`. */
function claimed({ authorization }: Exchange): Principal {
  const [role, tenant, user, session] = authorization?.replace(/^Bearer /, "").split(".") ?? [];
  if (!isRole(role) || !isTenantId(tenant)) throw new RingwallError("identity.sign_in_required");
  return {
    type: "user",
    tenant,
    user: user as UserId,
    session: session as SessionId,
    role,
    aal: 2,
    secondFactorMs: Number.MAX_SAFE_INTEGER,
  };
}

/** What an application without schemas does: uses what it gets, with numbers where it needs them. */
function takeAsItComes(exchange: Exchange): void {
  const { body } = exchange;
  if (typeof body !== "object" || body === null || !("amount" in body)) return;
  exchange.body = { ...body, amount: BigInt(String(body.amount)) };
}

/** Tables without walls and columns that take plaintext, in this test's own database. */
async function withoutData(bank: Bank, at: TestDatabase): Promise<Bank> {
  for (const table of ["customer", "account", "transfer", "document"]) {
    await at.owner.query(`alter table bank.${table} no force row level security`);
    await at.owner.query(`alter table bank.${table} disable row level security`);
  }
  const checks = await at.owner.query<{ place: string; name: string }>(
    `select case contypid when 0 then 'table ' || conrelid::regclass else 'domain ' || contypid::regtype end as place,
       quote_ident(conname) as name
     from pg_constraint
     where contype = 'c' and connamespace = 'bank'::regnamespace
       and (pg_get_constraintdef(oid) ~ 'get_byte|balance' or contypid = 'bank.balance'::regtype)`,
  );
  for (const { name, place } of checks) await at.owner.query(`alter ${place} drop constraint ${name}`);
  return { ...bank, ringwall: { ...bank.ringwall, fields: plainFields(bank.ringwall.fields) } };
}

/** Shows whatever lies in a column, sealed or not, wherever it came from. */
function plainFields(sealed: Fields): Fields {
  return { ...sealed, open: (_tenant, _place, bytes) => bytes.toString("latin1") };
}

const SILENT: Recorder = { record: async () => {}, note() {} };

/** Nothing is recorded, neither with an act nor beside it. */
function withoutMonitoring(bank: Bank, { guard, identity, perimeter }: Ringwall): Bank {
  const silent = createGuard({
    perimeter,
    authenticate: (token) => identity.authenticate(token),
    recorder: SILENT,
    log: silentLogger,
    clock: guard.clock,
  });
  assert(silent.steps.length === guard.steps.length, "only the recording differs");
  return { ...bank, ringwall: { ...bank.ringwall, guard: silent, recorder: SILENT } };
}
