import { readFile } from "node:fs/promises";
import { randomToken, uuidv7 } from "ringwall/core";
import { z } from "zod";

/** Somebody of a seeded bank. Ids and password are chosen before anything is done, so that a seed can be gone on with. */
const SeedPerson = z.object({
  email: z.string(),
  name: z.string(),
  role: z.enum(["owner", "editor", "viewer"]),
  password: z.string(),
  /** Whether a second factor is set up, and its secret once it is. */
  factor: z.boolean(),
  totp: z.string().nullable(),
  /** The customer record and the account, for those who have them. */
  customer: z.object({ id: z.string(), account: z.string(), nationalId: z.string(), balance: z.int() }).nullable(),
});
export type SeedPerson = z.output<typeof SeedPerson>;

const SeedBank = z.object({
  tenant: z.string(),
  name: z.string(),
  document: z.string(),
  people: z.array(SeedPerson),
});
export type SeedBank = z.output<typeof SeedBank>;

const SeedPlan = z.array(SeedBank);

const PASSWORD_BYTES = 18;

/** Both banks with people of their own; every password is random, and differs in each installation. */
export function newPlan(nowMs: number): SeedBank[] {
  const person = (email: string, name: string, role: SeedPerson["role"], factor = false): SeedPerson => {
    return { email, name, role, password: randomToken(PASSWORD_BYTES), factor, totp: null, customer: null };
  };
  const customer = (email: string, name: string, nationalId: string, balance: number, factor = false): SeedPerson => {
    const ids = { id: uuidv7(nowMs), account: uuidv7(nowMs) };
    return { ...person(email, name, "editor", factor), customer: { ...ids, nationalId, balance } };
  };
  return [
    {
      tenant: "northbank",
      name: "Northbank",
      document: uuidv7(nowMs),
      people: [
        person("olivia@northbank.example", "Olivia Berg", "owner", true),
        customer("nora@northbank.example", "Nora Lind", "19850412-0057", 1_250_000, true),
        customer("noel@northbank.example", "Noël O'Brien", "19770930-1132", 480_000),
        person("vera@northbank.example", "Vera Holm", "viewer"),
      ],
    },
    {
      tenant: "southbank",
      name: "Southbank",
      document: uuidv7(nowMs),
      people: [
        person("oscar@southbank.example", "Óscar Reyes", "owner", true),
        customer("sara@southbank.example", "Sara Molina", "X-4410-882-K", 990_000, true),
        customer("samir@southbank.example", "Samir Haddad", "Y-0381-224-P", 310_000),
      ],
    },
  ];
}

/** The plan of a seed that has begun and is not finished; undefined when there is none. */
export async function readPlan(file: string): Promise<SeedBank[] | undefined> {
  try {
    return SeedPlan.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
}
