import { request } from "node:http";
import type { Member } from "./people.ts";
import type { BreachStage } from "./stage.ts";

export interface Sent {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** A value is sent as JSON, a string as it stands. */
  readonly body?: unknown;
  /** The loopback address that the request comes from: limits are counted by address. */
  readonly from?: string;
}

export interface Got {
  readonly status: number;
  /** Of the problem document; undefined for an answer that is none. */
  readonly code: string | undefined;
  readonly body: unknown;
}

/** One request to the bank, with nothing that a client library would add or refuse. */
export async function send({ port }: BreachStage, path: string, sent: Sent = {}): Promise<Got> {
  const { body, from = "127.0.0.1", headers = {}, method = body === undefined ? "GET" : "POST" } = sent;
  const bytes = body === undefined ? undefined : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
  const length: Record<string, string> = bytes === undefined ? {} : { "content-length": String(bytes.length) };
  const type: Record<string, string> = bytes === undefined ? {} : { "content-type": "application/json" };
  return await new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: "127.0.0.1",
        port,
        path,
        method,
        localAddress: from,
        agent: false,
        headers: { ...type, ...length, ...headers },
      },
      (answer) => {
        const chunks: Buffer[] = [];
        answer.on("data", (chunk: Buffer) => chunks.push(chunk));
        answer.on("end", () => resolve(read(answer.statusCode ?? 0, Buffer.concat(chunks).toString("utf8"))));
        answer.on("error", reject);
      },
    );
    outgoing.on("error", reject);
    outgoing.end(bytes);
  });
}

function read(status: number, text: string): Got {
  let body: unknown = text;
  try {
    body = JSON.parse(text);
  } catch {
    // A page, or nothing: the text itself is the body.
  }
  const code = typeof body === "object" && body !== null && "code" in body ? String(body.code) : undefined;
  return { status, code, body };
}

/** A member's credential: their session, or, where nobody checks, the claim to be them. */
export function as({ without }: BreachStage, member: Member, role: string): Record<string, string> {
  const token = without === 3 ? claim(role, member.tenant, member.user) : member.token;
  return { authorization: `Bearer ${token}` };
}

/** What somebody sends who only says to be somebody. */
export function claim(role: string, tenant: string, user: string): string {
  return [role, tenant, user, "01890000-0000-7000-8000-000000000000"].join(".");
}

/** A request that a browser sends on behalf of another site. */
export const FOREIGN_SITE = {
  "origin": "https://evil.example",
  "sec-fetch-site": "cross-site",
  "sec-fetch-mode": "cors",
} as const;
