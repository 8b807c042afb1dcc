import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { Client } from "../../client.ts";
import type { Context } from "../../command.ts";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";

const NORTH = {
  id: "northbank",
  name: "The Northbank",
  status: "active",
  environment: "production",
  account: null,
  created_at: "2026-01-01T00:00:00.000Z",
  deletion_at: "2026-12-01T00:00:00.000Z",
  deleted_at: null,
};
const TEST = { ...NORTH, id: "north-test", environment: "staging", account: "northbank", deletion_at: null };
const SETTINGS = "/v1/tenant-settings";

/** A server that answers from a list, and keeps what it was asked. */
function serverOf(answers: Readonly<Record<string, unknown>>) {
  const asked: { call: string; body: unknown }[] = [];
  const all: Readonly<Record<string, unknown>> = { "GET /v1/tenants": { items: [NORTH, TEST] }, ...answers };
  const client: Client = {
    async request(method, path, body) {
      const call = `${method} ${path}`;
      asked.push({ call, body });
      if (!Object.hasOwn(all, call)) throw new TypeError(`nobody answers ${call}`);
      return await Promise.resolve(all[call]);
    },
  };
  return { client, changes: () => asked.filter(({ call }) => !call.startsWith("GET ")) };
}

async function tenants(words: readonly string[], client: Client, over: Partial<Context> = {}) {
  const { context, err, out } = recorded({}, { connect: () => client, ...over });
  return { code: await run(commands, ["tenants", ...words], context), out, err };
}
const typing = (text: string) => ({ ask: async () => await Promise.resolve(text) });

test("tenants show says what a tenant is, and when it ends", async () => {
  const { client } = serverOf({});
  const { code, out } = await tenants(["show", "northbank"], client);
  expect([code, out[0]]).toEqual([0, expect.stringMatching(/"The Northbank": active, production.*from 2026-12-01/)]);
  expect((await tenants(["show", "north-test"], client)).out[0]).toContain("staging of northbank");
  expect(JSON.parse((await tenants(["show", "northbank", "--json"], client)).out[0] ?? "")).toEqual(NORTH);
  expect(await tenants(["show", "no-such-bank"], client)).toMatchObject({ code: 1, out: [] });
});

describe("tenants create", () => {
  test("makes another environment of a production tenant", async () => {
    const { changes, client } = serverOf({ "POST /v1/tenants": { id: "north-dev", name: "Dev" } });
    const words = ["create", "north-dev", "--name", "Dev", "--environment", "development", "--account", "northbank"];
    expect((await tenants(words, client)).code).toBe(0);
    const body = { id: "north-dev", name: "Dev", environment: "development", account: "northbank" };
    expect(changes()).toEqual([{ call: "POST /v1/tenants", body }]);
  });

  test.each([
    [["--environment", "test", "--account", "northbank"]],
    [["--environment", "staging"]],
    [["--account", "northbank"]],
    [["--environment", "production", "--account", "northbank"]],
  ])("asks nothing of the server with %j", async (words) => {
    const { changes, client } = serverOf({});
    expect([(await tenants(["create", "north-dev", ...words], client)).code, changes()]).toEqual([2, []]);
  });
});

