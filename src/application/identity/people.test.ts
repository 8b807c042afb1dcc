import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PLATFORM_TENANT, type TenantId } from "../../core/index.ts";
import {
  finish,
  type IdentityStage,
  identityStage,
  loginToken,
  ORIGIN,
  PASSWORD,
  type Person,
} from "../../testing/identity-stage.ts";
import type { Role } from "../access/index.ts";
import { requests } from "./index.ts";

let stage: IdentityStage;
let bank: TenantId;
let olga: Person;
let count = 0;

const DENIED = { code: "access.denied" };
const MISSING = { code: "resource.not_found" };
const INVALID = { code: "identity.link_invalid" };
const REQUIRED = { code: "identity.sign_in_required" };

beforeAll(async () => {
  stage = await identityStage();
});
afterAll(() => stage.close());

// Each test has a bank of its own, so that none depends on another's people.
beforeEach(async () => {
  count += 1;
  stage.nextStep();
  bank = await stage.createTenant(`bank-${count}`);
  olga = await stage.makeOwner(bank);
});

const authenticate = async (token: string): Promise<unknown> => await stage.identity.authenticate(token);
const join = (token: string, password = PASSWORD): Promise<unknown> =>
  stage.identity.acceptInvitation({ token, name: "Somebody", password }, ORIGIN);

describe("invitations", () => {
  test("give the role that was offered, and no role comes from outside", async () => {
    const link = await stage.identity.inviteUser(olga.principal, { email: "Eve@Example.test", role: "editor" });
    const body = { token: link.token.open(), name: "Eve", password: PASSWORD, role: "owner" };
    expect(requests.acceptInvitation.safeParse(body).success).toBe(false);
    // Past the schema too: what is not read cannot matter.
    const joined = await stage.identity.acceptInvitation(body, ORIGIN);
    const { opened } = await finish(stage.identity, joined, stage.clock);
    expect(await stage.identity.authenticate(opened.token.open())).toMatchObject({
      role: "editor",
      tenant: bank,
      aal: 1,
    });
    expect(stage.actions("user.joined").at(-1)).toMatchObject({ facts: { role: "editor" } });
    expect((await stage.identity.listUsers(olga.principal)).map((user) => user.email)).toContain("eve@example.test");
  });

  test("nobody offers a role with permissions they lack", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const editor = await stage.makePerson(olga, "editor", "edna@example.test");
    const invite = (who: Person, role: Role): Promise<unknown> =>
      stage.identity.inviteUser(who.principal, { email: "new@example.test", role });
    await expect(invite(admin, "owner")).rejects.toMatchObject(DENIED);
    await expect(invite(editor, "viewer")).rejects.toMatchObject(DENIED);
    await invite(admin, "admin");
  });

  test("are good once, until they end, and until another is issued", async () => {
    const invite = async (): Promise<string> =>
      (await stage.identity.inviteUser(olga.principal, { email: "new@example.test", role: "viewer" })).token.open();
    const first = await invite();
    const second = await invite();
    await expect(join(first)).rejects.toMatchObject(INVALID);
    stage.advance(7 * 86_400_000);
    await expect(join(second)).rejects.toMatchObject(INVALID);
    const third = await invite();
    const both = await Promise.allSettled([join(third), join(third)]);
    expect(both.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    await expect(join(third)).rejects.toMatchObject(INVALID);
  });

  test("are listed while they wait, and taken back their links are worth nothing", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const editor = await stage.makePerson(olga, "editor", "edna@example.test");
    const { identity } = stage;
    const waiting = await identity.inviteUser(olga.principal, { email: "new@example.test", role: "viewer" });
    const owner = await identity.inviteUser(olga.principal, { email: "boss@example.test", role: "owner" });
    const list = async () => await identity.listInvitations(admin.principal);
    expect(await list()).toMatchObject([
      { email: "boss@example.test", role: "owner", invitedBy: olga.user },
      { email: "new@example.test", role: "viewer", expiresMs: waiting.expiresMs },
    ]);
    expect(await identity.listInvitations(admin.principal, "boss@example.test")).toHaveLength(1);
    const withdraw = (who: Person, email: string) => identity.withdrawInvitation(who.principal, email);
    await expect(identity.listInvitations(editor.principal)).rejects.toMatchObject(DENIED);
    await expect(withdraw(editor, "new@example.test")).rejects.toMatchObject(DENIED);
    await expect(withdraw(admin, "boss@example.test")).rejects.toMatchObject(DENIED);
    await withdraw(admin, "New@Example.test");
    await expect(join(waiting.token.open())).rejects.toMatchObject(INVALID);
    await expect(withdraw(admin, "new@example.test")).rejects.toMatchObject({ code: "resource.not_found" });
    expect(stage.actions("user.invitation_withdrawn")).toHaveLength(1);
    await join(owner.token.open());
    // Who has come does not wait any more, and neither does who let the time pass.
    expect(await list()).toEqual([]);
    await identity.inviteUser(olga.principal, { email: "late@example.test", role: "viewer" });
    stage.advance(7 * 86_400_000);
    const { principal } = await stage.makePerson(olga, "admin", "amy@example.test");
    expect(await identity.listInvitations(principal)).toEqual([]);
  });

  test("die with the rights of whoever issued them", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const issue = (email: string) => stage.identity.inviteUser(admin.principal, { email, role: "admin" });
    const link = await issue("friend@example.test");
    await stage.identity.changeRole(olga.principal, admin.user, "viewer");
    await expect(join(link.token.open())).rejects.toMatchObject(INVALID);
  });

  test("cannot make a second account of one address, and a refused password leaves the link alive", async () => {
    const link = await stage.identity.inviteUser(olga.principal, { email: "new@example.test", role: "viewer" });
    await expect(join(link.token.open(), "too-short-1234")).rejects.toMatchObject({
      code: "identity.password_unacceptable",
    });
    await join(link.token.open());
    await expect(
      stage.identity.inviteUser(olga.principal, { email: "NEW@example.test", role: "viewer" }),
    ).rejects.toMatchObject({ code: "resource.conflict" });
  });

  test("made by an administrator come without a session until the second factor is set up", async () => {
    const link = await stage.identity.inviteUser(olga.principal, { email: "new@example.test", role: "admin" });
    // Twelve characters are enough: a second factor is certain.
    const joined = await stage.identity.acceptInvitation(
      { token: link.token.open(), name: "N", password: "mxv-teal-0rb" },
      ORIGIN,
    );
    expect(joined).toMatchObject({ kind: "login", next: "enrol" });
  });
});

