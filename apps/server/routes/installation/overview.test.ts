import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { apiStage, type Person, type Stage } from "../../stage.fixture.ts";

let stage: Stage;
let platform: Person;
let owner: Person;
beforeAll(async () => {
  stage = await apiStage();
  platform = await stage.administrator();
  owner = await stage.tenant("alpha-bank");
  await stage.sequence();
});
afterAll(() => stage.close());

const Controls = z.array(z.object({ name: z.string(), state: z.string(), detail: z.string() }));
const Overview = z.object({
  layers: z.array(z.object({ number: z.int(), state: z.string(), controls: Controls })),
  audit: z.object({ sequencer: z.string(), signed_head: z.string().nullable() }),
});

async function overviewOf({ token }: Person): Promise<z.output<typeof Overview>> {
  return Overview.parse((await stage.ask("GET", "/v1/overview", { token })).json);
}

describe("the overview", () => {
  test("shows the platform five layers that work, and what is not set up", async () => {
    const { audit, layers } = await overviewOf(platform);
    expect(layers.map(({ number, state }) => [number, state])).toEqual([1, 2, 3, 4, 5].map((n) => [n, "working"]));
    const controls = layers.flatMap((layer) => layer.controls);
    expect(controls.find(({ name }) => name === "Master key")?.state).toBe("not_configured");
    expect(controls.find(({ name }) => name === "Row-level security")?.detail).toMatch(/^\d\d tables walled/);
    expect(audit).toMatchObject({ sequencer: "active", signed_head: expect.stringContaining('"tenant":"platform"') });
  });

  test("shows a tenant neither how the installation is set up nor what is missing", async () => {
    const { audit, layers } = await overviewOf(owner);
    for (const { controls } of layers) {
      expect(controls.length).toBeGreaterThan(0);
      for (const { detail, state } of controls) expect([state, detail]).toEqual(["on", ""]);
    }
    expect(audit.signed_head).toContain('"tenant":"alpha-bank"');
  });
});

describe("the settings check", () => {
  test("is the platform's alone", async () => {
    const refused = await stage.ask("GET", "/v1/settings-check", { token: owner.token });
    expect([refused.status, refused.code]).toEqual([403, "access.denied"]);
  });

  test("says a way out for everything that is not fine, and shows no secret", async () => {
    const answered = await stage.ask("GET", "/v1/settings-check", { token: platform.token });
    const Finding = z.object({ check: z.string(), state: z.string(), way_out: z.string().nullable() });
    const { items } = z.object({ items: z.array(Finding) }).parse(answered.json);
    for (const { check, state, way_out: wayOut } of items)
      expect([check, wayOut === null]).toEqual([check, state === "ok"]);
    expect(items.find(({ check }) => check === "Database role")?.state).toBe("ok");
    expect(answered.text).not.toMatch(/PRIVATE KEY|password"/);
  });
});
