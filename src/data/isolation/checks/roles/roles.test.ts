import { afterAll, describe } from "vitest";
import { checkCases, closeStage } from "../stage.fixture.ts";
import { ROLE_CASES } from "./faults.ts";
import { ROLE_CHECKS } from "./index.ts";

afterAll(closeStage);
describe("checks of roles", () => {
  checkCases(ROLE_CHECKS, ROLE_CASES);
});
