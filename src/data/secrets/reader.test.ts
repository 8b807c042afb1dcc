import { inspect } from "node:util";
import { beforeEach, describe, expect, test } from "vitest";
import { type Actor, type ErrorCode, PlainSecret, RingwallError, tenantId } from "../../core/index.ts";
import { testBus } from "../../testing/keys.ts";
import { listeningRecorder } from "../../testing/recorder.ts";
import { createSecretReader, type SecretStore, type StoredSecret } from "./index.ts";

const tenant = tenantId("alpha-bank");
const reader: Actor = { type: "service", tenant, name: "bank" };
const scope = { tenant, actor: reader };
const NAME = "database/password";

let time: { nowMs: number };
let recorder: ReturnType<typeof listeningRecorder>;
let bus: ReturnType<typeof testBus>;
let asked: number;
let found: StoredSecret | undefined;
let failure: ErrorCode | undefined;

/** A place whose answers a test decides. */
const place: SecretStore = {
  kind: "test-place",
  async read() {
    asked += 1;
    await Promise.resolve();
    if (failure !== undefined) throw new RingwallError(failure);
    return found;
  },
  async write() {
    throw new RingwallError("internal");
  },
};
const open = () => createSecretReader({ store: place, recorder, bus, clock: () => time.nowMs });

beforeEach(() => {
  [time, asked, failure] = [{ nowMs: 0 }, 0, undefined];
  [recorder, bus] = [listeningRecorder(), testBus()];
  found = { value: new PlainSecret("canary"), version: "v-1", expiresMs: null };
});

describe("a reader over any store", () => {
  test("asks once for a hundred who ask at once, and records each of them", async () => {
    const secrets = open();
    const all = await Promise.all(Array.from({ length: 100 }, async () => await secrets.get(NAME, scope)));
    expect(new Set(all.map((one) => one.open()))).toEqual(new Set(["canary"]));
    expect(asked).toBe(1);
    expect(recorder.events).toHaveLength(100);
    expect(recorder.events[0]).toMatchObject({ action: "secret.read", outcome: "success", facts: { version: "v-1" } });
    expect(inspect(recorder.events, { depth: 9 })).not.toContain("canary");
  });

  test("serves through an outage until the value's age, and then tells it as one", async () => {
    const secrets = open();
    await secrets.get(NAME, scope);
    failure = "secrets.unavailable";
    time.nowMs = 299_999;
    expect((await secrets.get(NAME, scope)).open()).toBe("canary");
    time.nowMs = 300_000;
    const late = async () => await secrets.get(NAME, scope);
    await expect(late()).rejects.toMatchObject({ code: "secrets.unavailable", status: 503 });
    expect(recorder.events.at(-1)).toMatchObject({ outcome: "error", facts: { code: "secrets.unavailable" } });
  });

  test("a clock that was set back keeps nothing for longer", async () => {
    const secrets = open();
    time.nowMs = 1_000_000;
    await secrets.get(NAME, scope);
    time.nowMs = 0;
    await secrets.get(NAME, scope);
    expect(asked).toBe(2);
  });

  test("a store that refuses looks like a missing secret from outside, and not in the record", async () => {
    const secrets = open();
    failure = "secrets.denied";
    const read = async () => await secrets.get(NAME, scope);
    await expect(read()).rejects.toMatchObject({ code: "secrets.not_found", detail: { reason: "denied" } });
    expect(recorder.events.at(-1)).toMatchObject({ outcome: "denied", facts: { code: "secrets.denied" } });
    [failure, found] = [undefined, undefined];
    await expect(read()).rejects.toMatchObject({ code: "secrets.not_found" });
    expect(recorder.events.at(-1)).toMatchObject({ outcome: "failure", facts: {} });
  });

  test("neither a refusal nor an absence is remembered", async () => {
    const secrets = open();
    found = undefined;
    const read = async () => (await secrets.get(NAME, scope)).open();
    await expect(read()).rejects.toMatchObject({ code: "secrets.not_found" });
    found = { value: new PlainSecret("there now"), version: "v-2", expiresMs: null };
    expect(await read()).toBe("there now");
  });

  test("refuses a person, another tenant and an end that has come, without asking for the first two", async () => {
    const secrets = open();
    const other: Actor = { type: "service", tenant: tenantId("beta-bank"), name: "bank" };
    const foreign = async () => await secrets.get(NAME, { tenant, actor: other });
    await expect(foreign()).rejects.toMatchObject({ code: "secrets.not_found" });
    expect(asked).toBe(0);
    found = { value: new PlainSecret("canary"), version: "v-1", expiresMs: 0 };
    const ended = async () => await secrets.get(NAME, scope);
    await expect(ended()).rejects.toMatchObject({ code: "secrets.expired" });
  });
});
