/**
 * What Ringwall keeps in the process itself: rate-limit counters without a server.
 *
 * Counts exactly, but for this process alone: two nodes with memory counters let through twice the rate, so more than one
 * node needs the Redis adapter. Everything is forgotten at a restart. Bounded in buckets; never fails.
 *
 * @module
 */
export { type MemoryCounters, memoryCounters } from "./counters.ts";
