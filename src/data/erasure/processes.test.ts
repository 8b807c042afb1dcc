import { type ChildProcess, spawn } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { randomBytes, silentLogger, systemClock } from "../../core/index.ts";
import { rotationStage } from "../../testing/rotation/index.ts";
import { createKeys, databaseKeyStore, KEY_KEEPER, softwareMaster } from "../keys/index.ts";
import { createErasures, erasureSigner } from "./index.ts";

describe("two processes", () => {
  const SCRIPT = fileURLToPath(new URL("../../testing/rotation/erasing-process.ts", import.meta.url));
  const children: ChildProcess[] = [];
  afterAll(() => {
    for (const child of children) child.kill("SIGKILL");
  });

  test("that hold a tenant's keys can use them no more within a second after it was erased", async () => {
    const master = randomBytes(32);
    const own = await rotationStage();
    try {
      const tenant = await own.db.createTenant("northbank");
      const store = databaseKeyStore({ own: own.db.database, database: own.db.database, recorder: () => undefined });
      const keys = await createKeys({
        master: softwareMaster(Buffer.from(master)),
        store,
        bus: own.db.bus,
        clock: systemClock,
      });
      const { credential, database, host, port, user } = own.db.target("ringwall_app");
      const order = {
        place: { host, port, database, user },
        password: (await credential()).open(),
        contextKey: { kid: own.db.contextKey.kid, keyHex: own.db.contextKey.key.toString("hex") },
        masterHex: master.toString("hex"),
        tenant,
      };
      const processes = [0, 1].map(() => {
        const child = spawn(process.execPath, ["--conditions=source", SCRIPT], { stdio: ["pipe", "pipe", "inherit"] });
        children.push(child);
        const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
        child.stdin.end(`${JSON.stringify(order)}\n`);
        const say = async () => JSON.parse((await lines.next()).value ?? "{}") as Record<string, unknown>;
        return { child, say };
      });
      for (const { say } of processes) expect(await say()).toEqual({ ready: "a note" });
      const erasures = createErasures({
        worker: own.db.worker,
        recorder: own.recorder,
        ledger: { append: async () => {}, read: async function* () {} },
        signer: erasureSigner(
          generateKeyPairSync("ed25519").privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
        ),
        clock: systemClock,
        log: silentLogger,
      });
      const what = { subject: "tenant" } as const;
      await erasures.erase({ actor: KEY_KEEPER, tenant, reason: "the contract ended", what });
      const erasedMs = systemClock();
      for (const { child, say } of processes) {
        const { atMs, code } = await say();
        expect(code).toBe("keys.decrypt_failed");
        expect(Number(atMs) - erasedMs).toBeLessThan(1_000);
        if (child.exitCode === null) await once(child, "exit");
      }
      keys.close();
    } finally {
      await own.close();
    }
  });
});
