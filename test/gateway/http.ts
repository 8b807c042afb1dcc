import { type IncomingHttpHeaders, request as plainRequest } from "node:http";
import { connect } from "node:net";

/** What a request brings. `host` is the name alone; the port is added. */
export interface Asking {
  readonly method?: string;
  readonly path?: string;
  readonly host?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

export interface Answered {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

/** One request over a connection of its own. */
export async function ask(port: number, asking: Asking = {}): Promise<Answered> {
  const { body, headers = {}, host = "localhost", method = "GET", path = "/" } = asking;
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const request = plainRequest({
    host: "127.0.0.1",
    port,
    method,
    path,
    agent: false,
    headers: { host: `${host}:${port}`, ...length, ...(headers as Record<string, string>) },
  });
  request.once("error", reject);
  request.once("response", (response) => {
    const chunks: Buffer[] = [];
    response.on("data", (chunk: Buffer) => chunks.push(chunk));
    response.once("error", reject);
    response.once("end", () => {
      resolve({ status: response.statusCode ?? 0, headers: response.headers, text: Buffer.concat(chunks).toString() });
    });
  });
  request.end(body);
  return await promise;
}

/** Sends bytes as they are, and gives everything that comes back until the connection closes. */
export async function rawExchange(port: number, bytes: string): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  const socket = connect(port, "127.0.0.1");
  let text = "";
  socket.on("data", (chunk) => (text += chunk.toString("latin1")));
  socket.once("error", () => resolve(text));
  socket.once("close", () => resolve(text));
  socket.once("connect", () => socket.write(bytes, "latin1"));
  return await promise;
}

/** A browser as far as cookies and navigations go: a jar for each host, redirects and refreshing pages followed. */
export class Browser {
  readonly #port: number;
  readonly jars = new Map<string, Map<string, string>>();
  /** Every address that was opened, in order. */
  readonly visited: string[] = [];

  constructor(port: number) {
    this.#port = port;
  }

  jar(host: string): Map<string, string> {
    const jar = this.jars.get(host) ?? new Map<string, string>();
    this.jars.set(host, jar);
    return jar;
  }

  cookies(host: string): string {
    return [...this.jar(host)].map(([name, value]) => `${name}=${value}`).join("; ");
  }

  /** One request with the host's cookies; keeps what is set. */
  async send(host: string, path: string, asking: Omit<Asking, "host" | "path"> = {}): Promise<Answered> {
    const cookie = this.cookies(host);
    const own = { ...(cookie === "" ? {} : { cookie }), ...asking.headers };
    const answer = await ask(this.#port, { ...asking, host, path, headers: own });
    for (const text of answer.headers["set-cookie"] ?? []) {
      const [pair = ""] = text.split(";");
      const equals = pair.indexOf("=");
      if (/max-age=0/i.test(text)) this.jar(host).delete(pair.slice(0, equals));
      else this.jar(host).set(pair.slice(0, equals), pair.slice(equals + 1));
    }
    return answer;
  }

  /** Opens a page, and goes where it leads. */
  async open(host: string, path: string): Promise<Answered> {
    this.visited.push(`${host}${path}`);
    const headers = { "sec-fetch-mode": "navigate", "sec-fetch-dest": "document", accept: "text/html" };
    const answer = await this.send(host, path, { headers });
    return await this.#follow(host, answer);
  }

  /** Submits a form of the page. */
  async submit(host: string, path: string, fields: Readonly<Record<string, string>>): Promise<Answered> {
    const headers = {
      "content-type": "application/x-www-form-urlencoded",
      origin: `http://${host}:${this.#port}`,
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "navigate",
    };
    const answer = await this.send(host, path, {
      method: "POST",
      headers,
      body: new URLSearchParams(fields).toString(),
    });
    return await this.#follow(host, answer);
  }

  async #follow(host: string, answer: Answered): Promise<Answered> {
    const refresh = /http-equiv="refresh" content="0;url=([^"]+)"/.exec(answer.text)?.[1]?.replaceAll("&amp;", "&");
    const location = answer.headers.location ?? refresh;
    if (location === undefined) return answer;
    const url = new URL(location, `http://${host}:${this.#port}`);
    return await this.open(url.hostname, `${url.pathname}${url.search}`);
  }
}

/** The hidden fields of a page's form. */
export function hiddenFields(text: string): Record<string, string> {
  const found = text.matchAll(/<input type="hidden" name="([a-z]+)" value="([^"]*)">/g);
  return Object.fromEntries([...found].map(([, name = "", value = ""]) => [name, value]));
}
