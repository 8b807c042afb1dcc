import { chmodSync, cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TOTP } from "otpauth";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, opensslMissing, redisMissing, startRedis, type TestRedis } from "../../src/testing/index.ts";
import { type HttpClient, httpClient } from "../faults/http.ts";
import { findProcesses, signal } from "../faults/processes.ts";
import { until } from "../faults/until.ts";
import { type OwnPostgres, ownPostgres, type Running, ringwall, start } from "./own-postgres.ts";

// docs/operating/scaling.md, shown: two servers over one PostgreSQL and one Redis, as processes of their own.

const missing = opensslMissing() ?? redisMissing();
const PASSWORD = "tide knot 52 ember";
const TENANT = "twin-bank";
/** The promise: a revocation holds on every node within a second. */
const REVOKED_MS = 1_000;
const TAKEN_OVER_MS = 20_000;
const SIGN_IN_BURST = 20;
const CLIENTS = 8;
const PLENTY = { limit: 1_000_000, periodSeconds: 1, burst: 1_000_000 };

interface Node {
  readonly data: string;
  readonly port: number;
  readonly api: HttpClient;
  readonly admin: HttpClient;
  running: Running;
}

let own: OwnPostgres;
let redis: TestRedis;
let nodes: readonly [Node, Node];
let owner: { token: string; code: () => string };

beforeAll(async () => {
  if (missing !== undefined) return;
  [own, redis] = await Promise.all([ownPostgres(), startRedis()]);
  const config = join(own.folder, "ringwall.config.json");
  writeFileSync(config, JSON.stringify(configuration()), { mode: 0o600 });
  const [first, second] = [join(own.folder, "one"), join(own.folder, "two")];
  const migrate = ["migrate", "--config", config, "--data", first, "--admin-password", own.adminPassword];
  const migrated = await ringwall(own.folder, migrate);
  expect(migrated.code, migrated.said).toBe(0);
  const one = await startNode(first, config);
  // What scaling.md says: the second machine gets the first one's secrets, and nothing else.
  cpSync(join(first, "secrets"), join(second, "secrets"), { recursive: true });
  for (const folder of [second, join(second, "secrets")]) chmodSync(folder, 0o700);
  nodes = [one, await startNode(second, config)];
  owner = await firstOwner(one);
}, 120_000);

afterAll(async () => {
  if (missing !== undefined) return;
  try {
    for (const { admin, api, running } of nodes) {
      await running.stop();
      for (const client of [admin, api]) client.close();
    }
  } finally {
    // Also when the nodes never came up: nothing may outlive the test.
    await redis.close();
    await own.stop();
  }
});

function configuration(): object {
  const database = {
    kind: "postgres",
    host: "localhost",
    port: own.postgres.port,
    caFile: own.authority.caFile,
    migratePassword: `file:${join(own.folder, "ringwall_migrate.password")}`,
  };
  const audit = { headsFolder: join(own.folder, "audit-heads"), leaseMs: 2_000, pollMs: 50, signMs: 200 };
  return {
    mode: "development",
    database,
    counters: { kind: "redis", url: redis.url },
    perimeter: {
      rates: {
        address: PLENTY,
        account: PLENTY,
        tenant: PLENTY,
        routes: { "sign-in": { limit: 20, periodSeconds: 3_600, burst: SIGN_IN_BURST } },
      },
    },
    monitoring: { audit },
  };
}

async function startNode(data: string, config: string): Promise<Node> {
  const port = await freePort();
  const running = await start(own.folder, ["--config", config, "--data", data, "--port", String(port), "--no-example"]);
  const admin = httpClient({ socketPath: join(data, "run", "admin.sock") });
  return { data, port, api: httpClient({ port }), admin, running };
}

