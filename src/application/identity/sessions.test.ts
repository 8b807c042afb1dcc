import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Bus, Database, TenantId } from "../../core/index.ts";
import {
  type IdentityStage,
  identityStage,
  ORIGIN,
  PASSWORD,
  type Person,
  sessionToken,
} from "../../testing/identity-stage.ts";
import { createIdentity, type Identity } from "./index.ts";
import { addressPrefix, shownUserAgent } from "./parts.ts";

let stage: IdentityStage;
let bank: TenantId;
let olga: Person;
let vera: Person;

const REQUIRED = { code: "identity.sign_in_required" };
const HOUR_MS = 3_600_000;

beforeAll(async () => {
  stage = await identityStage();
  bank = await stage.createTenant("bank-a");
  olga = await stage.makeOwner(bank);
  vera = await stage.makePerson(olga, "viewer", "vera@example.test");
});
afterAll(() => stage.close());

const signIn = async (identity = stage.identity): Promise<string> =>
  sessionToken(await identity.signIn({ tenant: bank, email: vera.email, password: PASSWORD }, ORIGIN));
const authenticate = async (token: string, identity = stage.identity): Promise<unknown> =>
  await identity.authenticate(token);

/** The database, with its look-ups counted. */
function counting(): { readonly database: Database; readonly lookups: () => number } {
  let lookups = 0;
  const { database } = stage.options;
  return {
    database: {
      forTenant: (tenant, actor, work) => database.forTenant(tenant, actor, work),
      once: (tenant, actor, statement, values) => database.once(tenant, actor, statement, values),
      lookup: (name, values) => {
        lookups += 1;
        return database.lookup(name, values);
      },
      close: () => database.close(),
    },
    lookups: () => lookups,
  };
}

/** A second node: its own cache, and a bus that brings nothing. */
function node(up: boolean): { identity: Identity; lookups: () => number } {
  const { database, lookups } = counting();
  const bus: Bus = { up, subscribe: () => () => undefined, onGap: () => () => undefined };
  const identity = createIdentity({ ...stage.options, database, bus });
  return { identity, lookups };
}

describe("authentication", () => {
  test("answers without a promise once the session is known, and reads again after five seconds", async () => {
    const { identity, lookups } = node(true);
    const token = await signIn();
    const before = lookups();
    expect(identity.authenticate(token)).toBeInstanceOf(Promise);
    await authenticate(token, identity);
    const warm = identity.authenticate(token);
    expect(warm).toMatchObject({ user: vera.user });
    expect(identity.authenticate(token)).toBe(warm);
    expect(lookups() - before).toBe(2);
    stage.advance(5_000);
    await authenticate(token, identity);
    expect(lookups() - before).toBe(3);
    identity.close();
  });

  test("reads the database every time while the bus is down", async () => {
    const { identity, lookups } = node(false);
    const token = await signIn();
    const before = lookups();
    for (let round = 0; round < 3; round += 1) await authenticate(token, identity);
    expect(lookups() - before).toBe(3);
    await stage.identity.revokeSession(vera.principal, String(await sidOf(token)));
    await expect(authenticate(token, identity)).rejects.toMatchObject(REQUIRED);
    identity.close();
  });

  test.each([
    "",
    "rws_",
    "rws_short",
    `rws_${"a".repeat(43)}`,
    `rws_${"a".repeat(42)}!`,
    `Bearer rws_${"a".repeat(43)}`,
    "\0",
    "x".repeat(100_000),
  ])("%j is nobody", async (token) => {
    await expect(authenticate(token)).rejects.toMatchObject(REQUIRED);
  });

  test("the refusal is one answer, and the reason is for the log", async () => {
    const token = await signIn();
    await stage.identity.revokeSession(vera.principal, String(await sidOf(token)));
    const of = async (text: string): Promise<unknown> => {
      const error: unknown = await authenticate(text).catch((caught: unknown) => caught);
      return error instanceof Error ? error.message : error;
    };
    expect(await of(token)).toBe(await of(`rws_${"a".repeat(43)}`));
  });
});

