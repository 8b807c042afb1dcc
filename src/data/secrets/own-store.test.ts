import { RingwallError } from "../../core/index.ts";
import { secretStoreContract } from "../../testing/secrets/store-contract.ts";
import { changed, secretsStage, WRITER } from "../../testing/secrets-stage.ts";
import { databaseSecretStore } from "./index.ts";

secretStoreContract("Ringwall's own", async () => {
  const stage = await secretsStage();
  let isDown = false;
  const up = (): void => {
    if (isDown) throw new RingwallError("database.unavailable");
  };
  const { database } = stage.db;
  const breakable = changed(database, {
    once: async (...args) => {
      up();
      return await database.once(...args);
    },
    forTenant: async (...args) => {
      up();
      return await database.forTenant(...args);
    },
  });
  const open = () => databaseSecretStore({ database: breakable, keys: stage.keys, recorder: stage.recorder });
  return {
    store: open(),
    tenants: [stage.bank, stage.other],
    actor: WRITER,
    reopen: async () => open(),
    outage: {
      begin: async () => {
        isDown = true;
      },
      end: async () => {
        isDown = false;
      },
      code: "database.unavailable",
    },
    close: () => stage.close(),
  };
});
