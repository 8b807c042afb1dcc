import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { showRows } from "../answer.ts";
import { ABOUT_PEOPLE, readPeople } from "./people.ts";

export const listUsers: Command = {
  name: "users list",
  summary: "List the people of one's own tenant, with their roles",
  about: ABOUT_PEOPLE,
  options: { ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [["ringwall users list --url https://ringwall.example --credential key", "everybody, by id"]],
  async run(input, context) {
    const people = await readPeople(context.connect(input));
    showRows(input, context, people, ["id", "email", "name", "role", "status", "second_factor"]);
    return EXIT.ok;
  },
};
