import { Answer, type RouteDefinition, route } from "ringwall/adapters/fastify";
import { type Principal, requirePermission, requireSecondFactor } from "ringwall/application/access";
import {
  actOnce,
  addVelocity,
  amount,
  IdempotencyKey,
  idempotentRequest,
  type Outcome,
  Uuid,
} from "ringwall/application/input";
import { RingwallError, type Transaction, uuidv7 } from "ringwall/core";
import { caller, type Exchange, originOf } from "ringwall/pipeline";
import { z } from "zod";
import { BANK_LIMITS, type Bank, minorUnits, requireVisible, resourceOf } from "../bank.ts";
import {
  LIST_TRANSFERS,
  LOCK_ACCOUNTS,
  type LockedAccount,
  READ_ACCOUNT,
  TRANSFER,
  type TransferRow,
} from "../schema.ts";

/** In minor units. Above it a stolen session is not enough: a second factor must have been given lately. */
export const STEP_UP_ABOVE = 100_000n;
const STEP_UP_MS = 300_000;
const PAGE = 50;

const NewTransfer = z.strictObject({ from: Uuid, to: Uuid, amount: amount() });
const JSON_TYPE = { "content-type": "application/json; charset=utf-8" };

/** Moving money between accounts of one bank: once for each key, never more than there is, never too much too fast. */
export function transfers(bank: Bank): readonly RouteDefinition[] {
  const { database } = bank;
  return [
    route(
      "POST",
      "/api/transfers",
      { access: { permission: "resource:write" }, body: NewTransfer, summary: "Moves money between two accounts." },
      async ({ body, exchange }) => {
        const outcome = await transfer(bank, exchange, body);
        return new Answer(outcome.status, outcome.body, JSON_TYPE);
      },
    ),
    route(
      "GET",
      "/api/transfers",
      {
        access: { permission: "resource:read" },
        query: z.strictObject({ account: Uuid, before: Uuid.optional() }),
        summary: "Lists the transfers of an account, newest first.",
      },
      async ({ exchange, query }) => {
        const actor = caller(exchange);
        const [account] = await database.once(actor.tenant, actor, READ_ACCOUNT, [query.account]);
        if (account === undefined) throw new RingwallError("resource.not_found");
        requireVisible(actor, account);
        const values = [query.account, query.before ?? null, PAGE];
        const rows = await database.once(actor.tenant, actor, LIST_TRANSFERS, values);
        const targets = [{ type: "account", id: query.account }];
        const { tenant } = actor;
        bank.ringwall.recorder.note({ action: "statement.read", outcome: "success", tenant, actor, targets });
        return { items: rows.map(transferAnswer) };
      },
    ),
  ];
}

function transferAnswer({
  amount: moved,
  created_at: at,
  currency,
  from_account,
  to_account,
  transfer_id,
}: TransferRow) {
  return { id: transfer_id, from: from_account, to: to_account, amount: minorUnits(moved), currency, at };
}

type TransferInput = z.output<typeof NewTransfer>;

async function transfer(bank: Bank, exchange: Exchange, input: TransferInput): Promise<Outcome> {
  const { clock, database } = bank;
  const actor = caller(exchange);
  if (input.amount > STEP_UP_ABOVE) requireSecondFactor(actor, clock(), STEP_UP_MS);
  if (input.from === input.to) throw new RingwallError("request.invalid", { detail: { fields: "body.to" } });
  const { from, to } = input;
  const request = idempotentRequest(keyOf(exchange), "POST /api/transfers", from, to, String(input.amount));
  const { outcome } = await actOnce(database, actor, request, clock, (tx) => move(bank, exchange, tx, actor, input));
  return outcome;
}

/** The `Idempotency-Key` header, one of it. */
function keyOf({ visit }: Exchange): string {
  const given = visit.header.idempotencyKey;
  if (given === undefined) throw new RingwallError("idempotency.required");
  const parsed = IdempotencyKey.safeParse(given);
  if (parsed.success) return parsed.data;
  throw new RingwallError("request.invalid", { detail: { fields: "header.idempotency-key" } });
}

/**
 * Two trips to the database: the first locks both accounts and counts; the second moves the money, writes transfer,
 * audit record, key and outcome, and commits. Locked rows cannot change in between.
 */
async function move(
  bank: Bank,
  exchange: Exchange,
  tx: Transaction,
  actor: Principal,
  { amount: moved, from, to }: TransferInput,
): Promise<Outcome> {
  const { tenant } = actor;
  const velocity = { scope: "transfer", ...(bank.limits ?? BANK_LIMITS).transfers };
  const [rows] = await Promise.all([tx.run(LOCK_ACCOUNTS, [from, to]), addVelocity(tx, velocity, moved, bank.clock)]);
  const payer = requireAccount(rows, from);
  requireVisible(actor, payer);
  requirePermission(actor, "resource:write", resourceOf(payer));
  const { currency } = payer;
  const payee = requireAccount(rows, to);
  // Anybody may be paid who has an account at this bank, and nobody who has not.
  requirePermission(actor, "resource:read", resourceOf(payee));
  if (payee.currency !== currency) {
    throw new RingwallError("request.invalid", { detail: { fields: "body.to", reason: "currency" } });
  }
  if (payer.balance < moved) throw new RingwallError("transfer.insufficient_funds");
  const id = uuidv7(bank.clock());
  tx.defer(TRANSFER, [id, from, to, moved, currency, actor.user]);
  const amountMoved = minorUnits(moved);
  await bank.ringwall.recorder.record(tx, {
    action: "transfer.executed",
    outcome: "success",
    tenant,
    actor,
    targets: [
      { type: "transfer", id },
      { type: "account", id: from },
      { type: "account", id: to },
    ],
    facts: { amount: amountMoved, currency },
    context: originOf(exchange),
  });
  const balance = minorUnits(payer.balance - moved);
  return { status: 201, body: JSON.stringify({ id, from, to, amount: amountMoved, currency, balance }) };
}

function requireAccount(rows: readonly LockedAccount[], id: string): LockedAccount {
  const row = rows.find((candidate) => candidate.account_id === id);
  if (row === undefined) throw new RingwallError("resource.not_found");
  return row;
}
