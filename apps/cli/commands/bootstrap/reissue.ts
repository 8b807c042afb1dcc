import type { Command } from "../../command.ts";
import { CONNECTION_OPTIONS, EXIT, JSON_OPTION } from "../../command.ts";
import { readAnswer } from "../answer.ts";
import { deliverLink, LINK_FILE_OPTION, Link, linkDestination } from "../link.ts";

export const reissueBootstrap: Command = {
  name: "bootstrap reissue",
  summary: "Make a new link for enrolling the first administrator; the old one dies",
  about:
    "Works once: as soon as the platform has an administrator the server refuses, and invitations are the way. " +
    "The link is valid for 30 minutes and for one use.",
  options: { ...LINK_FILE_OPTION, ...JSON_OPTION, ...CONNECTION_OPTIONS },
  examples: [
    ["ringwall bootstrap reissue", "show the link on this terminal"],
    ["ringwall bootstrap reissue --link-file link.txt", "write it into a file that only you can read"],
  ],
  async run(input, context) {
    const destination = linkDestination(input, context);
    const link = readAnswer(Link, await context.connect(input).request("POST", "/v1/bootstrap/links"));
    deliverLink(input, context, link, destination);
    return EXIT.ok;
  },
};
