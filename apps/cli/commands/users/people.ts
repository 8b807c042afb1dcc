import { z } from "zod";
import { type Client, segment } from "../../client.ts";
import { query, readAnswer } from "../answer.ts";

/** What every command about people says of where it works: the local socket is nobody's colleague. */
export const ABOUT_PEOPLE =
  "For administrators of the tenant, with their credential: the local socket is nobody's colleague.";
/** Roles by what they may, the least first. */
export const ROLES = ["viewer", "editor", "admin", "owner"] as const;

const User = z.object({
  id: z.string(),
  email: z.string(),
  name: z.string(),
  role: z.string(),
  status: z.string(),
  second_factor: z.boolean(),
});
export type User = z.output<typeof User>;
const Users = z.object({ items: z.array(User) });
// As many as the server gives at once: fewer are the last.
const PAGE = 200;

export async function readPeople(client: Client): Promise<readonly User[]> {
  const all: User[] = [];
  for (;;) {
    const after = all.at(-1)?.id;
    const path = `/v1/users${query(after === undefined ? {} : { after })}`;
    const page = readAnswer(Users, await client.request("GET", path)).items;
    all.push(...page);
    if (page.length < PAGE) return all;
  }
}

export async function readPerson(client: Client, id: string): Promise<User> {
  return readAnswer(User, await client.request("GET", `/v1/users/${segment(id)}`));
}
