import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOTP } from "otpauth";
import type { Ringwall } from "ringwall";
import { type Clock, isUuid, randomBytes } from "ringwall/core";
import type { Runtime } from "ringwall/supervised";
import type { TestDatabase } from "ringwall/testing";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type SeededBank, seed } from "./seed.ts";
import { bankDatabase, bankRingwall } from "./stage.fixture.ts";

const ORIGIN = { requestId: "test" } as const;
const STEP_MS = 30_000;

interface Started {
  readonly bank: SeededBank;
  readonly clock: Clock;
  readonly nextStep: () => Promise<void>;
}

let at: TestDatabase;
let runtime: Runtime;
const master = randomBytes(32);
/** Time goes on from one start to the next. */
const time = { aheadMs: 0 };
const open: Ringwall[] = [];

beforeEach(async () => {
  at = await bankDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "rw-seed-"));
  await mkdir(join(dataDir, "secrets"), { mode: 0o700 });
  const ports = { api: 7_400, bank: 7_490, gateway: null };
  runtime = { configFile: "", dataDir, adminSocket: "", postgres: null, ports, uid: process.getuid?.() };
});
afterEach(async () => {
  for (const ringwall of open.splice(0)) await ringwall.close();
  await at.close();
  await rm(runtime.dataDir, { recursive: true });
});

/** What a started process has: everything but the database and the data directory is new. */
async function start(): Promise<Started> {
  for (const ringwall of open.splice(0)) await ringwall.close();
  const { advance, clock, ringwall } = await bankRingwall(at, { master, aheadMs: time.aheadMs });
  open.push(ringwall);
  const wait = async (ms: number): Promise<void> => {
    time.aheadMs += ms;
    advance(ms);
    await Promise.resolve();
  };
  const bank = {
    ringwall,
    database: at.client,
    clock,
    wait,
    publicOrigin: "http://localhost:7400",
    draining: () => false,
  };
  return { bank, clock, nextStep: async () => await wait(STEP_MS) };
}

interface Credentials {
  readonly tenant: string;
  readonly email: string;
  readonly role: string;
  readonly password: string;
  readonly totp: string | undefined;
  readonly account: string | undefined;
}

/** What the file tells a person, read as a person would. */
async function firstRun(): Promise<Credentials[]> {
  const text = await readFile(join(runtime.dataDir, "first-run.txt"), "utf8");
  let tenant = "";
  const people: Credentials[] = [];
  for (const line of text.split("\n")) {
    tenant = /\(tenant ([a-z]+)\)/.exec(line)?.[1] ?? tenant;
    const [word = "", value = ""] = line.trim().split(/\s+/);
    const last = people.at(-1);
    if (value.includes("@")) {
      people.push({ tenant, email: value, role: word, password: "", totp: undefined, account: undefined });
    } else if (last !== undefined && ["password", "TOTP", "account"].includes(word)) {
      people[people.length - 1] = { ...last, [word.toLowerCase()]: value };
    }
  }
  return people;
}

/** Signs everybody in as the file says, and gives who they are. */
async function signInAll({ bank, clock, nextStep }: Started): Promise<string[]> {
  const { identity } = bank.ringwall;
  await nextStep();
  const people: string[] = [];
  for (const { account, email, password, role, tenant, totp } of await firstRun()) {
    const entered = await identity.signIn({ tenant, email, password }, ORIGIN);
    const opened =
      entered.kind === "session"
        ? entered
        : await identity.giveCode(
            entered.token.open(),
            new TOTP({ secret: totp ?? "" }).generate({ timestamp: clock() }),
            ORIGIN,
          );
    const principal = await identity.authenticate(opened.token.open());
    expect(principal).toMatchObject({ tenant, role, aal: totp === undefined ? 1 : 2 });
    const rows = await at.owner.query<{ account_id: string }>(
      "select account_id from bank.account where owner_id = $1",
      [principal.user],
    );
    expect(rows.map((row) => row.account_id)).toEqual(account === undefined ? [] : [account]);
    people.push(`${tenant} ${email} ${role} ${principal.aal} ${account === undefined ? "-" : "account"}`);
  }
  return people;
}

const EVERYBODY = [
  "northbank olivia@northbank.example owner 2 -",
  "northbank nora@northbank.example editor 2 account",
  "northbank noel@northbank.example editor 1 account",
  "northbank vera@northbank.example viewer 1 -",
  "southbank oscar@southbank.example owner 2 -",
  "southbank sara@southbank.example editor 2 account",
  "southbank samir@southbank.example editor 1 account",
];

