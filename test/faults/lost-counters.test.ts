import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { connectRedis, RedisConfig, type RedisConnection } from "../../src/adapters/redis/index.ts";
import { silentLogger } from "../../src/core/index.ts";
import { redisMissing, startRedis, type TestRedis } from "../../src/testing/redis-server.ts";
import { type Guarded, serveGuarded } from "./guarded.ts";
import { type HttpClient, httpClient, type Reply } from "./http.ts";
import { until } from "./until.ts";

const RETURN_MS = 20_000;
const missing = redisMissing();

describe.skipIf(missing !== undefined)(`Redis gone${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let redis: TestRedis;
  let connection: RedisConnection;
  let guarded: Guarded;
  let client: HttpClient;
  let acts = 0;

  beforeAll(async () => {
    redis = await startRedis();
    connection = await connectRedis({ config: RedisConfig.parse({ url: redis.url }), logger: silentLogger });
    guarded = await serveGuarded(connection.counters, () => {
      acts += 1;
    });
    client = httpClient({ port: guarded.port });
  });
  afterAll(async () => {
    client.close();
    await guarded.app.close();
    await connection.close();
    await redis.close();
  });

  const ask = (): Promise<Reply> => client.send({ method: "GET", path: "/act" });
  const answered = async (): Promise<true | undefined> => ((await ask()).status === 200 ? true : undefined);

  async function expectClosed(): Promise<void> {
    const before = acts;
    for (const reply of await Promise.all(Array.from({ length: 10 }, ask))) {
      expect(reply).toMatchObject({ status: 503, code: "counters.unavailable" });
      expect(reply.headers).toMatchObject({ "retry-after": "1", "cache-control": "no-store" });
      expect(JSON.parse(reply.text)).not.toHaveProperty("detail");
    }
    expect(acts, "nobody got through uncounted").toBe(before);
  }

  test("killed: nobody gets through uncounted, and it is found again without help", async () => {
    expect((await ask()).status).toBe(200);
    await redis.kill();
    await expectClosed();
    await redis.start();
    await until("the counters are back", RETURN_MS, answered);
    expect((await Promise.all(Array.from({ length: 10 }, ask))).map(({ status }) => status)).toEqual(
      Array(10).fill(200),
    );
  });

  test("frozen, with its connection open: the same, and nobody waits for it", async () => {
    await until("the counters are there", RETURN_MS, answered);
    redis.freeze();
    await expectClosed();
    redis.thaw();
    await until("the counters are back", RETURN_MS, answered);
  });
});
