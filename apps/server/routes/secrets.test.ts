import { postgresDatabase, postgresPasswordRotator, type Target } from "ringwall/adapters/postgres";
import { PLATFORM_TENANT, type PlainSecret, RingwallError, randomToken, silentLogger, statement } from "ringwall/core";
import { contextSigner } from "ringwall/data/tenants";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { finishRotations, openRotators, rotationsOf } from "../rotations.ts";
import { apiStage, type Person, type Stage } from "../stage.fixture.ts";

const NAME = "bank/database-password";
const WHO = statement<{ who: string }>("test.who", "select current_user::text as who");
const READER = { actor: { type: "service", tenant: PLATFORM_TENANT, name: "bank" } } as const;

// Roles belong to the whole server, which other tests use at the same time: this file has one of its own.
const role = `rotated_${randomToken(6)
  .toLowerCase()
  .replaceAll(/[^a-z0-9]/g, "x")}`;
const FIRST = randomToken();

let stage: Stage;
let root: Person;
let owner: Person;

beforeAll(async () => {
  stage = await apiStage({
    rotators: async (data) => {
      await data.owner.query(`create role ${role} login nosuperuser nobypassrls password '${FIRST}'`);
      await data.owner.query(`grant connect on database ${data.name} to ${role}`);
      const rotations = rotationsOf({ [NAME]: { kind: "postgres-password", role } }, true);
      return await openRotators(rotations, async (user) => ({ ...data.target("ringwall_app"), user }));
    },
  });
  root = await stage.administrator();
  owner = await stage.tenant("alpha-bank");
});
afterAll(async () => {
  await stage.data.owner.query(`revoke all on database ${stage.data.name} from ${role}`);
  await stage.data.owner.query(`drop role ${role}`);
  await stage.close();
});

const items = (json: unknown): Record<string, unknown>[] => (json as { items: Record<string, unknown>[] }).items;

/** The host application's own pool: it asks the store for the password whenever it opens a connection. */
function pool(credential: Target["credential"]) {
  return postgresDatabase({
    target: { ...stage.data.target("ringwall_app"), user: role, credential },
    signer: contextSigner(stage.data.contextKey),
    clock: stage.data.clock,
  });
}

async function whoIs(database: ReturnType<typeof pool>): Promise<string | undefined> {
  return (await database.once(PLATFORM_TENANT, READER.actor, WHO))[0]?.who;
}

describe("secrets", () => {
  test("are written and listed and never shown", async () => {
    const value = "a mail password";
    const put = await stage.operator("PUT", "/v1/secrets", { body: { name: "bank/mail-password", value } });
    expect([put.status, put.json]).toEqual([200, { name: "bank/mail-password", version: 1 }]);
    const again = await stage.operator("PUT", "/v1/secrets", { body: { name: "bank/mail-password", value: "b" } });
    expect(again.json).toMatchObject({ version: 2 });
    const listed = await stage.operator("GET", "/v1/secrets");
    expect(items(listed.json)).toMatchObject([{ name: "bank/mail-password", version: 2, rotation_pending: false }]);
    expect(listed.text + stage.lines.join("\n")).not.toContain(value);
    const root_ = await stage.ask("GET", "/v1/secrets", { token: root.token });
    expect(root_.json).toEqual(listed.json);
  });

  test("are a tenant's own: the same name elsewhere is another secret", async () => {
    const { token } = owner;
    const body = { name: "bank/mail-password", value: "alpha's" };
    const put = await stage.ask("PUT", "/v1/secrets", { token, body });
    expect(put.json).toMatchObject({ version: 1 });
    const foreign = await stage.ask("PUT", "/v1/secrets", { token, body: { ...body, tenant: "platform" } });
    expect([foreign.status, foreign.code]).toEqual([404, "resource.not_found"]);
    expect(items((await stage.ask("GET", "/v1/secrets", { token })).json)).toHaveLength(1);
    const named = await stage.operator("GET", "/v1/secrets?tenant=alpha-bank");
    expect(items(named.json)).toMatchObject([{ version: 1 }]);
  });

  test("are not written for a tenant that there is not, by the machine's operator either", async () => {
    const body = { name: "bank/mail-password", value: "nobody's", tenant: "no-such-bank" };
    const put = await stage.operator("PUT", "/v1/secrets", { body });
    expect([put.status, put.code]).toEqual([404, "resource.not_found"]);
    const listed = await stage.operator("GET", "/v1/secrets?tenant=no-such-bank");
    expect([listed.status, listed.code]).toEqual([404, "resource.not_found"]);
  });

  test("have names and values of the right form, and an end that is still to come", async () => {
    const ask = async (body: object) => (await stage.operator("PUT", "/v1/secrets", { body })).json;
    for (const name of ["", "Upper", "a//b", "../x", "a\u0000b", "a".repeat(65), "a/".repeat(9)]) {
      expect(await ask({ name, value: "x" })).toMatchObject({ status: 400 });
    }
    expect(await ask({ name: "a", value: "" })).toMatchObject({ code: "request.invalid", fields: ["body.value"] });
    expect(await ask({ name: "a", value: "x".repeat(65_537) })).toMatchObject({ status: 400 });
    expect(await ask({ name: "a", value: "x", expires_at: "2001-01-01T00:00:00Z" })).toMatchObject({
      fields: ["body.expires_at"],
    });
    expect(await ask({ name: "ends", value: "x", expires_at: "2999-01-01T00:00:00Z" })).toEqual({
      name: "ends",
      version: 1,
    });
    const whole = "ä".repeat(32_768);
    expect(await ask({ name: "whole", value: whole })).toEqual({ name: "whole", version: 1 });
  });
});

