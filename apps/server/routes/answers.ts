import { Answer } from "ringwall/adapters/fastify";
import { Uuid } from "ringwall/application/input";
import { isoTime } from "ringwall/core";
import { z } from "zod";
import type { Services } from "./services.ts";

/** RFC 3339 in UTC, as all times in answers are. */
export const Time = z.iso.datetime();

/** A list is an object, so that it can say more one day. */
export function list<Item extends z.ZodType>(item: Item): z.ZodObject<{ items: z.ZodArray<Item> }, z.core.$strict> {
  return z.strictObject({ items: z.array(item) });
}

/** A step of signing in: either it is done, or `login` goes with the next step. */
export const SignedIn = z.strictObject({
  next: z
    .enum(["done", "code", "enrol"])
    .describe("What has to follow: nothing, a code, or setting up a second factor."),
  login: z.string().optional().describe("The token of the unfinished sign-in; absent when it is done."),
  session: Uuid.optional().describe("The public id of the session; present when the sign-in is done."),
  token: z.string().optional().describe("The bearer token, for programs. Browsers get it as a cookie instead."),
  expires_at: Time,
});

/** What an authenticator app needs. Told once. */
export const Enrolment = z.strictObject({ uri: z.string(), secret: z.string() });

/** A link whose token stands in the fragment, which browsers send to nobody. */
export const Link = z.strictObject({ link: z.string(), expires_at: Time });

export function linkAnswer(
  { publicOrigin }: Services,
  page: "bootstrap" | "invitation" | "recovery",
  issued: { readonly token: { open(): string }; readonly expiresMs: number },
): Answer<z.input<typeof Link>> {
  const link = `${publicOrigin}/${page}#${issued.token.open()}`;
  return new Answer(201, { link, expires_at: isoTime(issued.expiresMs) });
}

export function enrolmentAnswer(enrolment: {
  readonly uri: { open(): string };
  readonly base32: { open(): string };
}): z.input<typeof Enrolment> {
  // The one time the seed is told: the person's authenticator needs it.
  return { uri: enrolment.uri.open(), secret: enrolment.base32.open() };
}

/** Done, and there is nothing to say. */
export const DONE = new Answer(204, undefined);
