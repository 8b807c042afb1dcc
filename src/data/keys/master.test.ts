import { randomBytes } from "../../core/index.ts";
import { interruptible, masterKeyContract } from "../../testing/sealing/master-key-contract.ts";
import { softwareMaster } from "./index.ts";

masterKeyContract("software", async () => {
  const bytes = randomBytes(32);
  const open = async () => softwareMaster(Buffer.from(bytes));
  return {
    ...interruptible(await open()),
    reopen: open,
    other: async () => softwareMaster(randomBytes(32)),
    close: async () => {},
  };
});
