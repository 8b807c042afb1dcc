import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { silentLogger } from "../../../src/core/index.ts";
import { startServer } from "../child.ts";
import { TRANSFER_AMOUNT, type Variant } from "../variant.ts";
import { createRingwallDatabase } from "./database.ts";
import { composeBank, type Parts, SESSION_COOKIE } from "./parts.ts";
import { seedBanks } from "./seed.ts";

/** The example bank on Ringwall, everything on. */
export const ringwall: Variant = {
  name: "ringwall",
  role: "ours",
  isGuarded: true,
  async start(cluster) {
    const folder = mkdtempSync(path.join(tmpdir(), "ringwall-tax-"));
    const { contextKey, superuser, ...accesses } = await createRingwallDatabase(cluster);
    const parts: Parts = {
      ...accesses,
      contextKey: { kid: contextKey.kid, keyHex: contextKey.key.toString("hex") },
      folder,
    };
    const bank = await composeBank(parts, silentLogger);
    const seeded = await seedBanks(bank, superuser);
    await bank.database.close();
    await bank.ringwall.close();
    const server = await startServer("ringwall/server.ts", parts);
    return {
      ...server,
      accountIds: seeded.map(({ accountId }) => accountId),
      // As a browser sends them from a page of the bank.
      headersFor: (session) => ({
        cookie: `${SESSION_COOKIE}=${seeded[session]?.token ?? ""}`,
        origin: server.url,
        "sec-fetch-site": "same-origin",
      }),
      transferBody(session) {
        const { accountId, savingsId } = seeded[session] ?? {};
        return JSON.stringify({ from: accountId, to: savingsId, amount: TRANSFER_AMOUNT });
      },
      async stop() {
        await server.stop();
        rmSync(folder, { recursive: true });
      },
    };
  },
};
