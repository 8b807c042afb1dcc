import { TOTP } from "otpauth";
import type { Principal, Role } from "../application/access/index.ts";
import {
  createHasher,
  createIdentity,
  type Enrolment,
  type Hasher,
  type Identity,
  IdentityConfig,
  type IdentityOptions,
  type SessionOpened,
  type SignedIn,
} from "../application/identity/index.ts";
import { type AuditEvent, assert, type Recorder, type TenantId, type UserId } from "../core/index.ts";
import { testDatabase } from "./index.ts";
import { testKeys } from "./keys.ts";

/** Good for everybody here: long enough alone, and none of anybody's words. */
export const PASSWORD = "tide knot 52 ember";
export const ORIGIN = { address: "192.0.2.77", userAgent: "test/1.0", requestId: "r1" } as const;

/** A second factor as an authenticator app holds it. */
export interface App {
  /** The code of the present step. */
  code(): string;
  /** A code that is wrong now. */
  wrong(): string;
}

export interface Person {
  readonly email: string;
  readonly user: UserId;
  readonly token: string;
  readonly principal: Principal;
  readonly app: App;
}

export type IdentityStage = Awaited<ReturnType<typeof identityStage>>;

/**
 * Identity over a real database, with a clock that tests move and everything it reports kept in a list.
 * Hashes are cheap here; the founding figures have a test of their own beside the hasher.
 */
export async function identityStage() {
  const data = await testDatabase();
  // The product's own key tree; only the table its wrapped keys would be in is in memory here.
  const { keys } = await testKeys();
  let nowMs = Date.parse("2026-03-01T09:00:10Z");
  const clock = (): number => nowMs;
  const events: AuditEvent[] = [];
  const verified: string[] = [];
  const options: IdentityOptions = {
    database: data.database,
    recorder: listing(events),
    sealer: {
      seal: async (tenant, context, bytes) => await keys.sealValue(tenant, "identity", context, bytes),
      open: async (tenant, context, sealed) => await keys.openValue(tenant, "identity", context, sealed),
    },
    pepper: async (purpose) => (await keys.service(`${purpose}-pepper`)).subkey("identity"),
    clock,
    bus: data.bus,
    hasher: counting(
      createHasher({ argon2: { memoryKib: 8, passes: 1, lanes: 1 }, hashesAtOnce: 2, hashesWaiting: 256 }),
      verified,
    ),
    config: IdentityConfig.parse({}),
  };
  const identity = createIdentity(options);
  const stage = {
    ...data,
    identity,
    options,
    events,
    /** The stored hash of each verification so far, in order. */
    verified,
    clock,
    advance(ms: number): void {
      nowMs += ms;
    },
    /** To the start of the next step, so that a code of the present one is not accepted twice. */
    nextStep(): void {
      nowMs = (Math.floor(nowMs / 30_000) + 1) * 30_000 + 10_000;
    },
    actions: (action: AuditEvent["action"]): AuditEvent[] => events.filter((event) => event.action === action),
    app: (enrolment: Enrolment): App => app(enrolment, clock),
    async makeOwner(tenant: TenantId, email = "olga@example.test"): Promise<Person> {
      const by = { type: "system", capability: "tenants.create" } as const;
      const link = await identity.inviteFirstOwner(by, tenant, email);
      return await join(identity, link.token.open(), email, clock);
    },
    async makePerson(inviter: Person, role: Role, email: string): Promise<Person> {
      const link = await identity.inviteUser(inviter.principal, { email, role });
      return await join(identity, link.token.open(), email, clock);
    },
    async close(): Promise<void> {
      identity.close();
      keys.close();
      await data.close();
    },
  };
  return stage;
}

async function join(identity: Identity, token: string, email: string, clock: () => number): Promise<Person> {
  const joined = await identity.acceptInvitation({ token, name: "Somebody", password: PASSWORD }, ORIGIN);
  const { opened, held } = await finish(identity, joined, clock);
  const principal = await identity.authenticate(opened.token.open());
  return { email, user: principal.user, token: opened.token.open(), principal, app: held };
}

/** Sets up the second factor when the sign-in asks for it. */
export async function finish(
  identity: Identity,
  signedIn: SignedIn,
  clock: () => number,
): Promise<{ opened: SessionOpened; held: App }> {
  if (signedIn.kind === "session") return { opened: signedIn, held: NO_APP };
  assert(signedIn.next === "enrol", "only a new factor can be set up here");
  const login = signedIn.token.open();
  const held = app(await identity.beginLoginEnrolment(login), clock);
  return { opened: await identity.confirmLoginEnrolment(login, held.code(), ORIGIN), held };
}

/** The token of a sign-in that waits for its second factor. */
export function loginToken(signedIn: SignedIn): string {
  assert(signedIn.kind === "login", "the sign-in waits for a second factor");
  return signedIn.token.open();
}

export function sessionToken(signedIn: SignedIn): string {
  assert(signedIn.kind === "session", "the sign-in is finished");
  return signedIn.token.open();
}

function app(enrolment: Enrolment, clock: () => number): App {
  const totp = new TOTP({ secret: enrolment.base32.open() });
  const near = (): Set<string> => {
    const nowMs = clock();
    return new Set([nowMs - 30_000, nowMs, nowMs + 30_000].map((timestamp) => totp.generate({ timestamp })));
  };
  return {
    code: () => totp.generate({ timestamp: clock() }),
    wrong: () => ["000000", "111111", "222222", "333333"].find((code) => !near().has(code)) ?? "444444",
  };
}

const NO_APP: App = {
  code: () => "000000",
  wrong: () => "000000",
};

function listing(events: AuditEvent[]): Recorder {
  return {
    async record(tx, event) {
      assert(tx.tenant === event.tenant, "an event belongs to its transaction's tenant");
      events.push(event);
    },
    note: (event) => void events.push(event),
  };
}

function counting(hasher: Hasher, verified: string[]): Hasher {
  return {
    dummy: hasher.dummy,
    outdated: (stored) => hasher.outdated(stored),
    hash: async (password) => await hasher.hash(password),
    verify: async (stored, password) => {
      verified.push(stored);
      return await hasher.verify(stored, password);
    },
  };
}