/** How much of each thing there is. */
async function counts(): Promise<unknown> {
  const [row] = await at.owner.query(
    `select (select count(*)::int from ringwall.tenant where tenant_id <> 'platform') as tenants,
            (select count(*)::int from ringwall.user_account) as people,
            (select count(*)::int from ringwall.totp_factor) as factors,
            (select count(*)::int from bank.customer) as customers,
            (select count(*)::int from bank.account) as accounts,
            (select sum(balance)::text from bank.account) as money,
            (select count(*)::int from bank.document) as documents`,
  );
  return row;
}
const FULL = { tenants: 2, people: 7, factors: 4, customers: 4, accounts: 4, money: "3030000", documents: 2 };

test("a first development start fills both banks, and the file's credentials sign everybody in", async () => {
  const started = await start();
  await seed(started.bank, "development", runtime);
  expect(await counts()).toEqual(FULL);
  expect(await signInAll(started)).toEqual(EVERYBODY);
  const file = join(runtime.dataDir, "first-run.txt");
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readdir(join(runtime.dataDir, "secrets"))).toEqual([]);
  const people = await firstRun();
  expect(new Set(people.map(({ password }) => password)).size).toBe(people.length);
  expect(people.every(({ account }) => account === undefined || isUuid(account))).toBe(true);
  // Nothing that signs somebody in is in the database as it is.
  const { totp = "none" } = people[0] ?? {};
  const [found] = await at.owner.query<{ n: number }>(
    "select count(*)::int as n from ringwall.totp_factor where position(convert_to($1, 'UTF8') in seed) > 0",
    [totp],
  );
  expect(found?.n).toBe(0);
});

test("a second start seeds nothing, also when the file was read and removed", async () => {
  await seed((await start()).bank, "development", runtime);
  await rm(join(runtime.dataDir, "first-run.txt"));
  await seed((await start()).bank, "development", runtime);
  expect(existsSync(join(runtime.dataDir, "first-run.txt"))).toBe(false);
  expect(await counts()).toEqual(FULL);
});

test("production is never seeded: not from the start, and not to finish what a development start began", async () => {
  const { bank } = await start();
  const refused = { code: "config.invalid" };
  await expect(seed(bank, "production", runtime)).rejects.toMatchObject(refused);
  expect(await counts()).toEqual({
    ...FULL,
    tenants: 0,
    people: 0,
    factors: 0,
    customers: 0,
    accounts: 0,
    money: null,
    documents: 0,
  });
  expect(await readdir(runtime.dataDir)).toEqual(["secrets"]);
  expect(await readdir(join(runtime.dataDir, "secrets"))).toEqual([]);
  await expect(seed(interrupted(bank, 4).bank, "development", runtime)).rejects.toThrow("killed");
  await expect(seed(bank, "production", runtime)).rejects.toMatchObject(refused);
  // A bank that is seeded starts in any mode.
  await seed((await start()).bank, "development", runtime);
  await seed((await start()).bank, "production", runtime);
});

/** A bank whose process ends at the n-th act: before it, or after it, where nobody heard of its outcome. */
function interrupted(bank: SeededBank, at: number): { bank: SeededBank; reached: () => boolean } {
  let acts = 0;
  const counted = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(_, name) {
        const found: unknown = Reflect.get(target, name);
        if (typeof found !== "function") return found;
        return async (...given: unknown[]): Promise<unknown> => {
          acts += 1;
          if (acts === at) throw new TypeError("killed");
          const result: unknown = await Reflect.apply(found, target, given);
          acts += 1;
          if (acts === at) throw new TypeError("killed");
          return result;
        };
      },
    });
  const { database, identity } = bank.ringwall;
  const ringwall = { ...bank.ringwall, identity: counted(identity), database: counted(database) };
  return { bank: { ...bank, ringwall, database: counted(bank.database) }, reached: () => acts >= at };
}

/** Odd, so that runs die before an act and after one in turn. */
const STEP = 3;

test("killed before or after any act, the next starts finish: the same people, accounts and one file", async () => {
  let step = 1;
  let runs = 0;
  // Each run dies later than the one before, over the same database, until one reaches the end.
  for (;;) {
    const started = await start();
    const { bank, reached } = interrupted(started.bank, step);
    runs += 1;
    try {
      await seed(bank, "development", runtime);
    } catch (error) {
      if (!(error instanceof TypeError && error.message === "killed")) throw error;
    }
    if (!reached()) break;
    step += STEP;
  }
  expect(runs).toBeGreaterThan(20);
  expect(await counts()).toEqual(FULL);
  expect(await signInAll(await start())).toEqual(EVERYBODY);
  expect(await readdir(join(runtime.dataDir, "secrets"))).toEqual([]);
});