async function firstOwner({ admin, api }: Node): Promise<typeof owner> {
  await admin.json({ method: "POST", path: "/v1/tenants", body: { id: TENANT, name: "The twins" } });
  const { link } = await admin.json<{ link: string }>({
    method: "POST",
    path: `/v1/tenants/${TENANT}/owner-invitations`,
    body: { email: "owner@twin.example" },
  });
  const { login } = await accept<{ login: string }>(api, link);
  const enrolment = { method: "POST", path: "/v1/sign-in/enrolment", body: { login } } as const;
  const { secret } = await api.json<{ secret: string }>(enrolment);
  const code = (): string => new TOTP({ secret }).generate();
  const confirm = { method: "POST", path: "/v1/sign-in/enrolment/confirm", body: { login, code: code() } } as const;
  return { token: (await api.json<{ token: string }>(confirm)).token, code };
}

// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the API it asks
async function accept<T>(api: HttpClient, link: string): Promise<T> {
  const body = { token: link.slice(link.indexOf("#") + 1), name: "Somebody", password: PASSWORD };
  return await api.json<T>({ method: "POST", path: "/v1/invitations/accept", body });
}

interface Person {
  readonly token: string;
  readonly user: string;
  readonly sid: string;
}

/** Somebody new who signed in at the first node, and whom the second has in its memory. */
async function person(name: string): Promise<Person> {
  const [one, two] = nodes;
  const body = { email: `${name}@twin.example`, role: "editor" };
  const invite = { method: "POST", path: "/v1/invitations", token: owner.token, body } as const;
  const { link } = await one.api.json<{ link: string }>(invite);
  const { token } = await accept<{ token: string }>(one.api, link);
  const who = await two.api.json<{ user: string; sid: string }>({ method: "GET", path: "/v1/session", token });
  return { token, user: who.user, sid: who.sid };
}

/** Asks the second node until it no longer answers as before, for a second at most. */
async function endsOnTheOther({ token }: Person, expected: number): Promise<void> {
  const { api } = nodes[1];
  await until(`status ${expected} on the other node`, REVOKED_MS, async () => {
    const { status } = await api.send({ method: "GET", path: "/v1/session", token });
    return status === expected ? true : undefined;
  });
}

async function sequencerStates(): Promise<readonly string[]> {
  return await Promise.all(nodes.map(stateOf));
}

async function stateOf({ admin }: Node): Promise<string> {
  const { text } = await admin.send({ method: "GET", path: "/metrics" });
  return /^ringwall_audit_sequencer\{state="(\w+)"\} 1$/m.exec(text)?.[1] ?? "none";
}

