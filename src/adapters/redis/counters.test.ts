import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Logger, PlainSecret, parseConfig, silentLogger } from "../../core/index.ts";
import { counterStoreContract } from "../../testing/counter-store.ts";
import { redisMissing, startRedis, type TestRedis } from "../../testing/redis-server.ts";
import { connectRedis, RedisConfig, type RedisConnection } from "./connect.ts";
import { KEY_PREFIX } from "./counters.ts";

const missing = redisMissing();
const HOUR = 3_600_000;
const bucket = { key: "-:test", limit: 1, periodMs: HOUR, burst: 5 };

/** Moves every stored time back, which to the counters is the same as the server's clock moving on. */
const ADVANCE = `
for _, key in ipairs(redis.call("KEYS", ARGV[1])) do
  local arrival = tonumber(redis.call("GET", key)) - tonumber(ARGV[2]) * 1000
  local left = redis.call("PTTL", key) - tonumber(ARGV[2])
  if left <= 0 then redis.call("DEL", key) else redis.call("SET", key, string.format("%.0f", arrival), "PX", left) end
end`;

describe.skipIf(missing !== undefined)(`redis counters${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  let server: TestRedis;
  let connection: RedisConnection;
  let inspector: ReturnType<typeof createClient>;

  beforeAll(async () => {
    server = await startRedis();
    connection = await connectRedis({ config: parseConfig(RedisConfig, { url: server.url }), logger: silentLogger });
    inspector = createClient({ url: server.url });
    inspector.on("error", () => undefined);
    await inspector.connect();
  });
  afterAll(async () => {
    await connection.close();
    inspector.destroy();
    await server.close();
  });

  counterStoreContract(() => ({
    store: connection.counters,
    async advance(ms) {
      await inspector.eval(ADVANCE, { keys: [], arguments: [`${KEY_PREFIX}*`, String(ms)] });
    },
  }));

  test("each counter expires when its limit has recovered", async () => {
    await connection.counters.take([{ ...bucket, key: "-:expires" }]);
    const left = await inspector.pTTL(`${KEY_PREFIX}-:expires`);
    expect(left).toBeGreaterThan(HOUR - 60_000);
    expect(left).toBeLessThanOrEqual(HOUR);
  });

  test("keeps whole microseconds: no digit of a time is lost", async () => {
    await connection.counters.take([{ ...bucket, key: "-:digits" }]);
    expect(await inspector.get(`${KEY_PREFIX}-:digits`)).toMatch(/^[0-9]{16}$/);
  });

  test("goes on after the server forgot the script", async () => {
    await inspector.scriptFlush();
    expect((await connection.counters.take([{ ...bucket, key: "-:flushed" }])).remaining).toBe(4);
    expect((await connection.counters.take([{ ...bucket, key: "-:flushed" }])).remaining).toBe(3);
  });

  test("refuses instead of guessing when a counter holds something else", async () => {
    await inspector.set(`${KEY_PREFIX}-:poisoned`, "nonsense");
    await expect(connection.counters.take([{ ...bucket, key: "-:poisoned" }])).rejects.toMatchObject({
      code: "counters.unavailable",
    });
  });
});

describe.skipIf(missing !== undefined)(`redis outages${missing === undefined ? "" : ` (skipped: ${missing})`}`, () => {
  test("a lost server refuses at once, is logged once, and is found again without help", async () => {
    const server = await startRedis();
    const lines: string[] = [];
    let back = (): void => undefined;
    const returned = new Promise<void>((resolve) => {
      back = resolve;
    });
    const logger: Logger = {
      warn() {},
      error: (_, message) => void lines.push(message),
      info(_, message) {
        lines.push(message);
        back();
      },
    };
    const connection = await connectRedis({ config: parseConfig(RedisConfig, { url: server.url }), logger });
    try {
      await connection.counters.take([bucket]);
      await server.kill();
      const refusals = Array.from({ length: 5 }, async () => connection.counters.take([bucket]));
      for (const refusal of refusals)
        await expect(refusal).rejects.toMatchObject({ code: "counters.unavailable", status: 503 });
      await expect(connection.counters.take([bucket])).rejects.toMatchObject({ retryAfterSeconds: 1 });
      expect(connection.up).toBe(false);
      await server.start();
      await returned;
      expect((await connection.counters.take([bucket])).allowed).toBe(true);
      expect(lines).toEqual(["counters are not available", "counters are back"]);
    } finally {
      await connection.close();
      await server.close();
    }
  });

  test("a server that hangs with its connection open is a refusal too", async () => {
    const server = await startRedis();
    const connection = await connectRedis({
      config: parseConfig(RedisConfig, { url: server.url }),
      logger: silentLogger,
    });
    try {
      server.freeze();
      await expect(connection.counters.take([bucket])).rejects.toMatchObject({ code: "counters.unavailable" });
      server.thaw();
      expect((await connection.counters.take([{ ...bucket, key: "-:thawed" }])).allowed).toBe(true);
    } finally {
      await connection.close();
      await server.close();
    }
  });

  test("without a first connection there is no start, and the password is in no part of the error", async () => {
    const server = await startRedis({ password: "right-canary" });
    const config = parseConfig(RedisConfig, { url: server.url });
    const password = new PlainSecret("wrong-canary");
    const failed = connectRedis({ config, password, logger: silentLogger });
    const error: unknown = await failed.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({ code: "counters.unavailable" });
    expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain("canary");
    const right = await connectRedis({ config, password: new PlainSecret("right-canary"), logger: silentLogger });
    expect((await right.counters.take([bucket])).allowed).toBe(true);
    await right.close();
    await server.close();
    await expect(connectRedis({ config, logger: silentLogger })).rejects.toMatchObject({
      code: "counters.unavailable",
    });
  });
});

describe("the address of the server", () => {
  test.each([
    "redis://counters.internal:6379",
    "redis://10.0.0.5",
    "rediss://user:secret@counters.internal",
    "rediss://counters.internal/0?tls=false",
    "http://localhost",
    "localhost:6379",
    "redis://localhost.evil.example",
  ])("refuses %s", (url) => {
    expect(() => parseConfig(RedisConfig, { url })).toThrow("must be rediss://");
  });

  test.each(["rediss://counters.internal:6380/2", "redis://127.0.0.1:6379", "redis://[::1]:6379", "redis://localhost"])(
    "takes %s",
    (url) => {
      expect(parseConfig(RedisConfig, { url }).url).toBe(url);
    },
  );
});