describe("roles", () => {
  test("change at once, for the session in use too", async () => {
    const vera = await stage.makePerson(olga, "viewer", "vera@example.test");
    await stage.identity.changeRole(olga.principal, vera.user, "editor");
    expect(await stage.identity.authenticate(vera.token)).toMatchObject({ role: "editor" });
    expect(stage.actions("user.role_changed").at(-1)).toMatchObject({ facts: { from: "viewer", to: "editor" } });
  });

  test("of an administrator are not held by a session without a second factor", async () => {
    const vera = await stage.makePerson(olga, "viewer", "vera@example.test");
    await stage.identity.changeRole(olga.principal, vera.user, "admin");
    await expect(authenticate(vera.token)).rejects.toMatchObject(REQUIRED);
    expect(await stage.identity.signIn({ tenant: bank, email: vera.email, password: PASSWORD }, ORIGIN)).toMatchObject({
      kind: "login",
      next: "enrol",
    });
  });

  test("an administrator neither makes an owner nor touches one, themselves included", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const viewer = await stage.makePerson(olga, "viewer", "vera@example.test");
    const change = (user: string, role: Role): Promise<void> => stage.identity.changeRole(admin.principal, user, role);
    await expect(change(admin.user, "owner")).rejects.toMatchObject(DENIED);
    await expect(change(viewer.user, "owner")).rejects.toMatchObject(DENIED);
    await expect(change(olga.user, "viewer")).rejects.toMatchObject(DENIED);
    await expect(stage.identity.disableUser(admin.principal, olga.user)).rejects.toMatchObject(DENIED);
    await expect(stage.identity.revokeSessions(admin.principal, olga.user)).rejects.toMatchObject(DENIED);
    await change(viewer.user, "editor");
  });

  test("the last owner stays one, also when two owners turn on each other at once", async () => {
    await expect(stage.identity.changeRole(olga.principal, olga.user, "admin")).rejects.toMatchObject({
      code: "resource.conflict",
    });
    await expect(stage.identity.disableUser(olga.principal, olga.user)).rejects.toMatchObject({
      code: "resource.conflict",
    });
    const otto = await stage.makePerson(olga, "owner", "otto@example.test");
    const results = await Promise.allSettled([
      stage.identity.changeRole(olga.principal, otto.user, "viewer"),
      stage.identity.changeRole(otto.principal, olga.user, "viewer"),
    ]);
    expect(results.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    const owners = await stage.owner.query(
      "select count(*)::int as n from ringwall.user_account where tenant_id = $1 and role = 'owner'",
      [bank],
    );
    expect(owners[0]?.["n"]).toBe(1);
  });

  test("of another tenant's person answer as those of nobody", async () => {
    const elsewhere = await stage.createTenant(`other-${count}`);
    const stranger = await stage.makeOwner(elsewhere);
    for (const user of [stranger.user, "0192f3a0-0000-7000-8000-000000000000", "not-an-id"]) {
      await expect(stage.identity.changeRole(olga.principal, user, "viewer")).rejects.toMatchObject(MISSING);
      await expect(stage.identity.disableUser(olga.principal, user)).rejects.toMatchObject(MISSING);
      await expect(stage.identity.issueRecovery(olga.principal, user, "password")).rejects.toMatchObject(MISSING);
      await expect(stage.identity.readUser(olga.principal, user)).rejects.toMatchObject(MISSING);
    }
  });
});