describe.skipIf(missing !== undefined)(
  `two servers over one PostgreSQL and one Redis${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    test("one sequences the audit and the other stands by", async () => {
      await until("one active, one standby", TAKEN_OVER_MS, async () =>
        (await sequencerStates()).toSorted().join() === "active,standby" ? true : undefined,
      );
    });

    test("what ends a session on one ends it on the other within a second", async () => {
      const [one] = nodes;
      const revoked = await person("revoked");
      const path = `/v1/sessions/${revoked.sid}?tenant=${TENANT}`;
      expect((await one.admin.send({ method: "DELETE", path })).status).toBe(204);
      await endsOnTheOther(revoked, 401);

      const disabled = await person("disabled");
      const disable = { method: "POST", path: `/v1/users/${disabled.user}/disable`, token: owner.token } as const;
      expect((await one.api.send(disable)).status).toBe(204);
      await endsOnTheOther(disabled, 401);
    });

    test("another role holds on the other node within a second", async () => {
      const [one, two] = nodes;
      const changed = await person("changed");
      const body = { role: "viewer" };
      const path = `/v1/users/${changed.user}/role`;
      expect((await one.api.send({ method: "POST", path, token: owner.token, body })).status).toBe(404);
      await putJson(one.port, path, owner.token, body);
      await until("the new role, or no session", REVOKED_MS, async () => {
        const { status, text } = await two.api.send({ method: "GET", path: "/v1/session", token: changed.token });
        return status === 401 || text.includes('"role":"viewer"') ? true : undefined;
      });
    });

    test("a suspended tenant is suspended on the other node within a second, and back as soon", async () => {
      const [one, two] = nodes;
      const member = await person("member");
      const suspend = `/v1/tenants/${TENANT}/suspend`;
      expect((await one.admin.send({ method: "POST", path: suspend })).status).toBe(204);
      await until("refused on the other node", REVOKED_MS, async () => {
        const { status } = await two.api.send({ method: "GET", path: "/v1/session", token: member.token });
        return status === 401 || status === 403 ? true : undefined;
      });
      expect((await one.admin.send({ method: "POST", path: `/v1/tenants/${TENANT}/resume` })).status).toBe(204);
    });

    test("a limit counts at both together", async () => {
      const body = { tenant: TENANT, email: "nobody@twin.example", password: PASSWORD };
      const asked = Array.from({ length: SIGN_IN_BURST + 4 }, (_, index) =>
        (nodes[index % 2] ?? nodes[0]).api.send({ method: "POST", path: "/v1/sign-in", body }),
      );
      const limited = (await Promise.all(asked)).filter(({ code }) => code === "request.rate_limited");
      // Each alone would have let half of them through, which is less than the burst.
      expect(limited.length).toBeGreaterThanOrEqual(4);
    });

    test("one is killed under load: nothing fails beyond what it had in its hands, and the other sequences on", async () => {
      const states = await sequencerStates();
      const active = states.indexOf("active");
      const [dying, living] = active === 1 ? [nodes[1], nodes[0]] : [nodes[0], nodes[1]];
      const token = await freshToken();
      const outcome = { served: 0, retried: 0, failed: [] as string[] };
      const state = { ends: false };
      const ask = async (): Promise<void> => {
        const call = { method: "GET", path: "/v1/session", token } as const;
        try {
          const { status, text } = await dying.api.send(call);
          if (status !== 200) outcome.failed.push(`${status} ${text}`);
          outcome.served += 1;
        } catch {
          // Lost in its hands, or nobody was there any more: the client goes to the other, as a balancer does.
          outcome.retried += 1;
          const { status, text } = await living.api.send(call);
          if (status !== 200) outcome.failed.push(`${status} ${text}`);
        }
      };
      const clients = Array.from({ length: CLIENTS }, async () => {
        while (!state.ends) await ask();
      });
      await until("load", TAKEN_OVER_MS, () => (outcome.served > 200 ? true : undefined));
      dying.running.supervisor.kill("SIGKILL");
      for (const pid of findProcesses("apps/server/main.ts", dying.data)) signal(pid, "SIGKILL");
      await until("clients are served by the other", TAKEN_OVER_MS, () => (outcome.retried > 200 ? true : undefined));
      state.ends = true;
      await Promise.all(clients);
      expect(outcome.failed).toEqual([]);
      await until("the other sequences", TAKEN_OVER_MS, async () =>
        (await stateOf(living)) === "active" ? true : undefined,
      );
      const config = join(own.folder, "ringwall.config.json");
      const heads = join(own.folder, "audit-heads");
      const verify = ["audit", "verify", "--config", config, "--data", living.data, "--heads", heads];
      const verified = await ringwall(own.folder, verify);
      expect([verified.code, verified.said]).toEqual([0, expect.stringContaining("the audit log is whole")]);
    });
  },
);

/** The owner's session survived the suspension or not; a limited sign-in must not matter here, so it is looked at. */
async function freshToken(): Promise<string> {
  const reply = await nodes[0].api.send({ method: "GET", path: "/v1/session", token: owner.token });
  expect([reply.status, reply.text]).toEqual([200, expect.stringContaining(TENANT)]);
  return owner.token;
}

async function putJson(port: number, path: string, token: string, body: object): Promise<void> {
  const answer = await fetch(`http://localhost:${port}${path}`, {
    method: "PUT",
    headers: { "content-type": "application/json", authorization: `Bearer ${token}` },
    body: JSON.stringify(body),
  });
  expect([answer.status, await answer.text()]).toEqual([204, ""]);
}
