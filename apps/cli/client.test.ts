import { chmodSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import * as fc from "fast-check";
import { PlainSecret } from "ringwall/core";
import { afterEach, expect, test } from "vitest";
import { type Client, makeClient, printable, segment, serverUrl, type Target } from "./client.ts";
import { CommandFailed, EXIT, UsageError } from "./command.ts";
import { commands } from "./commands/index.ts";
import { recorded, temporaryFolder } from "./context.fixture.ts";
import { run } from "./run.ts";

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

type Answer = (request: Seen, response: ServerResponse) => void;

/** A server that keeps what it was asked and answers as it is told. */
async function serve(answer: Answer): Promise<{ socket: string; url: URL; seen: Seen[] }> {
  const seen: Seen[] = [];
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    let body = "";
    request.setEncoding("utf8").on("data", (chunk: string) => (body += chunk));
    request.on("end", () => {
      const one = { method: request.method ?? "", url: request.url ?? "", headers: request.headers, body };
      seen.push(one);
      answer(one, response);
    });
  };
  const socket = join(temporaryFolder(), "admin.sock");
  const [local, remote] = [createServer(handler), createServer(handler)];
  servers.push(local, remote);
  await new Promise<void>((done) => void local.listen(socket, done));
  await new Promise<void>((done) => void remote.listen(0, "127.0.0.1", done));
  // `address` gives a text for sockets only.
  const { port } = remote.address() as AddressInfo;
  return { socket, url: new URL(`http://127.0.0.1:${port}`), seen };
}

function json(status: number, body: unknown, type = "application/json"): Answer {
  return (_request, response) => response.writeHead(status, { "content-type": type }).end(JSON.stringify(body));
}

function client(target: Target): Client {
  return makeClient(target, new AbortController().signal);
}

async function failure(work: Promise<unknown>): Promise<CommandFailed> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof CommandFailed) return error;
  throw new TypeError(`expected a CommandFailed, got ${String(error)}`);
}

test("asks over the admin socket without a credential, and over an address with one", async () => {
  const { socket, url, seen } = await serve(json(200, { items: [] }));
  await client({ kind: "socket", path: socket }).request("GET", "/v1/tenants");
  const key = new PlainSecret("rw_0123456789abcdef");
  await client({ kind: "url", url, credential: () => key }).request("PUT", "/v1/secrets/a", { value: "ä" });
  expect(seen.map(({ method, url: path, body }) => [method, path, body])).toEqual([
    ["GET", "/v1/tenants", ""],
    ["PUT", "/v1/secrets/a", '{"value":"ä"}'],
  ]);
  expect(seen[0]?.headers.authorization).toBeUndefined();
  expect(seen[1]?.headers.authorization).toBe("Bearer rw_0123456789abcdef");
});

test("a problem document becomes code, title, request id and a way out; control characters stay out of the terminal", async () => {
  const problem = { code: "access.denied", title: "No.\u001B[2J", request_id: "r-1" };
  const { socket } = await serve(json(403, problem, "application/problem+json"));
  const error = await failure(client({ kind: "socket", path: socket }).request("GET", "/v1/secrets"));
  expect(error.message).toBe("access.denied: No.\u{FFFD}[2J (request id r-1)");
  expect([error.code, error.exit]).toEqual(["access.denied", EXIT.failed]);
  expect(error.wayOut).not.toBe("");
});

test.each<[string, Answer]>([
  ["a redirect", (_request, response) => response.writeHead(302, { location: "http://example.com/" }).end()],
  [
    "a page of something else",
    (_request, response) => response.writeHead(200, { "content-type": "text/html" }).end("<p>"),
  ],
  ["broken JSON", (_request, response) => response.writeHead(200, { "content-type": "application/json" }).end("{")],
  ["an error without a problem document", json(500, { message: "x" })],
])("%s is a failure, not an answer", async (_name, answer) => {
  const { socket, seen } = await serve(answer);
  const error = await failure(client({ kind: "socket", path: socket }).request("GET", "/"));
  expect(error.exit).toBe(EXIT.failed);
  expect(seen).toHaveLength(1);
});

test("an endless answer is cut off", async () => {
  const { socket } = await serve((_request, response) => {
    response.writeHead(200, { "content-type": "application/json" });
    const chunk = Buffer.alloc(1_048_576, " ");
    const more = (): void => {
      while (!response.destroyed && response.write(chunk));
    };
    response.on("drain", more);
    more();
  });
  const error = await failure(client({ kind: "socket", path: socket }).request("GET", "/"));
  expect(error.exit).toBe(EXIT.unreachable);
});

test("an interrupted request ends", async () => {
  const stop = new AbortController();
  const { socket } = await serve(() => stop.abort());
  const error = await failure(makeClient({ kind: "socket", path: socket }, stop.signal).request("GET", "/"));
  expect(error.message).toBe("interrupted");
});

test("no server is exit 3", async () => {
  const path = join(temporaryFolder(), "admin.sock");
  expect((await failure(client({ kind: "socket", path }).request("GET", "/"))).exit).toBe(EXIT.unreachable);
});

