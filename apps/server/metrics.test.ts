import { request } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openMetricsPort } from "./metrics-port.ts";
import { apiStage, PASSWORD, type Person, type Stage } from "./stage.fixture.ts";

let stage: Stage;
let owner: Person;
beforeAll(async () => {
  stage = await apiStage();
  owner = await stage.tenant("north-bank");
});
afterAll(() => stage.close());

/** Every sample by its name and labels. */
async function samples(): Promise<ReadonlyMap<string, number>> {
  const { text, status } = await plain({ socketPath: stage.adminSocket }, "/metrics");
  expect(status).toBe(200);
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(
    lines.map((line) => [line.slice(0, line.lastIndexOf(" ")), Number(line.slice(line.lastIndexOf(" ")))]),
  );
}

interface Plain {
  readonly status: number;
  readonly text: string;
  readonly type: string;
}

async function plain(
  door: { socketPath: string } | { port: number },
  path: string,
  host = "localhost",
): Promise<Plain> {
  const { promise, resolve, reject } = Promise.withResolvers<Plain>();
  const asked = request({ host: "127.0.0.1", ...door, path, headers: { host }, agent: false }, (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("end", () => {
      const type = response.headers["content-type"] ?? "";
      resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString(), type });
    });
  });
  asked.once("error", reject);
  asked.end();
  return await promise;
}

describe("the numbers of a server", () => {
  test("count requests by route, status and code of refusal", async () => {
    const answered = 'ringwall_requests_total{route="/v1/session",method="GET",status="200",refusal="none"}';
    const refused =
      'ringwall_requests_total{route="/v1/session",method="GET",status="401",refusal="identity.sign_in_required"}';
    const before = await samples();
    for (let index = 0; index < 3; index += 1) await stage.ask("GET", "/v1/session", { token: owner.token });
    await stage.ask("GET", "/v1/session");
    const after = await samples();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect([grown(answered), grown(refused)]).toEqual([3, 1]);
    expect(grown('ringwall_request_duration_seconds_count{route="/v1/session",method="GET"}')).toBe(4);
    expect(grown('ringwall_session_lookups_total{result="hit"}')).toBeGreaterThan(0);
  });

  test("hold no path, no method of a visitor's own, no tenant, no address and no person", async () => {
    await stage.ask("GET", "/nobody/knows/this-path");
    await stage.ask("BREW", "/v1/session");
    await stage.ask("POST", "/v1/sign-in", { body: { tenant: "north-bank", email: owner.email, password: PASSWORD } });
    const { text } = await plain({ socketPath: stage.adminSocket }, "/metrics");
    for (const hidden of ["this-path", "BREW", "north-bank", owner.email, owner.id, "127.0.0.1", owner.token]) {
      expect(text).not.toContain(hidden);
    }
    expect(text).toContain('route="(none)"');
    const routes = new Set([...text.matchAll(/route="([^"]*)"/g)].map((match) => match[1]));
    const patterns = new Set([...stage.routes.map(({ url }) => url), "(none)"]);
    for (const route of routes) expect(patterns).toContain(route);
  });

  test("say how connections, audit, keys, secrets and the process stand", async () => {
    await stage.sequence();
    const all = await samples();
    expect(all.get('ringwall_database_connections{state="open"}')).toBeGreaterThan(0);
    expect(all.get('ringwall_database_connections{state="max"}')).toBe(10);
    expect(all.get('ringwall_audit_sequencer{state="active"}')).toBe(1);
    expect(all.get("ringwall_audit_appended")).toBeGreaterThan(0);
    expect(all.get("ringwall_audit_outbox_lag_seconds")).toBeLessThan(60);
    expect(all.get('ringwall_master_key_operations_total{operation="unwrap"}')).toBeGreaterThanOrEqual(0);
    expect(all.get("ringwall_secrets")).toBe(0);
    expect(all.get("ringwall_secrets_known")).toBe(1);
    expect(all.get("ringwall_draining")).toBe(0);
    expect(all.has("ringwall_certificate_expires_seconds")).toBe(false);
    expect(all.get("process_resident_memory_bytes")).toBeGreaterThan(1_000_000);
  });

  test("say how old keys are and how far rewrapping is, by class and work and never by tenant", async () => {
    // Ages are looked at once an hour; peppers were made after the first look.
    await stage.advance(2 * 3_600_000);
    await stage.keyCare.scheduler.tick();
    const all = await samples();
    expect(all.get("ringwall_keys_known")).toBe(1);
    expect(all.get('ringwall_keys_overdue{class="service",purpose="session-pepper"}')).toBe(0);
    expect(all.get('ringwall_key_oldest_age_seconds{class="master",purpose="master"}')).toBeGreaterThanOrEqual(0);
    for (const work of ["master", "rows"]) {
      for (const number of ["jobs", "done", "total"]) {
        expect(all.get(`ringwall_key_rewrap_${number}{work="${work}"}`)).toBeGreaterThanOrEqual(0);
      }
    }
    const labels = [...all.keys()].filter((name) => name.startsWith("ringwall_key"));
    for (const label of labels) expect(label).not.toContain("north-bank");
  });

  test("are for this machine's operator alone", async () => {
    const refused = await stage.ask("GET", "/metrics");
    expect([refused.status, refused.code]).toEqual([404, "resource.not_found"]);
    expect((await stage.ask("GET", "/metrics", { token: owner.token })).status).toBe(404);
  });

  test("come from a port of loopback where that is set, under a name of loopback and nothing else", async () => {
    const open = await openMetricsPort(stage.metrics, 0);
    try {
      const found = await plain({ port: open.port }, "/metrics", `localhost:${open.port}`);
      expect([found.status, found.type]).toEqual([200, expect.stringContaining("text/plain")]);
      expect(found.text).toContain("ringwall_requests_total");
      expect((await plain({ port: open.port }, "/metrics", "rebound.example")).status).toBe(421);
      expect((await plain({ port: open.port }, "/metrics", "localhost.evil.example")).status).toBe(421);
      expect((await plain({ port: open.port }, "/", "localhost")).status).toBe(404);
      await expect(openMetricsPort(stage.metrics, open.port)).rejects.toThrow("monitoring.metrics");
    } finally {
      await open.close();
    }
  });
});

test("a rate limit's refusals are counted under its name", async () => {
  const limited = await apiStage({ rates: true });
  try {
    const body = { tenant: "nobody", email: "nobody@nowhere.example", password: PASSWORD };
    const answers = await Promise.all(Array.from({ length: 25 }, () => limited.ask("POST", "/v1/sign-in", { body })));
    const refused = answers.filter(({ code }) => code === "request.rate_limited").length;
    expect(refused).toBeGreaterThan(0);
    const { text } = await plain({ socketPath: limited.adminSocket }, "/metrics");
    expect(text).toContain(`ringwall_rate_refusals_total{limit="sign-in"} ${refused}`);
  } finally {
    await limited.close();
  }
});
