import { agreesWithPostgres } from "./agreement.fixture.ts";

agreesWithPostgres(3_000);
