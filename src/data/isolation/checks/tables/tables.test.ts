import { afterAll, describe } from "vitest";
import { checkCases, closeStage } from "../stage.fixture.ts";
import { TABLE_CASES } from "./faults.ts";
import { TABLE_CHECKS } from "./index.ts";

afterAll(closeStage);
describe("checks of tables", () => {
  checkCases(TABLE_CHECKS, TABLE_CASES);
});
