import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { PlainSecret, RingwallError, randomToken, statement } from "../../../core/index.ts";
import type { Rotator, Secrets } from "../../../data/secrets/index.ts";
import { contextSigner } from "../../../data/tenants/index.ts";
import { ROTATION, type SecretsStage, secretsStage, serviceOf, WRITER } from "../../../testing/secrets-stage.ts";
import { postgresDatabase, type Target } from "../index.ts";
import { postgresPasswordRotator } from "./rotate-password.ts";
import { scramVerifier } from "./scram.ts";

// Roles belong to the whole server, which other tests use at the same time: each test has one of its own.
let stage: SecretsStage;
let secrets: Secrets;
let role: string;
let name: string;
let rotator: Rotator;

beforeAll(async () => {
  stage = await secretsStage();
  secrets = stage.node();
});
afterAll(() => stage.close());
beforeEach(async () => {
  role = `rotated_${randomToken(6)
    .toLowerCase()
    .replaceAll(/[^a-z0-9]/gu, "x")}`;
  name = `database/${role}`;
  const first = new PlainSecret(randomToken());
  await stage.db.owner.query(`create role ${role} login nosuperuser nobypassrls password '${scramVerifier(first)}'`);
  await stage.db.owner.query(`grant connect on database ${stage.db.name} to ${role}`);
  await secrets.set(name, first, { tenant: stage.bank, actor: WRITER });
  rotator = postgresPasswordRotator(target());
  return async () => {
    await stage.db.owner.query(`revoke all on database ${stage.db.name} from ${role}`);
    await stage.db.owner.query(`drop role ${role}`);
  };
});

const scope = () => ({ tenant: stage.bank, actor: ROTATION });
const reader = () => ({ tenant: stage.bank, actor: serviceOf(stage.bank) });
const target = (): Target => ({
  ...stage.db.target("ringwall_app"),
  user: role,
  credential: async () => await secrets.get(name, reader()),
});
const WHO = statement<{ who: string }>("test.who", "select current_user::text as who");

/** One query over a connection of its own: signs in, asks, leaves. */
async function query(credential: () => Promise<PlainSecret> = target().credential): Promise<string | undefined> {
  const database = postgresDatabase({
    target: { ...target(), credential },
    signer: contextSigner(stage.db.contextKey),
    clock: stage.db.clock,
  });
  try {
    return (await database.once(stage.bank, serviceOf(stage.bank), WHO))[0]?.who;
  } finally {
    await database.close();
  }
}

async function refused(password: PlainSecret): Promise<boolean> {
  return !(await rotator.test(password));
}

describe("a role's password", () => {
  test("is changed by the role itself; the new one works and the server refuses the old one", async () => {
    const old = await secrets.getFresh(name, reader());
    expect(await query()).toBe(role);
    await secrets.rotate(name, rotator, scope());
    expect(await refused(old)).toBe(true);
    expect(await query()).toBe(role);
    const rows = await stage.db.owner.query<{ verifier: string }>(
      "select rolpassword as verifier from pg_authid where rolname = $1",
      [role],
    );
    expect(rows[0]?.verifier).toMatch(/^SCRAM-SHA-256\$4096:/u);
  });

  test("rotates three times under 200 queries, each with a sign-in of its own, and none fails", async () => {
    let left = 200;
    let answered = 0;
    const lane = async (): Promise<void> => {
      while (left > 0) {
        left -= 1;
        expect(await query()).toBe(role);
        answered += 1;
      }
    };
    const rotations = async (): Promise<void> => {
      for (let turn = 0; turn < 3; turn += 1) await secrets.rotate(name, rotator, scope());
    };
    await Promise.all([lane(), lane(), lane(), lane(), rotations()]);
    expect(answered).toBe(200);
    const all = await secrets.list({ tenant: stage.bank, actor: WRITER });
    expect(all.find((one) => one.name === name)).toMatchObject({ version: 4, rotationPending: false });
  });

  test.each(["before apply", "after apply"])(
    "killed %s: a password in the store works, and the next rotation finishes",
    async (step) => {
      const old = await secrets.getFresh(name, reader());
      let pending: PlainSecret | undefined;
      const dying: Rotator = {
        ...rotator,
        async apply(current, next) {
          pending = next;
          if (step === "before apply") throw new Error("killed");
          await rotator.apply(current, next);
          throw new Error("killed");
        },
      };
      await expect(secrets.rotate(name, dying, scope())).rejects.toMatchObject({ code: "secrets.rotation_failed" });
      if (pending === undefined) throw new Error("apply was not reached");
      // One of the two works at every moment, and both are in the store.
      expect([await refused(old), await refused(pending)]).toEqual(
        step === "before apply" ? [false, true] : [true, false],
      );
      await secrets.rotate(name, rotator, scope());
      expect((await secrets.getFresh(name, reader())).open()).toBe(pending.open());
      expect([await refused(old), await refused(pending)]).toEqual([true, false]);
      expect(await query()).toBe(role);
    },
  );

  test("applied twice is the same as once", async () => {
    const old = await secrets.getFresh(name, reader());
    const next = new PlainSecret(randomToken());
    await rotator.apply(old, next);
    await rotator.apply(old, next);
    expect(await rotator.test(next)).toBe(true);
    expect(await refused(old)).toBe(true);
  });

  test("that the server refuses, old and new, ends the rotation with the secret as it was, and there is a way out", async () => {
    const before = await secrets.getFresh(name, reader());
    const byHand = new PlainSecret(randomToken());
    await stage.db.owner.query(`alter role ${role} password '${scramVerifier(byHand)}'`);
    await expect(secrets.rotate(name, rotator, scope())).rejects.toMatchObject({ code: "secrets.rotation_failed" });
    expect((await secrets.getFresh(name, reader())).open()).toBe(before.open());
    // The way out: tell the store what the server has.
    await secrets.set(name, byHand, { tenant: stage.bank, actor: WRITER, abandonRotation: true });
    expect(await query()).toBe(role);
    await secrets.rotate(name, rotator, scope());
    expect(await refused(byHand)).toBe(true);
  });

  test("of a server that is gone is a failure, not a refusal", async () => {
    const gone = postgresPasswordRotator({ ...target(), port: 1 });
    await expect(gone.test(new PlainSecret("x"))).rejects.toBeInstanceOf(RingwallError);
  });
});