describe("a rotation of the application's database password", () => {
  test("needs no restart, and the old password is refused by PostgreSQL afterwards", async () => {
    await stage.operator("PUT", "/v1/secrets", { body: { name: NAME, value: FIRST } });
    const { secrets } = stage.ringwall;
    const old = await secrets.getFresh(NAME, READER);
    const current = async (): Promise<PlainSecret> => await secrets.get(NAME, READER);
    const [running, late] = [pool(current), pool(current)];
    const stuck = pool(async () => old);
    try {
      expect(await whoIs(running)).toBe(role);
      const rotated = await stage.operator("POST", "/v1/secret-rotations", { body: { name: NAME } });
      expect([rotated.status, rotated.json]).toEqual([200, { name: NAME, version: 2 }]);
      // The pool that was there goes on, one that opens its first connection now gets the new password by itself.
      expect(await whoIs(running)).toBe(role);
      expect(await whoIs(late)).toBe(role);
      expect((await secrets.get(NAME, READER)).open()).not.toBe(FIRST);
      await expect(whoIs(stuck)).rejects.toMatchObject({ code: "database.unavailable" });
    } finally {
      await Promise.all([running, late, stuck].map((one) => one.close()));
    }
  });

  test("that another process left unfinished is finished in the background", async () => {
    const { secrets } = stage.ringwall;
    const target = { ...stage.data.target("ringwall_app"), user: role };
    const dying = {
      ...postgresPasswordRotator(target),
      apply: async () => {
        throw new RingwallError("database.unavailable");
      },
    };
    const scope = { actor: { type: "system", capability: "secrets.rotate" } } as const;
    await expect(secrets.rotate(NAME, dying, scope)).rejects.toMatchObject({ code: "secrets.rotation_failed" });
    const pending = items((await stage.operator("GET", "/v1/secrets")).json).find(({ name }) => name === NAME);
    expect(pending).toMatchObject({ version: 2, rotation_pending: true });
    const rotators = new Map([[NAME, postgresPasswordRotator(target)]]);
    expect(await finishRotations(secrets, rotators, silentLogger)).toEqual([NAME]);
    const done = items((await stage.operator("GET", "/v1/secrets")).json).find(({ name }) => name === NAME);
    expect(done).toMatchObject({ version: 3, rotation_pending: false });
    expect(await finishRotations(secrets, rotators, silentLogger)).toEqual([]);
  });

  test("is refused for a secret that nobody set one up for, and for a tenant's own", async () => {
    const ask = async (body: object, token?: string) =>
      token === undefined
        ? await stage.operator("POST", "/v1/secret-rotations", { body })
        : await stage.ask("POST", "/v1/secret-rotations", { body, token });
    expect((await ask({ name: "bank/mail-password" })).code).toBe("secrets.not_rotatable");
    expect((await ask({ name: NAME, tenant: "alpha-bank" })).code).toBe("secrets.not_rotatable");
    expect((await ask({ name: NAME }, owner.token)).code).toBe("secrets.not_rotatable");
    expect((await ask({ name: NAME, tenant: "platform" }, owner.token)).code).toBe("resource.not_found");
  });

  test("that fails says so, and leaves what works", async () => {
    const { secrets } = stage.ringwall;
    const before = await secrets.getFresh(NAME, READER);
    await stage.data.owner.query(`alter role ${role} password '${randomToken()}'`);
    const failed = await stage.operator("POST", "/v1/secret-rotations", { body: { name: NAME } });
    expect([failed.status, failed.code]).toEqual([502, "secrets.rotation_failed"]);
    expect((await secrets.getFresh(NAME, READER)).open()).toBe(before.open());
    expect(failed.text).not.toContain(before.open());
  });
});

test("the example's password is set up to be rotated where the example runs, unless something else is", () => {
  expect([...rotationsOf({}, false)]).toEqual([]);
  expect(rotationsOf({}, true).get(NAME)).toEqual({ kind: "postgres-password", role: "bank_app" });
  const other = { kind: "postgres-password", role: "other" } as const;
  expect(rotationsOf({ [NAME]: other }, true).get(NAME)).toEqual(other);
});
