import { defineConfig } from "vitest/config";

const LONG = process.env["RINGWALL_TEST_LONG"] === "1";
const PEERS = process.env["RINGWALL_TEST_PEERS"] === "1";
// Each kind of run has files of its own; `npm test` takes those that name no kind.
const KINDS = ["**/*.long.test.ts", "**/*.peers.test.ts"];

export default defineConfig({
  resolve: { conditions: ["source", "node"] },
  ssr: { resolve: { conditions: ["source", "node"], externalConditions: ["source", "node"] } },
  test: {
    include: LONG ? ["**/*.long.test.ts"] : PEERS ? ["**/*.peers.test.ts"] : ["**/*.test.ts"],
    exclude: ["**/node_modules/**", "dist/**", ...(LONG || PEERS ? [] : KINDS)],
    globalSetup: ["src/testing/postgres-server.ts"],
    server: { deps: { inline: [/ringwall/] } },
    pool: "forks",
    maxWorkers: 2,
    testTimeout: LONG || PEERS ? 1_800_000 : 60_000,
    hookTimeout: 120_000,
  },
});
