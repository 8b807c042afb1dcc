import { expect, test } from "vitest";
import { CommandFailed } from "../../command.ts";
import { type Running, type Service, type Supervisor, type Surroundings, supervise } from "./supervise.ts";

/** A service whose lives the test ends by hand. */
class Puppet implements Service {
  readonly name: string;
  readonly events: string[];
  starts = 0;
  failure: Error | undefined;
  #end: (how: string) => void = () => {};
  #started = Promise.withResolvers<void>();

  constructor(name: string, events: string[]) {
    this.name = name;
    this.events = events;
  }

  /** Settles at the next start. */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  crash(): void {
    this.#started = Promise.withResolvers();
    this.#end("signal SIGKILL");
  }

  async start(): Promise<Running> {
    this.starts += 1;
    if (this.failure !== undefined) throw this.failure;
    const { promise, resolve } = Promise.withResolvers<string>();
    this.#end = resolve;
    this.events.push(`start ${this.name}`);
    this.#started.resolve();
    return await Promise.resolve({
      exited: promise,
      stop: async () => {
        this.events.push(`stop ${this.name}`);
        resolve("exit code 0");
        await promise;
      },
      kill: () => {
        this.events.push(`kill ${this.name}`);
        resolve("signal SIGKILL");
      },
    });
  }
}

function stage(): { supervisor: Supervisor; events: string[]; log: string[]; pauses: number[]; now: { ms: number } } {
  const [events, log, pauses, now] = [[] as string[], [] as string[], [] as number[], { ms: 0 }];
  const surroundings: Surroundings = {
    clock: () => now.ms,
    delay: async (ms) => {
      pauses.push(ms);
      now.ms += ms;
      await Promise.resolve();
    },
    log: (line) => void log.push(line),
  };
  return { supervisor: supervise(surroundings), events, log, pauses, now };
}

const never = new AbortController().signal;

test("what was started last is stopped first, so that nobody loses what they lean on", async () => {
  const { supervisor, events } = stage();
  for (const name of ["database", "server", "bank"]) await supervisor.start(new Puppet(name, events));
  await supervisor.stop(never);
  expect(events.slice(3)).toEqual(["stop bank", "stop server", "stop database"]);
});

test("a crash is survived, with growing pauses", async () => {
  const { supervisor, events, log, pauses } = stage();
  const server = new Puppet("server", events);
  await supervisor.start(server);
  for (let crash = 0; crash < 5; crash += 1) {
    server.crash();
    await server.started;
  }
  expect(pauses).toEqual([250, 500, 1_000, 2_000, 4_000]);
  expect(log[0]).toBe("server ended (signal SIGKILL); starting it again in 0.25 s");
  await supervisor.stop(never);
});

test("a sixth crash within a minute is given up, with the reason", async () => {
  const { supervisor, events } = stage();
  const server = new Puppet("server", events);
  await supervisor.start(server);
  for (let crash = 0; crash < 5; crash += 1) {
    server.crash();
    await server.started;
  }
  server.crash();
  expect((await supervisor.gaveUp).message).toBe("server ended 6 times within a minute (signal SIGKILL)");
  expect(server.starts).toBe(6);
  await supervisor.stop(never);
});

test("crashes that lie apart are counted apart", async () => {
  const { supervisor, events, pauses, now } = stage();
  const server = new Puppet("server", events);
  await supervisor.start(server);
  for (let crash = 0; crash < 20; crash += 1) {
    now.ms += 60_000;
    server.crash();
    await server.started;
  }
  expect(new Set(pauses)).toEqual(new Set([250]));
  await supervisor.stop(never);
});

test("a failure that starting again would not mend is not tried again", async () => {
  const { supervisor, events } = stage();
  const server = new Puppet("server", events);
  server.failure = new CommandFailed("server: the schema is newer");
  await expect(supervisor.start(server)).rejects.toBe(server.failure);
  expect(await supervisor.gaveUp).toBe(server.failure);
  expect(server.starts).toBe(1);
});

test("a start that keeps failing gives up and says why", async () => {
  const { supervisor, events } = stage();
  const server = new Puppet("server", events);
  server.failure = new Error("no such file");
  await expect(supervisor.start(server)).rejects.toThrow(/6 times within a minute \(it did not start: no such file\)/);
});

test("forcing kills instead of asking", async () => {
  const { supervisor, events } = stage();
  await supervisor.start(new Puppet("server", events));
  await supervisor.stop(AbortSignal.abort());
  expect(events).toContain("kill server");
});

test("after a stop nothing is started any more", async () => {
  const { supervisor, events } = stage();
  await supervisor.stop(never);
  await expect(supervisor.start(new Puppet("server", events))).rejects.toThrow(/interrupted/);
  expect(events).toEqual([]);
});
