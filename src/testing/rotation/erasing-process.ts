/**
 * A process of its own over a test's database: `node erasing-process.ts`, then one JSON order on stdin. Seals a note,
 * says `ready`, opens it again and again, and says when it can no more. For tests of what other processes hear.
 */
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { postgresBus, postgresDatabase } from "../../adapters/postgres/index.ts";
import { PlainSecret, RingwallError, silentLogger, systemClock, tenantId } from "../../core/index.ts";
import { createFields } from "../../data/fields/index.ts";
import { createKeys, databaseKeyStore, softwareMaster } from "../../data/keys/index.ts";
import { contextSigner } from "../../data/tenants/index.ts";

interface Order {
  readonly place: { readonly host: string; readonly port: number; readonly database: string; readonly user: string };
  readonly password: string;
  readonly contextKey: { readonly kid: string; readonly keyHex: string };
  readonly masterHex: string;
  readonly tenant: string;
}

const TRIES_MAX = 20_000;

const lines = createInterface({ input: process.stdin });
const [line] = (await once(lines, "line")) as [string];
// The test that started this process wrote it a moment ago.
const order = JSON.parse(line) as Order;
const tenant = tenantId(order.tenant);
const signer = contextSigner({ kid: order.contextKey.kid, key: Buffer.from(order.contextKey.keyHex, "hex") });
const target = { ...order.place, credential: async () => await Promise.resolve(new PlainSecret(order.password)) };
const database = postgresDatabase({ target, signer, clock: systemClock });
const bus = await postgresBus({ target, signer, log: silentLogger });
const keys = await createKeys({
  master: softwareMaster(Buffer.from(order.masterHex, "hex")),
  store: databaseKeyStore({ own: database, database, recorder: () => undefined }),
  bus,
  clock: systemClock,
});
const fields = createFields({ keys });
const place = { table: "shop.note", row: "one" };
const { rowKey, sealed } = await fields.sealRow(tenant, { ...place, values: { body: "a note" } });
const open = async (): Promise<string> => await fields.open(tenant, { ...place, rowKey, column: "body" }, sealed.body);
process.stdout.write(`${JSON.stringify({ ready: await open() })}\n`);

let code = "";
for (let tries = 0; tries < TRIES_MAX && code === ""; tries += 1) {
  try {
    await open();
    await delay(1);
  } catch (error) {
    code = error instanceof RingwallError ? error.code : "unexpected";
  }
}
process.stdout.write(`${JSON.stringify({ code, atMs: systemClock() })}\n`);
keys.close();
await bus.close();
await database.close();
lines.close();