describe("a session ends", () => {
  test("after 24 hours without use, and not while it is used", async () => {
    const idle = await signIn();
    const used = await signIn();
    for (let hour = 0; hour < 23; hour += 1) {
      stage.advance(HOUR_MS);
      await authenticate(used);
    }
    await authenticate(idle);
    stage.advance(23 * HOUR_MS);
    await authenticate(used);
    stage.advance(HOUR_MS);
    await expect(authenticate(idle)).rejects.toMatchObject(REQUIRED);
    await authenticate(used);
  });

  test("after seven days, used or not", async () => {
    const token = await signIn();
    for (let hours = 0; hours < 7 * 24 - 12; hours += 12) {
      stage.advance(12 * HOUR_MS);
      await authenticate(token);
    }
    stage.advance(12 * HOUR_MS);
    await expect(authenticate(token)).rejects.toMatchObject(REQUIRED);
  });

  test("for an owner after half an hour idle and twelve hours at most", async () => {
    stage.nextStep();
    const idle = await ownerSession();
    stage.advance(30 * 60_000);
    await expect(authenticate(idle)).rejects.toMatchObject(REQUIRED);
    const token = await ownerSession();
    for (let minutes = 0; minutes < 12 * 60 - 20; minutes += 20) {
      stage.advance(20 * 60_000);
      await authenticate(token);
    }
    stage.advance(20 * 60_000);
    await expect(authenticate(token)).rejects.toMatchObject(REQUIRED);
  });

  test("although somebody looks all the time whether it is still good, and that is seen", async () => {
    stage.nextStep();
    const token = await ownerSession();
    const look = async (): Promise<unknown> => await stage.identity.look(token);
    for (let minutes = 0; minutes < 28; minutes += 4) {
      stage.advance(4 * 60_000);
      expect(await look()).toMatchObject({ role: "owner" });
    }
    stage.advance(2 * 60_000);
    await expect(look()).rejects.toMatchObject(REQUIRED);
    await expect(authenticate(token)).rejects.toMatchObject(REQUIRED);
    const used = await ownerSession();
    expect(await stage.identity.look(used)).toMatchObject({ role: "owner" });
    await stage.identity.signOut(await stage.identity.authenticate(used));
    await expect((async () => await stage.identity.look(used))()).rejects.toMatchObject(REQUIRED);
  });

  test("at once when it is revoked, one, all of a user's, or by signing out", async () => {
    const [one, two, three] = [await signIn(), await signIn(), await signIn()];
    const me = await stage.identity.authenticate(one);
    await stage.identity.authenticate(two);
    const listed = await stage.identity.listSessions(me);
    expect(listed.filter((session) => session.current)).toHaveLength(1);
    expect(listed[0]).toMatchObject({ aal: 1, addressPrefix: "192.0.2.0/24", userAgent: "test/1.0" });
    await stage.identity.signOut(me);
    await expect(authenticate(one)).rejects.toMatchObject(REQUIRED);
    await authenticate(two);
    await stage.identity.revokeSessions(await stage.identity.authenticate(two));
    await expect(authenticate(two)).rejects.toMatchObject(REQUIRED);
    await expect(authenticate(three)).rejects.toMatchObject(REQUIRED);
  });
});

test("a revocation on one node is heard by another that holds the session in memory", async () => {
  const { database } = counting();
  const other = createIdentity({ ...stage.options, database });
  const token = await signIn();
  const principal = await other.authenticate(token);
  expect(other.authenticate(token)).toBe(principal);
  const heard = new Promise<void>((resolve) => {
    stage.bus.subscribe((message) => {
      if (message.id === principal.session) resolve();
    });
  });
  await stage.identity.revokeSession(principal, principal.session);
  await heard;
  await expect(authenticate(token, other)).rejects.toMatchObject(REQUIRED);
  other.close();
});

test("nobody lists or revokes the sessions of others without the right to", async () => {
  const otto = await stage.makePerson(await freshOwner(), "viewer", "otto@example.test");
  const mine = await stage.identity.authenticate(await signIn());
  await expect(stage.identity.listSessions(mine, otto.user)).rejects.toMatchObject({ code: "access.denied" });
  await expect(stage.identity.revokeSession(mine, otto.principal.session)).rejects.toMatchObject({
    code: "resource.not_found",
  });
  await expect(stage.identity.revokeSession(mine, "nonsense")).rejects.toMatchObject({ code: "resource.not_found" });
  const owner = await freshOwner();
  expect(await stage.identity.listSessions(owner.principal, otto.user)).toHaveLength(1);
  await stage.identity.revokeSession(owner.principal, otto.principal.session);
  await expect(authenticate(otto.token)).rejects.toMatchObject(REQUIRED);
});

test("a revoked session is not brought back by a request that was under way (flaw 9)", async () => {
  const token = await signIn();
  stage.advance(61_000);
  const principal = await stage.identity.authenticate(await signIn());
  const racing = Promise.allSettled(Array.from({ length: 10 }, () => authenticate(token)));
  await stage.identity.revokeSessions(principal);
  await racing;
  await expect(authenticate(token)).rejects.toMatchObject(REQUIRED);
});

test("places are shown by network, browsers by the start of their header", () => {
  expect(addressPrefix("198.51.100.201")).toBe("198.51.100.0/24");
  expect(addressPrefix("::ffff:198.51.100.201")).toBe("198.51.100.0/24");
  expect(addressPrefix("2001:db8:1:2::9")).toBe("2001:db8:1::/48");
  for (const nothing of [undefined, "", "unknown", "1.2.3.4.5", "x".repeat(1_000)])
    expect(addressPrefix(nothing)).toBeNull();
  expect(shownUserAgent(`a\0${"b".repeat(300)}`)).toBe(`a${"b".repeat(255)}`);
});

async function sidOf(token: string): Promise<unknown> {
  return (await stage.identity.authenticate(token)).session;
}

async function ownerSession(): Promise<string> {
  stage.nextStep();
  const login = await stage.identity.signIn({ tenant: bank, email: olga.email, password: PASSWORD }, ORIGIN);
  return (await stage.identity.giveCode(login.token.open(), olga.app.code(), ORIGIN)).token.open();
}

async function freshOwner(): Promise<Person> {
  const token = await ownerSession();
  return { ...olga, token, principal: await stage.identity.authenticate(token) };
}
