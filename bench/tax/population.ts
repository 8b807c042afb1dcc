import { randomUUID } from "node:crypto";
import { BANKS, SESSIONS, TRANSFER_AMOUNT } from "./variant.ts";

/** Somebody with a session, the account it reads and transfers from, and the account it transfers to. */
export interface Person {
  readonly bank: string;
  readonly email: string;
  readonly holder: string;
  readonly accountId: string;
  readonly accountNumber: string;
  readonly savingsId: string;
  readonly savingsNumber: string;
}

/** One person per session, alternating between the banks. */
export function people(): readonly Person[] {
  return Array.from({ length: SESSIONS }, (_, session) => ({
    bank: BANKS[session % BANKS.length] ?? BANKS[0],
    email: `person${session}@example.com`,
    holder: `Person ${session}`,
    accountId: randomUUID(),
    accountNumber: `DE0050010517${String(session).padStart(10, "0")}`,
    savingsId: randomUUID(),
    savingsNumber: `DE0050010518${String(session).padStart(10, "0")}`,
  }));
}

/** The transfer of a person, as both peers take it. */
export function peerTransferBody(person: Person | undefined): string {
  return JSON.stringify({
    from_account: person?.accountId,
    to_account: person?.savingsId,
    amount: TRANSFER_AMOUNT,
    reference: "rent for the month",
  });
}
