import { afterAll, beforeAll, describe } from "vitest";
import { loadParser } from "../../expressions/index.ts";
import { checkCases, closeStage } from "../stage.fixture.ts";
import { POLICY_CASES } from "./faults.ts";
import { POLICY_CHECKS } from "./index.ts";

/** Says what the settings say, whatever the database is like. */
const OF_SETTINGS = "context-client-writable";

beforeAll(loadParser);
afterAll(closeStage);
describe("checks of policies", () => {
  checkCases(
    POLICY_CHECKS.filter(({ info }) => info.id !== OF_SETTINGS),
    POLICY_CASES,
  );
});
