import { type Actor, type Database, PlainSecret, randomBytes, type TenantId } from "../core/index.ts";
import { createKeys, databaseKeyStore, softwareMaster } from "../data/keys/index.ts";
import { createSecrets, type Rotator, type Secrets } from "../data/secrets/index.ts";
import { testDatabase } from "./database.ts";
import { type ListeningRecorder, listeningRecorder } from "./recorder.ts";

export const WRITER: Actor = { type: "system", capability: "secrets.write" };
export const ROTATION: Actor = { type: "system", capability: "secrets.rotate" };

export function serviceOf(tenant: TenantId): Actor {
  return { type: "service", tenant, name: "bank" };
}

/** A database of its own with keys, a recorder that listens, a clock that can be moved, and stores over them. */
export async function secretsStage() {
  const db = await testDatabase();
  const time = { aheadMs: 0 };
  const clock = (): number => db.clock() + time.aheadMs;
  const recorder: ListeningRecorder = listeningRecorder();
  const keys = await createKeys({
    master: softwareMaster(randomBytes(32)),
    store: databaseKeyStore({ own: db.database, database: db.database, recorder: () => recorder }),
    bus: db.bus,
    clock,
  });
  const stores: Secrets[] = [];
  return {
    db,
    time,
    recorder,
    keys,
    bank: await db.createTenant("alpha-bank"),
    other: await db.createTenant("beta-bank"),
    /** Another node: a store with a memory of its own. */
    node(changes: Partial<Parameters<typeof createSecrets>[0]> = {}): Secrets {
      const store = createSecrets({ database: db.database, keys, recorder, bus: db.bus, clock, ...changes });
      stores.push(store);
      return store;
    },
    /** Settles when every node has heard that the secret changed. */
    heard(name: string): Promise<void> {
      return new Promise((resolve) => {
        const stop = db.bus.subscribe((message) => {
          if (message.kind !== "secret" || message.id !== name) return;
          stop();
          resolve();
        });
      });
    },
    async close(): Promise<void> {
      for (const store of stores) store.close();
      keys.close();
      await db.close();
    },
  };
}
export type SecretsStage = Awaited<ReturnType<typeof secretsStage>>;

/** The same database with some of its ways replaced. */
export function changed(database: Database, changes: Partial<Database>): Database {
  return {
    forTenant: (tenant, actor, work) => database.forTenant(tenant, actor, work),
    once: (tenant, actor, what, values) => database.once(tenant, actor, what, values),
    lookup: (name, values) => database.lookup(name, values),
    close: () => database.close(),
    ...changes,
  };
}

/** A place that knows one password, as a database does, and can die before or after any step. */
export function target(password: string): Rotator & { password: string; dieAt: string | undefined; applied: number } {
  const place = {
    kind: "test-target",
    password,
    applied: 0,
    dieAt: undefined as string | undefined,
    die(step: string): void {
      if (place.dieAt === step) throw new Error(`killed ${step}`);
    },
    async apply(current: PlainSecret, next: PlainSecret) {
      place.die("before apply");
      if (place.password !== current.open() && place.password !== next.open()) throw new Error("neither works");
      place.password = next.open();
      place.applied += 1;
      place.die("after apply");
    },
    async test(next: PlainSecret) {
      place.die(place.applied > 0 ? "before the second test" : "before test");
      return place.password === next.open();
    },
  };
  return place;
}
