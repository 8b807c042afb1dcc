/**
 * Rate-limit counters on Redis or Valkey, shared by all nodes.
 *
 * One script per request, atomic over all its limits, on the server's own clock. Holds no tenant data: keys are counter
 * names with tenant and account ids, values are times. For a single server with or without replicas, not for Redis
 * Cluster.
 *
 * Fails closed: without a connection, or without an answer within a second, `take` throws `counters.unavailable`. The
 * connection comes back by itself. After a restart without persistence all limits start full again.
 *
 * @module
 */
export { connectRedis, RedisConfig, type RedisConnection } from "./connect.ts";
export { countersOn, KEY_PREFIX, type RedisCounters, type ScriptRunner } from "./counters.ts";
