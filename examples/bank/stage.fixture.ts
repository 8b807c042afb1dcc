import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TOTP } from "otpauth";
import { createRingwall, type Ringwall, RingwallConfig } from "ringwall";
import { createAuditKeyFile, fileHeadStore, readAuditKeyFile } from "ringwall/adapters/files";
import { openSql } from "ringwall/adapters/postgres";
import type { Principal, Role } from "ringwall/application/access";
import type { SessionOpened, SignedIn } from "ringwall/application/identity";
import { type Clock, parseConfig, randomBytes, systemClock, type TenantId, uuidv7 } from "ringwall/core";
import { softwareMaster } from "ringwall/data/keys";
import { MIGRATIONS, migrate } from "ringwall/migrations";
import { type AuditRecord, createSequencer, HeadVerifier, headSigner } from "ringwall/monitoring/audit";
import { createLogger } from "ringwall/perimeter";
import { presentSigner, type TestDatabase, testDatabase } from "ringwall/testing";
import type { Bank } from "./bank.ts";
import { MIGRATIONS as BANK_MIGRATIONS } from "./migrations/index.ts";
import { openAccount } from "./routes/accounts.ts";
import { openCustomer } from "./routes/customers.ts";
import { createBank, SESSION_COOKIE } from "./server.ts";

export const PASSWORD = "tide knot 52 ember";
const AUTHORITY = { type: "system", capability: "development.seed" } as const;
const ORIGIN = { address: "192.0.2.77", requestId: "stage" } as const;
const STEP_MS = 30_000;
const LOG_LINES_MAX = 10_000;

/** Somebody of a bank, signed in, with the second factor of those who have one. */
export interface Person {
  readonly email: string;
  readonly tenant: TenantId;
  readonly user: string;
  readonly token: string;
  readonly principal: Principal;
  /** The code of the present step. */
  readonly code: () => string;
}

/** A person who has a customer record and an account. */
export interface Customer extends Person {
  readonly customer: string;
  readonly account: string;
}

/** One of the two banks. */
export interface BankPeople {
  readonly tenant: TenantId;
  readonly owner: Person;
  readonly ann: Customer;
  readonly ben: Customer;
  readonly auditor: Person;
}

/** An answer as a program reads it. */
export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** The body as JSON; a test names what it expects of it. */
  // oxlint-disable-next-line typescript/no-explicit-any -- each test says which shape it expects, by comparing it
  readonly body: any;
}

export type BankStage = Awaited<ReturnType<typeof bankStage>>;

/** A clock that a test moves forward; contexts stay in the database's own time. */
function movingClock(aheadMs: number): { clock: Clock; advance: (ms: number) => void; nextStep: () => void } {
  let ahead = aheadMs;
  const clock = (): number => systemClock() + ahead;
  return {
    clock,
    advance(ms) {
      ahead += ms;
    },
    nextStep() {
      ahead += STEP_MS - (clock() % STEP_MS);
    },
  };
}

/** A migrated database with the bank's tables. */
export async function bankDatabase(): Promise<TestDatabase> {
  const at = await testDatabase();
  const owner = openSql(at.target("ringwall_migrate"));
  await migrate(owner, MIGRATIONS, [{ application: "bank", migrations: BANK_MIGRATIONS }]);
  await owner.destroy();
  return at;
}

/** Ringwall over the test's database, with a clock that moves. Rates are out of the way; they have tests of their own. */
export async function bankRingwall(at: TestDatabase, { master = randomBytes(32), aheadMs = 0 } = {}) {
  const time = movingClock(aheadMs);
  const lines: string[] = [];
  const wide = { limit: 1_000_000, periodSeconds: 1, burst: 1_000_000 };
  const config = parseConfig(RingwallConfig, {
    mode: "development",
    perimeter: { rates: { address: wide, account: wide, tenant: wide, routes: {} } },
    identity: { password: { hashesWaiting: 1_024 } },
    monitoring: { audit: { noteMs: 100, signMs: 0 } },
  });
  const ringwall = await createRingwall(config, {
    target: at.target("ringwall_app"),
    signer: presentSigner(at.contextKey),
    openMaster: async () => await Promise.resolve(softwareMaster(Buffer.from(master))),
    log: createLogger({
      level: "info",
      clock: time.clock,
      write: (line) => {
        if (lines.length < LOG_LINES_MAX) lines.push(line);
      },
    }),
    clock: time.clock,
    sessionCookie: SESSION_COOKIE,
  });
  return { ...time, lines, ringwall };
}

/** The bank on a free loopback port: real server, real Ringwall, real PostgreSQL, and two banks with people. */
export async function bankStage() {
  const at = await bankDatabase();
  const { ringwall, ...made } = await bankRingwall(at);
  let draining = false;
  const bank: Bank = {
    ringwall,
    database: at.client,
    clock: made.clock,
    publicOrigin: "http://localhost:7400",
    draining: () => draining,
  };
  const app = createBank(bank);
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  const audit = await auditor(at, ringwall, made.clock);
  const parts: Parts = { ringwall, bank, clock: made.clock };
  const north = await openBank(parts, "northbank");
  const south = await openBank(parts, "southbank");
  return {
    ...made,
    at,
    bank,
    ringwall,
    url,
    north,
    south,
    ask: asking(url),
    raw: (text: string | Buffer) => rawExchange(url, text),
    audit: (owner: Person, action?: string) => audit.read(owner, action),
    drain(): void {
      draining = true;
    },
    enter: async (owner: Person, role: Role, email: string) => await enterPerson(parts, owner, role, email),
    openFor: async (owner: Person, person: Person, balance: bigint, currency = "EUR") =>
      await openFor(parts, owner, person, balance, currency),
    async close(): Promise<void> {
      await app.close();
      await audit.stop();
      await ringwall.close();
      await at.close();
    },
  };
}