describe("disabling", () => {
  test("ends sessions, sign-ins under way and links, and enabling brings none of them back", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const invited = await stage.identity.inviteUser(admin.principal, { email: "friend@example.test", role: "viewer" });
    const recovery = await stage.identity.issueRecovery(olga.principal, admin.user, "password");
    stage.nextStep();
    const login = loginToken(
      await stage.identity.signIn({ tenant: bank, email: admin.email, password: PASSWORD }, ORIGIN),
    );
    await stage.identity.disableUser(olga.principal, admin.user);
    await stage.identity.enableUser(olga.principal, admin.user);

    await expect(authenticate(admin.token)).rejects.toMatchObject(REQUIRED);
    await expect(stage.identity.giveCode(login, admin.app.code(), ORIGIN)).rejects.toMatchObject(REQUIRED);
    await expect(join(invited.token.open())).rejects.toMatchObject(INVALID);
    const redeem = stage.identity.redeemRecovery(
      { token: recovery.token.open(), password: "another 77 long one" },
      ORIGIN,
    );
    await expect(redeem).rejects.toMatchObject(INVALID);
    expect(await stage.identity.signIn({ tenant: bank, email: admin.email, password: PASSWORD }, ORIGIN)).toMatchObject(
      {
        kind: "login",
        next: "code",
      },
    );
  });
});

describe("recovery", () => {
  const NEW = "willow 81 quartz hum";
  const redeem = (token: string, password: string) => stage.identity.redeemRecovery({ token, password }, ORIGIN);

  test("of a password sets the person's own new one, ends sessions, and still asks for the second factor", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const link = await stage.identity.issueRecovery(olga.principal, admin.user, "password");
    stage.nextStep();
    const login = loginToken(await redeem(link.token.open(), NEW));
    await expect(authenticate(admin.token)).rejects.toMatchObject(REQUIRED);
    await expect(redeem(link.token.open(), NEW)).rejects.toMatchObject(INVALID);
    await stage.identity.giveCode(login, admin.app.code(), ORIGIN);
    const old = stage.identity.signIn({ tenant: bank, email: admin.email, password: PASSWORD }, ORIGIN);
    await expect(old).rejects.toMatchObject({ code: "identity.sign_in_failed" });
    await stage.identity.signIn({ tenant: bank, email: admin.email, password: NEW }, ORIGIN);
  });

  test("of a second factor needs the password, is counted, and binds the account to a new one", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const link = await stage.identity.issueRecovery(olga.principal, admin.user, "factor");
    await expect(redeem(link.token.open(), "a wrong guess at it")).rejects.toMatchObject({
      code: "identity.sign_in_failed",
    });
    stage.nextStep();
    const pending = await redeem(link.token.open(), PASSWORD);
    expect(pending).toMatchObject({ kind: "login", next: "enrol" });
    await expect(authenticate(admin.token)).rejects.toMatchObject(REQUIRED);
    const { opened, held } = await finish(stage.identity, pending, stage.clock);
    expect(await stage.identity.authenticate(opened.token.open())).toMatchObject({ aal: 2 });
    expect(held.code()).not.toBe(admin.app.code());
  });

  test("guesses at the password behind a factor link are five", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const link = await stage.identity.issueRecovery(olga.principal, admin.user, "factor");
    for (let guess = 0; guess < 5; guess += 1)
      await redeem(link.token.open(), "a wrong guess at it").catch(() => undefined);
    await expect(redeem(link.token.open(), PASSWORD)).rejects.toMatchObject({ code: "identity.attempts_exhausted" });
  });

  test("is not for oneself, nor for somebody with more permissions, now or by the time it is used", async () => {
    const admin = await stage.makePerson(olga, "admin", "ada@example.test");
    const vera = await stage.makePerson(olga, "viewer", "vera@example.test");
    const issue = (user: string) => stage.identity.issueRecovery(admin.principal, user, "password");
    await expect(issue(olga.user)).rejects.toMatchObject(DENIED);
    await expect(issue(admin.user)).rejects.toMatchObject(DENIED);
    await expect(stage.identity.issueRecovery(vera.principal, admin.user, "password")).rejects.toMatchObject(DENIED);
    const link = await issue(vera.user);
    await stage.identity.changeRole(olga.principal, vera.user, "owner");
    await expect(redeem(link.token.open(), NEW)).rejects.toMatchObject(INVALID);
  });
});

