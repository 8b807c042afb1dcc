import { afterEach, beforeEach, expect, test } from "vitest";
import type { TenantId } from "../../src/core/index.ts";
import {
  type IdentityStage,
  identityStage,
  loginToken,
  ORIGIN,
  PASSWORD,
  type Person,
} from "../../src/testing/identity-stage.ts";

// A machine whose clock jumps by an hour, back or ahead: by accident, or by whoever answers its time requests.

const HOUR_MS = 3_600_000;
const WINDOW_MS = 901_000;
const FAILED = { code: "identity.sign_in_failed" };

let stage: IdentityStage;
let bank: TenantId;
let olga: Person;
let ada: Person;

beforeEach(async () => {
  stage = await identityStage();
  bank = await stage.createTenant("bank-a");
  olga = await stage.makeOwner(bank);
  stage.nextStep();
  ada = await stage.makePerson(olga, "admin", "ada@example.test");
  stage.nextStep();
});
afterEach(() => stage.close());

const password = (email: string, text = PASSWORD): Promise<unknown> =>
  stage.identity.signIn({ tenant: bank, email, password: text }, ORIGIN);
const begin = async (email: string): Promise<string> =>
  loginToken(await stage.identity.signIn({ tenant: bank, email, password: PASSWORD }, ORIGIN));
const give = async (email: string, code: string): Promise<unknown> =>
  await stage.identity.giveCode(await begin(email), code, ORIGIN);

test("ahead and back again: no code works twice, others sign in, and who used a later code waits the hour, no longer", async () => {
  stage.advance(HOUR_MS);
  const later = olga.app.code();
  await give(olga.email, later);
  stage.advance(-HOUR_MS);
  await expect(give(olga.email, later)).rejects.toMatchObject(FAILED);
  // Older than the last one used: it may have been seen already.
  await expect(give(olga.email, olga.app.code())).rejects.toMatchObject(FAILED);
  await expect(give(ada.email, ada.app.code())).resolves.toBeDefined();
  stage.advance(HOUR_MS);
  await expect(give(olga.email, later)).rejects.toMatchObject(FAILED);
  stage.nextStep();
  await expect(give(olga.email, olga.app.code())).resolves.toBeDefined();
});

test("ahead and back again: a lock holds, and ends with its window by the clock that made it", async () => {
  stage.advance(HOUR_MS);
  // Locked or wrong, the answer is the same.
  for (let guess = 0; guess < 5; guess += 1) await expect(password(ada.email, "wrong guess 1")).rejects.toThrow();
  await expect(password(ada.email)).rejects.toMatchObject(FAILED);
  stage.advance(-HOUR_MS);
  await expect(password(ada.email)).rejects.toMatchObject(FAILED);
  await expect(password(olga.email)).resolves.toBeDefined();
  stage.advance(HOUR_MS + WINDOW_MS);
  await expect(password(ada.email)).resolves.toBeDefined();
});

test("ahead: what has an end has ended, and stays ended when the clock comes back to where it was used", async () => {
  const waiting = await begin(ada.email);
  const link = await stage.identity.inviteUser(olga.principal, { email: "eve@example.test", role: "viewer" });
  stage.advance(8 * 24 * HOUR_MS);
  await expect(stage.identity.giveCode(waiting, ada.app.code(), ORIGIN)).rejects.toThrow();
  const accept = { token: link.token.open(), name: "Eve", password: PASSWORD };
  await expect(stage.identity.acceptInvitation(accept, ORIGIN)).rejects.toMatchObject({
    code: "identity.link_invalid",
  });
  await expect(stage.identity.authenticate(olga.token)).rejects.toMatchObject({ code: "identity.sign_in_required" });
});

test("back: nobody's session ends, and none lives longer than it would have", async () => {
  await stage.identity.authenticate(olga.token);
  stage.advance(-HOUR_MS);
  await expect(stage.identity.authenticate(olga.token)).resolves.toMatchObject({ user: olga.user });
  stage.advance(HOUR_MS);
  await expect(stage.identity.authenticate(olga.token)).resolves.toMatchObject({ user: olga.user });
  stage.advance(13 * HOUR_MS);
  await expect(stage.identity.authenticate(olga.token)).rejects.toMatchObject({ code: "identity.sign_in_required" });
});
