import { afterAll, beforeAll, describe } from "vitest";
import { type DebianPostgres, debianPostgresMissing, startDebianPostgres } from "../../../testing/servers/index.ts";
import { ROLE_CASES } from "./roles/faults.ts";
import { ROLE_CHECKS } from "./roles/index.ts";
import { SERVER_CASES } from "./server/faults.ts";
import { SERVER_CHECKS } from "./server/index.ts";
import { checkCases, closeStage } from "./stage.fixture.ts";
import { TABLE_CASES } from "./tables/faults.ts";
import { TABLE_CHECKS } from "./tables/index.ts";

const missing = debianPostgresMissing();

describe.skipIf(missing !== undefined)(missing ?? "the static checks on the lowest supported PostgreSQL", () => {
  let server: DebianPostgres;
  beforeAll(async () => {
    server = await startDebianPostgres();
  });
  afterAll(async () => {
    await closeStage();
    await server.stop();
  });
  checkCases(
    [...ROLE_CHECKS, ...SERVER_CHECKS, ...TABLE_CHECKS],
    [...ROLE_CASES, ...SERVER_CASES, ...TABLE_CASES],
    () => server,
  );
});