test("a name is one path segment, whatever it holds", () => {
  fc.assert(
    fc.property(
      fc.string({ unit: "grapheme", minLength: 1 }).filter((name) => !/^\.\.?$/.test(name)),
      (name) => {
        const url = new URL(`http://h/v1/secrets/${segment(name)}/rotate`);
        const parts = url.pathname.split("/");
        expect(parts).toHaveLength(5);
        expect(decodeURIComponent(parts[3] ?? "")).toBe(name);
      },
    ),
    { examples: [["bank/database-password"], ["a/../b"], ["a?b#c"], ["%2e%2e"]] },
  );
  for (const dots of [".", ".."]) expect(() => segment(dots)).toThrow(UsageError);
});

test.each([
  "http://example.com",
  "http://127.evil.example",
  "http://localhost.evil.example",
  "https://h/path",
  "https://h/?q",
])("%s is not where a credential goes", (text) => {
  expect(() => serverUrl(text)).toThrow(CommandFailed);
});

test.each(["https://example.com", "http://localhost:7400", "http://127.0.0.1:7400", "http://[::1]:7400"])(
  "%s is",
  (text) => {
    expect(serverUrl(text).origin).toBe(text);
  },
);

test("printable leaves no control character", () => {
  fc.assert(fc.property(fc.string({ unit: "binary" }), (text) => !/\p{C}/u.test(printable(text))));
});

test("a secret's value goes from stdin into the body, and nowhere else", async () => {
  const { url, seen } = await serve(json(200, { name: "bank/mail", version: 3 }));
  const folder = temporaryFolder();
  const credential = join(folder, "key");
  writeFileSync(credential, "rw_0123456789abcdef\n", { mode: 0o600 });
  const { context, out, err } = recorded({}, { readStdin: async () => await Promise.resolve("hunter2\n") });
  const words = ["secrets", "set", "bank/mail", "--tenant", "north", "--url", url.origin, "--credential", credential];
  expect(await run(commands, words, context)).toBe(EXIT.ok);
  expect(seen.map((one) => [one.url, one.body])).toEqual([
    ["/v1/secrets", JSON.stringify({ name: "bank/mail", value: "hunter2", tenant: "north" })],
  ]);
  expect(out).toEqual(["stored bank/mail as version 3"]);
  expect(`${out.join()}${err.join()}`).not.toContain("hunter2");
});

test("a credential file that others can read is refused before anything is sent", async () => {
  const { url, seen } = await serve(json(200, { items: [] }));
  const credential = join(temporaryFolder(), "key");
  writeFileSync(credential, "rw_0123456789abcdef\n");
  chmodSync(credential, 0o644);
  const { context, err } = recorded();
  const words = ["secrets", "list", "--url", url.origin, "--credential", credential];
  expect(await run(commands, words, context)).toBe(EXIT.failed);
  expect(seen).toHaveLength(0);
  expect(err[0]).toContain("can be read by others");
});

test("a credential cannot break out of its header", async () => {
  const { url, seen } = await serve(json(200, { items: [] }));
  const credential = join(temporaryFolder(), "key");
  writeFileSync(credential, "rw_0123456789abcdef\r\nX-Tenant: other\n", { mode: 0o600 });
  const { context, err } = recorded();
  expect(await run(commands, ["secrets", "list", "--url", url.origin, "--credential", credential], context)).toBe(
    EXIT.failed,
  );
  expect(seen).toHaveLength(0);
  expect(err.join()).not.toContain("rw_");
});

test("an invitation's link goes into a 0600 file, and JSON output does not hold it", async () => {
  const link = "https://bank.example/join#token=abc";
  const { socket } = await serve(json(201, { link, expires_at: "2026-11-24T00:30:00.000Z" }));
  const folder = temporaryFolder();
  const { context, out } = recorded(
    { cwd: folder, settings: {} },
    { connect: () => client({ kind: "socket", path: socket }) },
  );
  const words = ["users", "invite", "a@b.example", "--role", "owner", "--link-file", "link.txt", "--json"];
  expect(await run(commands, words, context)).toBe(EXIT.ok);
  expect(JSON.parse(out[0] ?? "")).toEqual({
    link_file: join(folder, "link.txt"),
    expires_at: "2026-11-24T00:30:00.000Z",
  });
});

test("without a terminal and without a file, no link is made: a new one would have killed the old one", async () => {
  const { socket, seen } = await serve(json(201, {}));
  const { context } = recorded({}, { connect: () => client({ kind: "socket", path: socket }) });
  expect(await run(commands, ["bootstrap", "reissue"], context)).toBe(EXIT.usage);
  expect(seen).toHaveLength(0);
});

test("rows are an aligned table for people and JSON for programs", async () => {
  const rest = {
    status: "active",
    environment: "production",
    account: null,
    created_at: "2026-11-24T00:00:00.000Z",
    deletion_at: null,
    deleted_at: null,
  };
  const items = [
    { id: "north", name: "Northbank", ...rest },
    { id: "southbank", name: "S\u0007", ...rest },
  ];
  const { socket } = await serve(json(200, { items }));
  const over = { connect: () => client({ kind: "socket", path: socket }) };
  const people = recorded({}, over);
  await run(commands, ["tenants", "list"], people.context);
  expect(people.out).toEqual([
    "id         name       status  environment  deletion at  created at",
    "north      Northbank  active  production   -            2026-11-24T00:00:00.000Z",
    "southbank  S\u{FFFD}         active  production   -            2026-11-24T00:00:00.000Z",
  ]);
  const programs = recorded({}, over);
  await run(commands, ["tenants", "list", "--json"], programs.context);
  expect(JSON.parse(programs.out.join(""))).toEqual(items);
});
