import { agreesWithPostgres } from "./agreement.fixture.ts";

agreesWithPostgres(100);