describe("tenants delete and restore", () => {
  const [plan, now] = ["deletion", "immediate-deletion"].map((path) => `POST /v1/tenants/northbank/${path}`);
  const planned = { id: "northbank", deletion_at: "2026-12-01T00:00:00.000Z" };
  const answers = { [plan ?? ""]: planned, [now ?? ""]: planned, "DELETE /v1/tenants/northbank/deletion": undefined };
  const words = ["delete", "northbank", "--reason", "contract 17 ended"];

  test("say what they would do on a dry run, and do nothing", async () => {
    const { changes, client } = serverOf(answers);
    const dry = await tenants(["delete", "northbank", "--dry-run"], client);
    expect([dry.code, dry.out[0]]).toEqual([0, expect.stringContaining("would delete northbank")]);
    expect(changes()).toEqual([]);
  });

  test("send nothing unless the tenant's name was typed, and its reason given", async () => {
    const { changes, client } = serverOf(answers);
    expect((await tenants(words, client, typing("northbank"))).code).toBe(1);
    expect((await tenants(["delete", "northbank"], client, typing("The Northbank"))).code).toBe(2);
    expect((await tenants(["delete", "no-such-bank", "--reason", "x"], client)).code).toBe(1);
    expect(changes()).toEqual([]);
  });

  test("plan it, begin it at once, and take it back", async () => {
    const { changes, client } = serverOf(answers);
    const body = { confirm: "The Northbank", reason: "contract 17 ended" };
    const asked = await tenants(words, client, typing("The Northbank"));
    expect([asked.code, asked.out[0]]).toEqual([0, expect.stringContaining("from 2026-12-01")]);
    expect((await tenants([...words, "--now"], client, typing("The Northbank"))).code).toBe(0);
    expect((await tenants(["restore", "northbank"], client)).code).toBe(0);
    expect(changes()).toEqual([
      { call: plan, body },
      { call: now, body },
      { call: "DELETE /v1/tenants/northbank/deletion", body: undefined },
    ]);
  });
});

describe("tenants settings", () => {
  const read = `GET ${SETTINGS}?tenant=northbank`;
  const before = {
    tenant: "northbank",
    version: 3,
    settings: { second_factor: "everybody", application: { theme: "dark", limits: [1] } },
  };
  const answers = { [read]: before, [`PUT ${SETTINGS}`]: { ...before, version: 4 } };
  const words = ["settings", "--tenant", "northbank"];

  test("are shown with their version", async () => {
    const { changes, client } = serverOf(answers);
    const { code, out } = await tenants(words, client);
    expect([code, out]).toEqual([
      0,
      ["northbank, version 3", 'second_factor = "everybody"', 'application = {"theme":"dark","limits":[1]}'],
    ]);
    expect(changes()).toEqual([]);
  });

  test.each([
    ["session_idle_seconds=900", { ...before.settings, session_idle_seconds: 900 }],
    ["second_factor=", { application: before.settings.application }],
    ["application.theme=a,b=c", { ...before.settings, application: { theme: "a,b=c", limits: [1] } }],
    ["application.theme=null", { ...before.settings, application: { theme: null, limits: [1] } }],
    ["application.limits=", { ...before.settings, application: { theme: "dark" } }],
    ["application={}", { ...before.settings, application: {} }],
  ])("are changed one at a time, of the version that was read: %s", async (set, settings) => {
    const { changes, client } = serverOf(answers);
    expect((await tenants([...words, "--set", set], client)).code).toBe(0);
    const body = { tenant: "northbank", version: 3, settings };
    expect(changes()).toEqual([{ call: `PUT ${SETTINGS}`, body }]);
  });

  test("are replaced by a file, and by nothing that is no object, too long, or of another version", async () => {
    const file = join(temporaryFolder(), "settings.json");
    writeFileSync(file, '{"second_factor":"administrators"}');
    const { changes, client } = serverOf(answers);
    expect((await tenants([...words, "--from", file, "--version", "2"], client)).code).toBe(1);
    expect((await tenants([...words, "--version", "3"], client)).code).toBe(2);
    expect((await tenants([...words, "--from", file, "--set", "a=b"], client)).code).toBe(2);
    expect((await tenants([...words, "--set", "=b"], client)).code).toBe(2);
    expect((await tenants([...words, "--from", `${file}.none`], client)).code).toBe(1);
    expect(changes()).toEqual([]);
    expect((await tenants([...words, "--from", file, "--version", "3"], client)).code).toBe(0);
    const body = { tenant: "northbank", version: 3, settings: { second_factor: "administrators" } };
    expect(changes()).toEqual([{ call: `PUT ${SETTINGS}`, body }]);
    for (const text of ["[]", "{", " ".repeat(70_000)]) {
      writeFileSync(file, text);
      expect((await tenants([...words, "--from", file], client)).code).toBe(1);
    }
    expect(changes()).toHaveLength(1);
  });
});
