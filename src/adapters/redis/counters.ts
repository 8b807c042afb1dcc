import { createHash } from "node:crypto";
import {
  assert,
  BUCKET_KEY_CHARS_MAX,
  BUCKETS_MAX,
  type Bucket,
  type CounterStore,
  RingwallError,
  type Taken,
  unitMicros,
} from "../../core/index.ts";

/** The part of a Redis connection that counting needs: a script by its hash, and by its text when the server forgot it. */
export interface ScriptRunner {
  runByHash(hash: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
  runText(text: string, keys: readonly string[], values: readonly string[]): Promise<unknown>;
}

/** The counter store on one Redis. */
export interface RedisCounters extends CounterStore {
  take(buckets: readonly Bucket[]): Promise<Taken>;
}

/** Before every key, so that counters can share a server with other data. */
export const KEY_PREFIX = "rw:rate:";

/**
 * GCRA over several buckets, all or none, by the server's own clock, so that nodes need not agree about the time.
 * ARGV holds for each key the microseconds of one unit and the burst. Numbers stay below 2^53, so doubles are exact; they
 * are written with %.0f, because Lua's own form would round them to 14 digits. An arrival further ahead than the burst means
 * that the clock was set back: the bucket counts anew then. Each key expires when its limit has
 * recovered, so no bucket stays for ever. Arithmetic and answer are those of the memory adapter.
 */
const TAKE = `
local time = redis.call("TIME")
local now = time[1] * 1000000 + time[2]
local remaining, tightest, wait, refused = nil, 0, 0, -1
local arrivals = {}
for i = 1, #KEYS do
  local unit, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local arrival = tonumber(redis.call("GET", KEYS[i]) or "0")
  if arrival < now or arrival > now + unit * burst then arrival = now end
  local next_arrival = arrival + unit
  local room = now + unit * burst - next_arrival
  if -room > wait then wait = -room; refused = i - 1 end
  local left = math.floor(room / unit)
  if remaining == nil or left < remaining then remaining = left; tightest = i - 1 end
  arrivals[i] = next_arrival
end
if refused ~= -1 then return {0, 0, refused, math.ceil(wait / 1000), refused} end
for i = 1, #KEYS do
  redis.call("SET", KEYS[i], string.format("%.0f", arrivals[i]), "PX", math.ceil((arrivals[i] - now) / 1000))
end
return {1, remaining, tightest, 0, -1}`;

const TAKE_HASH = createHash("sha1").update(TAKE).digest("hex");

/**
 * Rate limits that several nodes share, in one round trip and one atomic script each.
 *
 * For a single Redis or Valkey server (with replicas or not), not for Redis Cluster: the keys of one call lie in
 * different slots, and a shared hash tag would put every tenant's counters onto one node.
 *
 * @throws RingwallError `counters.unavailable` from `take` when the server cannot be asked or answers nonsense.
 */
export function countersOn(runner: ScriptRunner): RedisCounters {
  return {
    async take(buckets) {
      assert(buckets.length > 0 && buckets.length <= BUCKETS_MAX, "one take has between one and eight buckets");
      const keys = buckets.map((bucket) => KEY_PREFIX + bucket.key);
      assert(new Set(keys).size === keys.length, "buckets have distinct keys");
      const values: string[] = [];
      for (const bucket of buckets) {
        assert(bucket.key.length <= BUCKET_KEY_CHARS_MAX, "a bucket's key is short");
        assert(bucket.limit > 0 && bucket.periodMs > 0 && bucket.burst >= 1, "a bucket's limit is positive");
        values.push(String(unitMicros(bucket)), String(bucket.burst));
      }
      try {
        return readTaken(await run(runner, keys, values));
      } catch (cause) {
        throw new RingwallError("counters.unavailable", { cause, retryAfterSeconds: 1 });
      }
    },
  };
}

async function run(runner: ScriptRunner, keys: readonly string[], values: readonly string[]): Promise<unknown> {
  try {
    return await runner.runByHash(TAKE_HASH, keys, values);
  } catch (error) {
    // A server that restarted does not know the script. Nothing was counted then, so asking again counts once.
    if (error instanceof Error && error.message.startsWith("NOSCRIPT")) return await runner.runText(TAKE, keys, values);
    throw error;
  }
}

function readTaken(answer: unknown): Taken {
  if (!Array.isArray(answer)) throw new TypeError("the counter script answered something else than a list");
  const [allowed, remaining, tightest, retryAfterMs, refused] = answer as unknown[];
  const numbers = [allowed, remaining, tightest, retryAfterMs, refused].map(Number);
  if (numbers.some((number) => !Number.isSafeInteger(number)))
    throw new TypeError("the counter script answered no numbers");
  const [flag = 0, left = 0, index = 0, wait = 0, no = -1] = numbers;
  return { allowed: flag === 1, remaining: left, tightest: index, retryAfterMs: wait, refused: no };
}
