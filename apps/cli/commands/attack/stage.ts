import type { Clock } from "ringwall/core";
import type { Answer, Ask, Place } from "./http.ts";

/** A link to a tenant, and the address it is for. */
export interface Invitation {
  readonly token: string;
  readonly email: string;
}

/** Somebody of a throwaway tenant, signed in. */
export interface Person {
  readonly tenant: string;
  readonly email: string;
  readonly password: string;
  readonly user: string;
  /** The bearer token of the session that joining gave. */
  readonly session: string;
  /** That session's public name. */
  readonly sid: string;
  /** Undefined for those whose role needs no second factor. */
  readonly app: Authenticator | undefined;
}

/** The authenticator app of one person. */
export interface Authenticator {
  /** A code of a step that was never used, waiting for the next step when it must. */
  code(): Promise<string>;
  /** The code that `code` gave last. */
  lastCode(): string;
  /** The code of the step after this one, told while this one has long to go. */
  ahead(): Promise<string>;
  /** A code that is wrong now and in the steps around. */
  wrong(): string;
}

/** A throwaway tenant of this run. */
export interface Bank {
  readonly tenant: string;
  readonly owner: Person;
  /** Invites an address that nobody has. The token is the link's. */
  invite(role: string, email?: string): Promise<Invitation>;
  /** Somebody new, who has joined and is signed in. */
  person(role: string): Promise<Person>;
}

/** Everything an attack may use: two banks that compete, and what is behind the stage. */
export interface Stage extends Backstage {
  readonly a: Bank;
  readonly b: Bank;
}

/** What banks and people are made with. */
export interface Backstage {
  readonly place: Place;
  readonly clock: Clock;
  /** The folder with the log files of the system under attack. */
  readonly logFolder: string;
  /** A loopback address that this run has not used: limits that count addresses start anew. */
  visitor(): string;
  /** A name that nobody had before. */
  name(prefix: string): string;
  /** Sends what is compared with its twin. */
  send(ask: Ask): Promise<Answer>;
  /** Sends what leads up to an attack, or looks at what became of it; any answer will do. */
  prepare(ask: Ask): Promise<Answer>;
  /** As `send`, for what the stage itself needs. @throws CommandFailed when it is refused. */
  must(ask: Ask): Promise<Answer>;
  raw(bytes: string | Buffer, server?: "api" | "bank"): Promise<Answer>;
  /** Enters a throwaway tenant in the register, over the local socket. */
  enter(tenant: string): Promise<Answer>;
  /** Another throwaway tenant, with its owner. */
  bank(): Promise<Bank>;
  /** Joins a bank with an invitation. */
  accept(bank: Bank, invitation: Invitation, password?: string): Promise<Person>;
  /** Waits, for the next code of an authenticator. */
  delay(ms: number): Promise<void>;
  /** Remembers something that must be seen nowhere: passwords, tokens, codes, card numbers. */
  secret(text: string): string;
  readonly secrets: ReadonlySet<string>;
  /** Every refusal of this run, as text. */
  readonly refusals: readonly string[];
  /** Suspends every throwaway tenant, and returns those that are. */
  close(): Promise<readonly string[]>;
}
