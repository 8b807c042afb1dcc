import type { RedisClientOptions } from "redis";
import { z } from "zod";
import { type Logger, type PlainSecret, RingwallError, SecretReference } from "../../core/index.ts";
import { countersOn, type RedisCounters, type ScriptRunner } from "./counters.ts";

/** A counter is asked on every request: after this long it is better to refuse one than to keep all waiting. */
const ANSWER_MS = 1_000;
const CONNECT_MS = 2_000;
/** A server that hangs without closing its connection is noticed by an unanswered ping within this time. */
const SILENCE_MS = 10_000;
const PING_MS = 3_000;
const RECONNECT_FIRST_MS = 50;
const RECONNECT_LAST_MS = 1_000;
/** Commands waiting at once; more than this means that the server is not keeping up, and requests are refused. */
const QUEUE_MAX = 10_000;

/**
 * Where the counters' Redis or Valkey is. Encrypted (`rediss:`) unless it is on this machine; no password in the URL.
 *
 * @example { url: "rediss://counters.internal:6379/0", username: "ringwall", password: "file:/etc/ringwall/redis" }
 */
export const RedisConfig = z.strictObject({
  url: z
    .string()
    .max(1_024)
    .refine(isAcceptableUrl, "must be rediss://host:port, or redis:// to loopback, and hold no credentials"),
  username: z.string().max(128).optional(),
  password: SecretReference.optional(),
  /** The authority that signed the server's certificate, as a PEM file; those that Node knows when left out. */
  caFile: z.string().max(4_096).optional(),
  /** 1.2 only for servers that cannot do better. */
  tlsMinimum: z.enum(["TLSv1.2", "TLSv1.3"]).default("TLSv1.3"),
});
export type RedisConfig = z.output<typeof RedisConfig>;

/** A live connection, and the counters on it. */
export interface RedisConnection {
  readonly counters: RedisCounters;
  /** True while the server can be asked. When false, `take` refuses at once. */
  readonly up: boolean;
  close(): Promise<void>;
}

/**
 * Connects to the counters' server. After the first connection a lost one is regained without help, for as long as
 * it takes; meanwhile `take` throws `counters.unavailable`.
 *
 * @param options.password - What the reference in the configuration led to.
 * @param options.ca - PEM of the certificate authority, when the server's certificate is from none that Node knows.
 * @throws RingwallError `counters.unavailable` when the first connection fails: a start without counters is no start.
 */
export async function connectRedis(options: {
  config: RedisConfig;
  password?: PlainSecret | undefined;
  ca?: string | undefined;
  logger: Logger;
}): Promise<RedisConnection> {
  const { config, logger } = options;
  // Loaded here: only who counts on a Redis needs its driver.
  const { createClient } = await import("redis");
  const client = createClient({
    ...address(config, options.ca, () => wasReady),
    ...(config.username === undefined ? {} : { username: config.username }),
    ...(options.password === undefined ? {} : { password: options.password.open() }),
    RESP: 3,
    disableOfflineQueue: true,
    commandsQueueMaxLength: QUEUE_MAX,
    pingInterval: PING_MS,
    disableClientInfo: true,
    maintNotifications: "disabled",
  });
  let wasReady = false;
  let wasDown = false;
  client.on("ready", () => {
    wasReady = true;
    if (wasDown) logger.info({ component: "redis" }, "counters are back");
    wasDown = false;
  });
  // Without a listener an error event would end the process. One line per outage, however many attempts it takes.
  client.on("error", (error: Error) => {
    if (wasReady && !wasDown) logger.error({ component: "redis", err: error }, "counters are not available");
    wasDown = true;
  });
  try {
    await client.connect();
  } catch (cause) {
    if (client.isOpen) client.destroy();
    throw new RingwallError("counters.unavailable", { cause });
  }
  const runner: ScriptRunner = {
    runByHash: (hash, keys, values) => withDeadline(client.evalSha(hash, { keys: [...keys], arguments: [...values] })),
    runText: (text, keys, values) => withDeadline(client.eval(text, { keys: [...keys], arguments: [...values] })),
  };
  return {
    counters: countersOn(runner),
    get up() {
      return client.isReady;
    },
    async close() {
      if (client.isReady) await client.close();
      else if (client.isOpen) client.destroy();
    },
  };
}

function address(
  config: RedisConfig,
  ca: string | undefined,
  wasReady: () => boolean,
): { socket: NonNullable<RedisClientOptions["socket"]>; database: number } {
  const url = new URL(config.url);
  const host = url.hostname.replaceAll(/[[\]]/g, "");
  const common = {
    host,
    port: url.port === "" ? 6_379 : Number(url.port),
    connectTimeout: CONNECT_MS,
    socketTimeout: SILENCE_MS,
    // Before the first success a failure is the answer; afterwards the connection is tried for until it is back.
    reconnectStrategy: (retries: number): number | false =>
      wasReady() && Math.min(RECONNECT_FIRST_MS * 2 ** Math.min(retries, 10), RECONNECT_LAST_MS),
  };
  const socket =
    url.protocol === "rediss:"
      ? {
          ...common,
          tls: true as const,
          servername: host,
          rejectUnauthorized: true,
          minVersion: config.tlsMinimum,
          ...(ca === undefined ? {} : { ca }),
        }
      : common;
  return { socket, database: Number(url.pathname.slice(1) || "0") };
}

/** The driver's own timeout ends only commands that were not sent yet; a server that hangs needs this one. */
async function withDeadline<T>(answer: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("redis did not answer in time")), ANSWER_MS);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

function isAcceptableUrl(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const url = new URL(text);
  if (url.username !== "" || url.password !== "" || url.search !== "" || url.hash !== "") return false;
  if (!/^\/?[0-9]{0,3}$/.test(url.pathname)) return false;
  const isLoopback = url.hostname === "localhost" || url.hostname === "127.0.0.1" || url.hostname === "[::1]";
  return url.hostname !== "" && (url.protocol === "rediss:" || (url.protocol === "redis:" && isLoopback));
}
