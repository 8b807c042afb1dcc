import { chmodSync } from "node:fs";
import { join } from "node:path";
import { freePort, redisMissing, startRedis, type TestRedis } from "ringwall/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { recorded, temporaryFolder } from "../../context.fixture.ts";
import { writePrivateFile } from "../../private-file.ts";
import { run } from "../../run.ts";
import { commands } from "../index.ts";
import { type Start, startRingwall } from "./start.fixture.ts";

const missing = redisMissing();
const PASSWORD = "canary-of-the-counters";

describe.skipIf(missing !== undefined)(
  `counters on Redis${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    const folder = temporaryFolder();
    const config = join(folder, "ringwall.config.json");
    const password = join(folder, "redis.password");
    let redis: TestRedis;
    beforeAll(async () => {
      // PostgreSQL runs as another account than root, and has to get into its folder.
      chmodSync(folder, 0o711);
      redis = await startRedis({ password: PASSWORD });
      writePrivateFile(password, `${PASSWORD}\n`);
      const address = { limit: 3, periodSeconds: 3_600, burst: 3 };
      const other = { limit: 1_000, periodSeconds: 60, burst: 1_000 };
      const rates = { address, account: other, tenant: other };
      const counters = { kind: "redis", url: redis.url, password: `file:${password}` };
      writePrivateFile(config, JSON.stringify({ mode: "development", counters, perimeter: { rates } }));
    });
    afterAll(async () => {
      await redis.close();
    });

    async function start(): Promise<Start & { readonly port: number }> {
      const port = await freePort();
      const words = ["--config", config, "--data", join(folder, "data"), "--port", String(port), "--no-example"];
      return { ...(await startRingwall(words)), port };
    }

    async function doctor(): Promise<string> {
      const { context, out } = recorded({ cwd: folder });
      await run(commands, ["doctor", "--config", config, "--data", join(folder, "data"), "--port", "17400"], context);
      return out.join("\n");
    }

    const status = async (port: number): Promise<number> => (await fetch(`http://127.0.0.1:${port}/v1/none`)).status;

    test("are shared: what one node has seen, the next one knows; without them every request is refused", async () => {
      const first = await start();
      expect([first.refused, first.err.join("\n")]).toEqual([undefined, expect.stringContaining("counters ... ready")]);
      const seen = [await status(first.port), await status(first.port), await status(first.port)];
      expect(seen).toEqual([404, 404, 404]);
      expect(await first.stop()).toBe(0);
      // Counted in the process, a restart would begin anew.
      const second = await start();
      expect(await status(second.port)).toBe(429);
      expect(await doctor()).toContain(`ok    counters: ${redis.url}`);
      await redis.kill();
      const refused = await fetch(`http://127.0.0.1:${second.port}/v1/none`);
      expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"]);
      await second.stop();
    });

    test("that are gone or refuse the password are a refusal to start with the reason, and no password in it", async () => {
      await redis.kill();
      const gone = await start();
      expect([gone.refused, gone.err.join("\n")]).toEqual([
        1,
        expect.stringMatching(/counters at redis:.*ECONNREFUSED/),
      ]);
      await redis.start();
      writePrivateFile(password, "another-canary");
      const wrong = await start();
      expect([wrong.refused, wrong.err.join("\n")]).toEqual([
        1,
        expect.stringMatching(/counters at redis:.*WRONGPASS/),
      ]);
      expect(wrong.err.join("\n")).not.toContain("canary");
      expect(await doctor()).toMatch(/fail +counters: .*WRONGPASS/);
      chmodSync(password, 0o644);
      expect((await start()).err.join("\n")).toMatch(/redis\.password can be read by others/);
      writePrivateFile(password, `${PASSWORD}\n`);
    });
  },
);
