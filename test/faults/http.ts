import { Agent, request } from "node:http";

/** An answer as it came. `problem` is the code of a problem document. */
export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly text: string;
  readonly code: string | undefined;
}

/** Nothing of ours answers later than this; a reply that does is a hang. */
const REPLY_MS = 60_000;

export interface Call {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly token?: string | undefined;
  readonly key?: string | undefined;
  readonly body?: object | undefined;
}

/** Speaks to one server, by port or by unix socket. Connections are kept, as a browser's are. */
export interface HttpClient {
  /** @throws Error when the connection is refused or lost. */
  send(call: Call): Promise<Reply>;
  /** @throws Error also when the status is not a 2xx. */
  // oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the caller knows the API it asks
  json<T>(call: Call): Promise<T>;
  close(): void;
}

export function httpClient(at: { readonly port: number } | { readonly socketPath: string }): HttpClient {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const send = (call: Call): Promise<Reply> => sendOver(agent, at, call);
  return {
    send,
    async json<T>(call: Call) {
      const reply = await send(call);
      if (reply.status >= 300) throw new Error(`${call.method} ${call.path}: ${reply.status} ${reply.text}`);
      // The test names the shape it asked for; what it does with a wrong one fails.
      return JSON.parse(reply.text) as T;
    },
    close: () => agent.destroy(),
  };
}

function sendOver(agent: Agent, at: object, { body, key, method, path, token }: Call): Promise<Reply> {
  const content = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
  const headers = {
    ...(content === undefined ? {} : { "content-type": "application/json", "content-length": String(content.length) }),
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(key === undefined ? {} : { "idempotency-key": key }),
  };
  return new Promise((resolve, reject) => {
    const options = { ...at, host: "localhost", agent, method, path, headers, timeout: REPLY_MS };
    const outgoing = request(options, (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on("data", (chunk: Buffer) => void chunks.push(chunk));
      incoming.on("error", reject);
      incoming.on("end", () => {
        const text = Buffer.concat(chunks).toString("utf8");
        const { headers: fields, statusCode: status = 0 } = incoming;
        resolve({ status, headers: fields, text, code: problemCode(fields["content-type"], text) });
      });
    });
    outgoing.on("timeout", () => outgoing.destroy(new Error(`${method} ${path} was not answered in ${REPLY_MS} ms`)));
    outgoing.on("error", reject);
    outgoing.end(content);
  });
}

function problemCode(type: string | undefined, text: string): string | undefined {
  if (type?.startsWith("application/problem+json") !== true) return undefined;
  const problem: unknown = JSON.parse(text);
  const code = typeof problem === "object" && problem !== null && "code" in problem ? problem.code : undefined;
  return typeof code === "string" ? code : undefined;
}
