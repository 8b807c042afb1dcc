import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Chance, chanceOf, seedOf } from "./chance.ts";
import { checkBooks } from "./invariants.ts";
import { foundBank, type TestBank } from "./population.ts";
import { processesHidden } from "./processes.ts";
import { say } from "./say.ts";
import { makePlace, type Part, removePlace, type System, startSystem } from "./system.ts";
import { Ledger, repeat, settle } from "./transfers.ts";
import { until } from "./until.ts";

const KILLS = Number(process.env["RINGWALL_TEST_KILLS"] ?? 200);
const BANKS = ["faults-east", "faults-west"] as const;
const CUSTOMERS = 48;
const OPENING = 10_000_000;
/** Transfers around each kill. 200 times 24 stay below what the customers may move in an hour. */
const TRANSFERS = 24;
const CLIENTS = 6;
/** After the answer that was chosen, up to so much later: anywhere within the next transfers. */
const LATER_MS = 15;
const REPEATS = 12;
/** The supervisor gives a process up that ends six times within a minute. A killed supervisor starts counting anew. */
const KILLS_OF_ONE_MAX = 4;
const PROGRESS_EACH = 20;
const CHAINED_MS = 60_000;

/** How often each part is chosen, out of twenty. */
const SHARES: readonly (readonly [Part, number])[] = [
  ["postmaster", 7],
  ["bank", 4],
  ["backend", 5],
  ["server", 2],
  ["supervisor", 2],
];

const hidden = processesHidden();
const chance = chanceOf(seedOf(process.env["RINGWALL_TEST_SEED"]));
const place = makePlace();
let system: System;
let banks: readonly TestBank[];

describe.skipIf(hidden !== undefined)(`kill -9${hidden === undefined ? "" : ` (skipped: ${hidden})`}`, () => {
  beforeAll(async () => {
    system = await startSystem(place);
    banks = await Promise.all(BANKS.map((tenant) => foundBank(system, tenant, CUSTOMERS, OPENING)));
  }, 240_000);
  afterAll(async () => {
    await system.stop();
    removePlace(place);
  }, 60_000);

  test(`at ${KILLS} random points during transfers loses nothing, does nothing twice and leaves nothing half done`, async () => {
    say(`RINGWALL_TEST_SEED=${chance.seed} chooses the same kills again`);
    const ledger = new Ledger();
    const killed = new Map<Part, number>();
    let lives = new Map<Part, number>();
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const part = choosePart(lives);
      lives = part === "supervisor" ? new Map() : count(lives, part);
      count(killed, part);
      await killDuringTransfers(ledger, part);
      if (kill % PROGRESS_EACH !== 0 && kill !== KILLS) continue;
      await checkAudit();
      say(progress(kill, killed, ledger));
    }
  });
});

function choosePart(lives: ReadonlyMap<Part, number>): Part {
  const open = SHARES.filter(([part]) => part === "backend" || (lives.get(part) ?? 0) < KILLS_OF_ONE_MAX);
  return chance.pick(open.flatMap(([part, share]) => Array.from({ length: share }, () => part)));
}

function count(counts: Map<Part, number>, part: Part): Map<Part, number> {
  return counts.set(part, (counts.get(part) ?? 0) + 1);
}

/** Transfers go on before, during and after the kill; when all have an outcome, the books must be right. */
async function killDuringTransfers(ledger: Ledger, part: Part): Promise<void> {
  const before = system.pids();
  const wishes = Array.from({ length: TRANSFERS }, () => ledger.wish(banks, chance));
  const due = { answers: chance.below(TRANSFERS - CLIENTS), laterMs: chance.below(LATER_MS * 10) / 10 };
  const now = Promise.withResolvers<undefined>();
  const waiting = [...wishes];
  let answers = 0;
  if (due.answers === 0) now.resolve(undefined);
  const client = async (): Promise<void> => {
    for (let intent = waiting.shift(); intent !== undefined; intent = waiting.shift()) {
      await settle(system.bank, ledger, intent);
      answers += 1;
      if (answers >= due.answers) now.resolve(undefined);
    }
  };
  const strike = async (): Promise<void> => {
    await now.promise;
    await delay(due.laterMs);
    await killPart(part, chance);
    await system.recovered(before, part);
  };
  await Promise.all([strike(), ...Array.from({ length: CLIENTS }, client)]);
  const owner = await system.superuser();
  try {
    await checkBooks(owner, banks, ledger.intents);
    const again = [...wishes.slice(0, REPEATS), ...Array.from({ length: REPEATS }, () => chance.pick(ledger.intents))];
    await Promise.all(again.map((intent) => repeat(system.bank, ledger, intent)));
    await checkBooks(owner, banks, ledger.intents);
  } finally {
    await owner.end();
  }
  expectOthersAlive(part, before);
}

async function killPart(part: Part, by: Chance): Promise<void> {
  if (part === "backend") system.killBackend((from) => by.pick(from));
  else await system.kill(part);
}

/** One part's end is survived by the others: a lost database ends no process of ours, a lost bank no server. */
function expectOthersAlive(part: Part, before: ReturnType<System["pids"]>): void {
  if (part === "supervisor") return;
  const own = part === "backend" ? {} : { [part]: undefined };
  expect({ ...system.pids(), ...own }).toEqual({ ...before, ...own });
}

/** When everything is chained and signed, the log is whole and holds every transfer. */
async function checkAudit(): Promise<void> {
  await until("everything that was recorded is chained", CHAINED_MS, async () => {
    const owner = await system.superuser();
    try {
      const { rows } = await owner.query("select from ringwall.audit_outbox limit 1");
      return rows.length === 0 ? true : undefined;
    } finally {
      await owner.end();
    }
  });
  const { exit, stderr, stdout } = await system.command("audit", "verify", "--json");
  expect({ exit, stderr }, stdout).toEqual({ exit: 0, stderr: "" });
  const report = JSON.parse(stdout) as { ok: boolean; tenants: { tenant: string; verified: number; signed: number }[] };
  expect(report.ok).toBe(true);
  const owner = await system.superuser();
  try {
    const text = "select count(*)::int as entries from ringwall.audit_entry where tenant_id = $1";
    for (const { tenant } of banks) {
      const found = report.tenants.find((one) => one.tenant === tenant);
      const { rows } = await owner.query<{ entries: number }>(text, [tenant]);
      expect(found, `the log of ${tenant}`).toMatchObject({ verified: rows[0]?.entries, signed: rows[0]?.entries });
    }
  } finally {
    await owner.end();
  }
}

function progress(kill: number, killed: ReadonlyMap<Part, number>, ledger: Ledger): string {
  const list = (counts: ReadonlyMap<string, number>): string =>
    [...counts].map(([name, times]) => `${name} ${times}`).join(", ");
  return `${kill} of ${KILLS} kills (${list(killed)}): ${ledger.intents.length} transfers; on the way ${list(ledger.setbacks)}`;
}
