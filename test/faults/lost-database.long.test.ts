import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { chanceOf, seedOf } from "./chance.ts";
import type { HttpClient } from "./http.ts";
import { type Installation, runUnsupervised } from "./installation.ts";
import { checkBooks } from "./invariants.ts";
import { foundBank, PASSWORD, type TestBank } from "./population.ts";
import { processesHidden, signalAll } from "./processes.ts";
import { say } from "./say.ts";
import { connectSuperuser, makePlace, removePlace } from "./system.ts";
import { Ledger, settle } from "./transfers.ts";
import { until } from "./until.ts";
import { Watch } from "./watch.ts";

const CUSTOMERS = 24;
const OPENING = 10_000_000;
/** Between two acts of one client: the customers may only move so much in an hour. */
const PAUSE_MS = 40;
/** Beyond five seconds without a durable note, reads are refused as well. */
const AWAY_MS = 8_000;
const REFUSED_MS = 40_000;
/** Dead connections are found after 15 s, and the bank's new ones need a password over others that may be dead as well. */
const RETURN_MS = 60_000;
const NOTED_MS = 30_000;
/** The database is gone, or what was read could not be recorded for five seconds. */
const CODES = ["database.unavailable", "audit.unavailable"] as const;

const hidden = processesHidden();
const chance = chanceOf(seedOf(process.env["RINGWALL_TEST_SEED"]));
const place = makePlace();
const ledger = new Ledger();
let running: Installation;
let banks: readonly TestBank[];
/** Reads that were answered, in all tests together. */
let reads = 0;

describe.skipIf(hidden !== undefined)(`PostgreSQL gone${hidden === undefined ? "" : ` (skipped: ${hidden})`}`, () => {
  beforeAll(async () => {
    running = await runUnsupervised(place);
    banks = [
      await foundBank(running, "lost-east", CUSTOMERS, OPENING),
      await foundBank(running, "lost-west", CUSTOMERS, OPENING),
    ];
  }, 240_000);
  afterAll(async () => {
    await running.stop();
    removePlace(place);
  }, 120_000);

  test("killed: requests are refused until it is back, and nothing acknowledged is lost", async () => {
    await outage({ gone: () => running.killPostgres(), back: () => running.startPostgres(), total: true });
  });

  test("cut off: the same", async () => {
    await outage({ gone: () => running.proxy.cut(), back: () => running.proxy.mend(), total: true });
  });

  test("stopped, with its connections open: nobody waits for ever", async () => {
    await outage({
      gone: () => signalAll(place.pgdata, "SIGSTOP"),
      back: () => signalAll(place.pgdata, "SIGCONT"),
      total: true,
    });
  });

  test("silent, with the network taking connections: the same", async () => {
    await outage({ gone: () => running.proxy.silence(), back: () => running.proxy.mend(), total: true });
  });

  test("behind a network that forgot every connection: new ones take their place", async () => {
    await outage({ gone: () => running.proxy.forget(), back: () => undefined, total: false });
  });
});

interface Outage {
  readonly gone: () => Promise<void> | void;
  readonly back: () => Promise<void> | void;
  /** Whether nothing at all gets through. */
  readonly total: boolean;
}

/** Transfers and reads go on before, during and after; everything that was told must be true afterwards. */
async function outage({ back, gone, total }: Outage): Promise<void> {
  const watch = new Watch();
  const doors = { bank: watch.over(running.bank), api: watch.over(running.api) };
  const traffic = startTraffic(doors.bank);
  await traffic.moves();
  await gone();
  if (total) await away(doors);
  await back();
  for (const door of [running.bank, running.api]) await until("it is ready again", RETURN_MS, () => probe(door, 200));
  await traffic.moves();
  await traffic.stop();
  await signsIn(doors);
  watch.expectOnly(CODES);
  expect(running.alive(), "server and bank were not started again").toBe(true);
  say(`refused: ${watch.refusals()}; the longest answer took ${Math.round(watch.longestMs)} ms`);
  const owner = await connectSuperuser(place);
  try {
    await checkBooks(owner, banks, ledger.intents);
    await until("every read that was answered is recorded", NOTED_MS, async () => {
      return (await readsRecorded(owner)) === reads ? true : undefined;
    });
  } finally {
    await owner.end();
  }
}

