import { defineConfig } from "vitest/config";

const LONG = process.env["RINGWALL_TEST_LONG"] === "1";

export default defineConfig({
  resolve: { conditions: ["source", "node"] },
  ssr: { resolve: { conditions: ["source", "node"], externalConditions: ["source", "node"] } },
  test: {
    include: LONG ? ["**/*.long.test.ts"] : ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ...(LONG ? [] : ["**/*.long.test.ts"]), "**/*.peers.test.ts"],
    globalSetup: ["src/testing/postgres-server.ts"],
    server: { deps: { inline: [/ringwall/] } },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: LONG ? 1_800_000 : 60_000,
    hookTimeout: 120_000,
  },
});
