import { afterAll, beforeAll, describe } from "vitest";
import { loadParser } from "../../expressions/index.ts";
import { checkCases, closeStage } from "../stage.fixture.ts";
import { INDIRECT_CASES } from "./faults.ts";
import { INDIRECT_CHECKS } from "./index.ts";

beforeAll(loadParser);
afterAll(closeStage);
describe("checks of indirect ways", () => {
  checkCases(INDIRECT_CHECKS, INDIRECT_CASES);
});
