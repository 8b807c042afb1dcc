import { afterAll, describe } from "vitest";
import { checkCases, closeStage } from "../stage.fixture.ts";
import { SERVER_CASES } from "./faults.ts";
import { SERVER_CHECKS } from "./index.ts";

afterAll(closeStage);
describe("checks of the server", () => {
  checkCases(SERVER_CHECKS, SERVER_CASES);
});
