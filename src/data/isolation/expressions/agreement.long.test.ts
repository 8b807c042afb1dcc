import { agreesWithPostgres } from "./agreement.fixture.ts";

agreesWithPostgres(1_000);
