import { z } from "zod";
import { CONNECTION_OPTIONS, type Command, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer, showRow } from "../answer.ts";

const Replay = z.object({ orders: z.number(), replayed: z.number(), refused: z.number(), copied: z.number() });

export const replayErasures: Command = {
  name: "keys replay-erasures",
  summary: "Erase again what a restored backup brought back",
  about:
    "Carries out every order of the erasure ledger that this database has not carried out. Each start of the server does it " +
    "too; run it after restoring a table while the server runs. Exit code 1 when a line of the ledger is not signed by a key " +
    "we trust: it was not followed.",
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall keys replay-erasures", "after a restore, on this machine"]],
  async run(input, context) {
    const replay = readAnswer(Replay, await context.connect(input).request("POST", "/v1/erasure-replays"));
    const { copied, orders, refused, replayed } = replay;
    const sentence =
      `${orders} orders, ${replayed} carried out again, ${copied} copied from the database` +
      (refused === 0 ? "" : `, ${refused} lines that nobody we trust has signed`);
    showRow(input, context, replay, sentence);
    return refused === 0 ? EXIT.ok : EXIT.failed;
  },
};
