import { join } from "node:path";
import { newMasterText } from "ringwall/data/keys";
import type { TestDatabase } from "ringwall/testing";
import { temporaryFolder } from "../../context.fixture.ts";
import { type DataPaths, prepareDataDirectory } from "../../data-directory.ts";
import { writePrivateFile } from "../../private-file.ts";
import { writeRuntime } from "../start/runtime.ts";

/** A data directory as a supervisor leaves it while it runs, over the test's own database, with its master key. */
export async function installation(database: TestDatabase): Promise<DataPaths> {
  // tidy-allow(process): a fixture describes the machine that runs the tests.
  const made = prepareDataDirectory(join(temporaryFolder(), "data"), process.geteuid?.() ?? -1);
  const { contextKey, name } = database;
  const { host, port } = database.target("ringwall_app");
  for (const role of ["ringwall_app", "ringwall_migrate"]) {
    const password = (await database.target(role).credential()).open();
    writePrivateFile(join(made.secrets, `${role}.password`), password);
  }
  writePrivateFile(made.contextKey, `${contextKey.kid}:${contextKey.key.toString("base64url")}`);
  writePrivateFile(join(made.secrets, "master.key"), newMasterText());
  writePrivateFile(made.config, '{"mode":"development"}');
  writeRuntime(join(made.run, "runtime.json"), {
    configFile: made.config,
    dataDir: made.root,
    adminSocket: made.adminSocket,
    postgres: { host, port, database: name },
    ports: { api: 7_400, bank: null, gateway: null },
  });
  return made;
}
