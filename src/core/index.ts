/**
 * The vocabulary all layers share: errors, ids, actors, events, time, randomness, and the ports that two layers need.
 *
 * Guards nothing by itself and imports nothing of ours. Everything here is either a type, a constant or a pure
 * function, apart from `randomBytes`.
 *
 * @module
 */
export * from "./actor.ts";
export * from "./clock.ts";
export * from "./config.ts";
export * from "./errors.ts";
export * from "./events.ts";
export * from "./ids.ts";
export * from "./log.ts";
export * from "./observe.ts";
export * from "./ports.ts";
export * from "./random.ts";
export * from "./secret.ts";
export * from "./tenant-key.ts";
export * from "./tuple.ts";
