/**
 * Attacks on the example bank: whose accounts, money and documents they are. They guard what an application owes to
 * Ringwall and what Ringwall owes to it; they need the bank to run.
 *
 * @module
 */
import type { Attack } from "../../attack.ts";
import { bankAccountAttacks } from "./accounts.ts";
import { bankDocumentAttacks } from "./documents.ts";
import { bankTransferAttacks } from "./transfers.ts";

export const bankAttacks: readonly Attack[] = [...bankAccountAttacks, ...bankTransferAttacks, ...bankDocumentAttacks];