/** Chains what the outbox holds when it is asked, and reads a bank's log as its owner does. */
async function auditor(at: TestDatabase, ringwall: Ringwall, clock: Clock) {
  const folder = await mkdtemp(join(tmpdir(), "rw-bank-"));
  await createAuditKeyFile(join(folder, "audit.key"));
  const signer = headSigner(await readAuditKeyFile(join(folder, "audit.key")));
  const sequencer = createSequencer({
    database: at.worker,
    signer,
    verifier: new HeadVerifier([signer.publicKey]),
    heads: await fileHeadStore(join(folder, "heads")),
    clock,
    config: parseConfig(RingwallConfig, { mode: "development" }).monitoring.audit,
  });
  await sequencer.start();
  return {
    async read(owner: Person, action?: string): Promise<readonly AuditRecord[]> {
      await sequencer.drain();
      const options = { limit: 200, details: true, ...(action === undefined ? {} : { action }) };
      return await ringwall.audit.read(owner.tenant, owner.principal, options);
    },
    async stop(): Promise<void> {
      await sequencer.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

interface Parts {
  readonly ringwall: Ringwall;
  readonly bank: Bank;
  readonly clock: Clock;
}

async function openBank(parts: Parts, id: string): Promise<BankPeople> {
  const { identity } = parts.ringwall;
  const tenant = await identity.createTenant(AUTHORITY, { id, name: id });
  const email = `olga@${id}.example`;
  const link = await identity.inviteFirstOwner(AUTHORITY, tenant, email);
  const owner = await enterBy(parts, link.token.open(), email);
  const ann = await enterPerson(parts, owner, "editor", `ann@${id}.example`);
  const ben = await enterPerson(parts, owner, "editor", `ben@${id}.example`);
  return {
    tenant,
    owner,
    ann: { ...ann, ...(await openFor(parts, owner, ann, 1_000_000n)) },
    ben: { ...ben, ...(await openFor(parts, owner, ben, 500_000n)) },
    auditor: await enterPerson(parts, owner, "viewer", `vic@${id}.example`),
  };
}

async function enterPerson(parts: Parts, owner: Person, role: Role, email: string): Promise<Person> {
  const link = await parts.ringwall.identity.inviteUser(owner.principal, { email, role });
  return await enterBy(parts, link.token.open(), email);
}

async function openFor(parts: Parts, owner: Person, person: Person, balance: bigint, currency = "EUR") {
  const [customer, account] = [uuidv7(parts.clock()), uuidv7(parts.clock())];
  const record = { id: customer, user: person.user, name: "Somebody", nationalId: "19850412-0057" };
  await openCustomer(parts.bank, owner.principal, record, ORIGIN);
  await openAccount(parts.bank, owner.principal, { id: account, customer, currency, balance }, ORIGIN);
  return { customer, account };
}

async function enterBy({ clock, ringwall: { identity } }: Parts, token: string, email: string): Promise<Person> {
  const entered = await identity.acceptInvitation({ token, name: "Somebody", password: PASSWORD }, ORIGIN);
  const enrolled = await enrol(entered);
  const bearer = enrolled.opened.token.open();
  const principal = await identity.authenticate(bearer);
  const { tenant, user } = principal;
  return { email, tenant, user, token: bearer, principal, code: enrolled.code };

  async function enrol(signedIn: SignedIn): Promise<{ opened: SessionOpened; code: () => string }> {
    if (signedIn.kind === "session") return { opened: signedIn, code: () => "000000" };
    const login = signedIn.token.open();
    const totp = new TOTP({ secret: (await identity.beginLoginEnrolment(login)).base32.open() });
    const code = (): string => totp.generate({ timestamp: clock() });
    return { opened: await identity.confirmLoginEnrolment(login, code(), ORIGIN), code };
  }
}

/** What a request is made from; a string or bytes as `body` go out as they are. */
export interface Asked {
  readonly as?: Pick<Person, "token">;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

function asking(url: string): (method: string, path: string, asked?: Asked) => Promise<Answered> {
  return async (method, path, { as, body, headers } = {}) => {
    const raw = typeof body === "string" || body instanceof Uint8Array;
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(as === undefined ? {} : { authorization: `Bearer ${as.token}` }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    });
    const text = await answer.text();
    const isJson = text !== "" && /json/.test(answer.headers.get("content-type") ?? "");
    return { status: answer.status, headers: answer.headers, text, body: isJson ? JSON.parse(text) : undefined };
  };
}

/** Sends bytes and reads until the server closes, or has answered as far as `Content-Length` says. */
async function rawExchange(url: string, sent: string | Buffer): Promise<string> {
  const { hostname, port } = new URL(url);
  return await new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let text = "";
    const end = (): void => {
      socket.destroy();
      resolve(text);
    };
    socket.on("connect", () => socket.write(sent));
    socket.on("data", (chunk) => {
      text += chunk.toString("latin1");
      const head = text.indexOf("\r\n\r\n");
      const length = /\r\ncontent-length: ([0-9]+)\r\n/i.exec(text)?.[1];
      if (head >= 0 && length !== undefined && text.length >= head + 4 + Number(length)) end();
    });
    socket.on("end", end);
    socket.on("error", reject);
  });
}