type Doors = Readonly<Record<"bank" | "api", HttpClient>>;

/** While nothing gets through: not ready, alive all the same, and nobody is let in. */
async function away(doors: Doors): Promise<void> {
  const sinceMs = performance.now();
  for (const door of [running.bank, running.api]) {
    await until("it says that it is not ready", REFUSED_MS, () => probe(door, 503));
  }
  do {
    for (const door of [running.bank, running.api]) {
      const { status } = await door.send({ method: "GET", path: "/healthz" });
      expect(status).toBe(200);
    }
    for (const reply of await signInEverywhere(doors)) expect(reply.status).toBe(503);
    await delay(PAUSE_MS);
  } while (performance.now() - sinceMs < AWAY_MS);
}

async function probe(door: HttpClient, status: number): Promise<true | undefined> {
  const reply = await door.send({ method: "GET", path: "/readyz" });
  return reply.status === status ? true : undefined;
}

async function signInEverywhere({ api, bank }: Doors) {
  const [person] = banks[0]?.people ?? [];
  const body = { tenant: person?.tenant, email: person?.email, password: PASSWORD };
  return await Promise.all([
    bank.send({ method: "POST", path: "/api/sign-in", body }),
    api.send({ method: "POST", path: "/v1/sign-in", body }),
  ]);
}

/** Connections that nobody has used since may still have to be found dead. */
async function signsIn(doors: Doors): Promise<void> {
  await until("people sign in again", RETURN_MS, async () => {
    const replies = await signInEverywhere(doors);
    return replies.every(({ status }) => status === 200) ? true : undefined;
  });
}

interface Traffic {
  /** Resolves when transfers and reads have succeeded a few times more. */
  moves(): Promise<void>;
  /** Resolves when everything that was begun has an outcome. */
  stop(): Promise<void>;
}

function startTraffic(bank: HttpClient): Traffic {
  const done = { transfers: 0, reads: 0 };
  const stopping = new AbortController();
  const repeatedly = async (act: () => Promise<void>): Promise<void> => {
    while (!stopping.signal.aborted) {
      await act();
      await delay(PAUSE_MS);
    }
  };
  const move = async (): Promise<void> => {
    await settle(bank, ledger, ledger.wish(banks, chance));
    done.transfers += 1;
  };
  const read = async (): Promise<void> => {
    const { account, token } = chance.pick(chance.pick(banks).people);
    const { status } = await bank.send({ method: "GET", path: `/api/accounts/${account}`, token });
    if (status !== 200) return;
    done.reads += 1;
    reads += 1;
  };
  const clients = Promise.all([move, move, read, read].map(repeatedly));
  // Told by `stop`; meanwhile nobody waits for it.
  clients.catch(() => undefined);
  return {
    async moves() {
      const before = { ...done };
      const enough = (): boolean => done.transfers >= before.transfers + 8 && done.reads >= before.reads + 8;
      await Promise.race([
        until("transfers and reads succeed", RETURN_MS * 2, () => (enough() ? true : undefined)),
        clients,
      ]);
    },
    async stop() {
      stopping.abort();
      await clients;
    },
  };
}

const READS = `
  select coalesce(sum((leaf::jsonb #>> '{facts,count}')::int), 0)::int as reads
  from (select tenant_id, leaf from ringwall.audit_entry
        union all select tenant_id, leaf from ringwall.audit_outbox) as record
  where tenant_id = any($1) and leaf::jsonb ->> 'action' = 'account.read'`;

async function readsRecorded(owner: Awaited<ReturnType<typeof connectSuperuser>>): Promise<number | undefined> {
  const tenants = banks.map(({ tenant }) => tenant);
  return (await owner.query<{ reads: number }>(READS, [tenants])).rows[0]?.reads;
}
