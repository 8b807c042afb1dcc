import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TenantId } from "../../src/core/index.ts";
import {
  type IdentityStage,
  identityStage,
  loginToken,
  ORIGIN,
  PASSWORD,
  type Person,
} from "../../src/testing/identity-stage.ts";

// Guessing and replaying second factors (FLAWS 17, 18), below HTTP.

let stage: IdentityStage;
let bank: TenantId;
let olga: Person;
const WINDOW_MS = 901_000;

beforeAll(async () => {
  stage = await identityStage();
  bank = await stage.createTenant("bank-a");
  olga = await stage.makeOwner(bank);
});
afterAll(() => stage.close());

const begin = async (email = olga.email): Promise<string> =>
  loginToken(await stage.identity.signIn({ tenant: bank, email, password: PASSWORD }, ORIGIN));
const give = (login: string, code: string): Promise<unknown> => stage.identity.giveCode(login, code, ORIGIN);
const FAILED = { code: "identity.sign_in_failed" };
const EXHAUSTED = { code: "identity.attempts_exhausted" };

describe("a code", () => {
  test("is accepted once, in whatever transaction it comes again (flaw 17)", async () => {
    stage.nextStep();
    const [first, second] = [await begin(), await begin()];
    const code = olga.app.code();
    await give(first, code);
    await expect(give(second, code)).rejects.toMatchObject(FAILED);
    const principal = await stage.identity.authenticate((await loginAgain()).token.open());
    await expect(stage.identity.stepUp(principal, olga.app.code(), ORIGIN)).rejects.toMatchObject(FAILED);
  });

  test("brought nine times at once opens one session", async () => {
    stage.advance(WINDOW_MS);
    stage.nextStep();
    const logins: string[] = [];
    for (let login = 0; login < 9; login += 1) logins.push(await begin());
    const code = olga.app.code();
    const results = await Promise.allSettled(logins.map((login) => give(login, code)));
    expect(results.filter((one) => one.status === "fulfilled")).toHaveLength(1);
  });

  test("of the step before is taken within five seconds and not after, and none of the step ahead (flaw 17)", async () => {
    stage.advance(WINDOW_MS);
    stage.nextStep();
    const old = olga.app.code();
    const login = await begin();
    // nextStep stands ten seconds into a step: 25 seconds on, the next one is five seconds old.
    stage.advance(25_000);
    await expect(give(login, old)).rejects.toMatchObject(FAILED);
    stage.advance(-1);
    await give(login, old);

    const ahead = await begin();
    stage.advance(60_000);
    const future = olga.app.code();
    stage.advance(-60_000);
    await expect(give(ahead, future)).rejects.toMatchObject(FAILED);
  });

  test("that an older step's is refused once a newer one was used", async () => {
    stage.advance(WINDOW_MS);
    stage.nextStep();
    const old = olga.app.code();
    stage.advance(22_000);
    const [first, second] = [await begin(), await begin()];
    await give(first, olga.app.code());
    await expect(give(second, old)).rejects.toMatchObject(FAILED);
  });
});

describe("guessing codes", () => {
  test("ten wrong ones end the transaction, and the right one comes too late", async () => {
    stage.advance(WINDOW_MS);
    stage.nextStep();
    const login = await begin();
    for (let guess = 1; guess < 10; guess += 1)
      await expect(give(login, olga.app.wrong())).rejects.toMatchObject(FAILED);
    await expect(give(login, olga.app.wrong())).rejects.toMatchObject(EXHAUSTED);
    await expect(give(login, olga.app.code())).rejects.toMatchObject({ code: "identity.sign_in_required" });
    expect(stage.actions("sign_in.locked").at(-1)).toMatchObject({ facts: { scope: "code", failures: 10 } });
  });

  test("a fresh transaction gives no fresh guesses within the window, and passwords are counted apart", async () => {
    const login = await begin();
    await expect(give(login, olga.app.code())).rejects.toMatchObject(EXHAUSTED);
    await expect(stage.identity.stepUp(olga.principal, olga.app.code(), ORIGIN)).rejects.toMatchObject(EXHAUSTED);
    stage.advance(WINDOW_MS);
    await give(await begin(), olga.app.code());
  });

  test("a hundred at once are ten guesses", async () => {
    stage.advance(WINDOW_MS);
    stage.nextStep();
    const login = await begin();
    const wrong = olga.app.wrong();
    await Promise.allSettled(Array.from({ length: 100 }, () => give(login, wrong)));
    const rows = await stage.owner.query(
      "select failed from ringwall.attempt where scope = 'code' and tenant_id = $1",
      [bank],
    );
    expect(rows).toEqual([{ failed: 10 }]);
    await expect(give(login, olga.app.code())).rejects.toMatchObject({ code: "identity.sign_in_required" });
  });

  test("a login transaction ends by itself after ten minutes", async () => {
    stage.advance(WINDOW_MS);
    const login = await begin();
    stage.advance(600_000);
    await expect(give(login, olga.app.code())).rejects.toMatchObject({ code: "identity.sign_in_required" });
  });
});

describe("the seed", () => {
  test("is stored sealed (flaw 18)", async () => {
    const rows = await stage.owner.query("select seed from ringwall.totp_factor");
    const seed = rows[0]?.["seed"];
    expect(Buffer.isBuffer(seed) && seed.length).toBeGreaterThan(20);
  });

  test("moved to another user's row by the database's owner opens nothing", async () => {
    stage.nextStep();
    const mallory = await stage.makePerson(olga, "admin", "mallory@example.test");
    await stage.owner.query(
      `update ringwall.totp_factor set last_step = 1,
         seed = (select seed from ringwall.totp_factor where user_id = $1) where user_id = $2`,
      [mallory.user, olga.user],
    );
    stage.nextStep();
    await expect(give(await begin(), mallory.app.code())).rejects.toThrow();
  });

  test("a session alone cannot bind the account to another device", async () => {
    const vera = await stage.makePerson(olga, "viewer", "vera@example.test");
    await expect(stage.identity.beginEnrolment(vera.principal, "a wrong guess at it", ORIGIN)).rejects.toMatchObject(
      FAILED,
    );
    const ada = await stage.makePerson(olga, "admin", "ada@example.test");
    stage.advance(300_000);
    await expect(stage.identity.beginEnrolment(ada.principal, PASSWORD, ORIGIN)).rejects.toMatchObject({
      code: "access.step_up_required",
    });
  });
});

async function loginAgain() {
  stage.nextStep();
  return await stage.identity.giveCode(await begin(), olga.app.code(), ORIGIN);
}