describe("the platform", () => {
  test("is entered by a bootstrap link: the latest one, within half an hour, once, by one person", async () => {
    const first = await stage.identity.issueBootstrap();
    const second = await stage.identity.issueBootstrap();
    const redeem = (token: string, email = "root@example.test") =>
      stage.identity.redeemBootstrap({ token, email, name: "Root", password: "mxv-teal-0rb" }, ORIGIN);
    await expect(redeem(first.token.open())).rejects.toMatchObject(INVALID);
    stage.advance(1_800_000);
    await expect(redeem(second.token.open())).rejects.toMatchObject(INVALID);

    const third = (await stage.identity.issueBootstrap()).token.open();
    stage.nextStep();
    const both = await Promise.allSettled([redeem(third, "one@example.test"), redeem(third, "two@example.test")]);
    const won = both.filter((one) => one.status === "fulfilled");
    expect(won).toHaveLength(1);
    await expect(stage.identity.issueBootstrap()).rejects.toMatchObject({ code: "resource.conflict" });
    const pending = won[0]?.value;
    expect(pending).toMatchObject({ kind: "login", next: "enrol" });
    if (pending === undefined) return;
    const { opened } = await finish(stage.identity, pending, stage.clock);
    const operator = await stage.identity.authenticate(opened.token.open());
    expect(operator).toMatchObject({ tenant: PLATFORM_TENANT, role: "owner" });

    const id = `made-${count}`;
    const tenant = await stage.identity.createTenant(operator, { id, name: "Made Bank" });
    await expect(stage.identity.createTenant(operator, { id, name: "Again" })).rejects.toMatchObject({
      code: "resource.conflict",
    });
    const link = await stage.identity.inviteFirstOwner(operator, tenant, "first@example.test");
    stage.nextStep();
    const joined = await stage.identity.acceptInvitation(
      { token: link.token.open(), name: "F", password: PASSWORD },
      ORIGIN,
    );
    const { opened: ownerIn } = await finish(stage.identity, joined, stage.clock);
    const owner = await stage.identity.authenticate(ownerIn.token.open());
    expect(owner).toMatchObject({ tenant, role: "owner" });
    // Once it has an owner, the platform has no way in, and sees nobody there.
    await expect(stage.identity.inviteFirstOwner(operator, tenant, "x@example.test")).rejects.toMatchObject({
      code: "resource.conflict",
    });
    await expect(stage.identity.readUser(operator, owner.user)).rejects.toMatchObject(MISSING);
  });

  test("cannot keep a way in: every first owner's link is dead once there is one", async () => {
    const by = { type: "system", capability: "tenants.create" } as const;
    const empty = await stage.createTenant(`empty-${count}`);
    const invite = async (email: string): Promise<string> =>
      (await stage.identity.inviteFirstOwner(by, empty, email)).token.open();
    const links = [await invite("a@example.test"), await invite("b@example.test"), await invite("c@example.test")];
    const results = await Promise.allSettled(links.slice(0, 2).map((token) => join(token)));
    expect(results.filter((one) => one.status === "fulfilled")).toHaveLength(1);
    await expect(join(String(links[2]))).rejects.toMatchObject(INVALID);
  });

  test("alone keeps the register: another tenant's owner creates and suspends nothing", async () => {
    await expect(stage.identity.createTenant(olga.principal, { id: "mine-too", name: "Mine" })).rejects.toMatchObject(
      DENIED,
    );
    await expect(stage.identity.suspendTenant(olga.principal, bank)).rejects.toMatchObject(DENIED);
    await expect(stage.identity.inviteFirstOwner(olga.principal, bank, "x@example.test")).rejects.toMatchObject(DENIED);
  });
});

test("an act whose audit cannot be written does not happen", async () => {
  const vera = await stage.makePerson(olga, "viewer", "vera@example.test");
  const { createIdentity } = await import("./index.ts");
  const recorder = {
    record: () => Promise.reject(new TypeError("the outbox is gone")),
    note: () => undefined,
  };
  const mute = createIdentity({ ...stage.options, recorder });
  await expect(mute.changeRole(olga.principal, vera.user, "editor")).rejects.toThrow("the outbox is gone");
  await expect(mute.disableUser(olga.principal, vera.user)).rejects.toThrow("the outbox is gone");
  await expect(mute.signIn({ tenant: bank, email: vera.email, password: PASSWORD }, ORIGIN)).rejects.toThrow();
  expect(await stage.identity.readUser(olga.principal, vera.user)).toMatchObject({ role: "viewer", status: "active" });
  mute.close();
});
