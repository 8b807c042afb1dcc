import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Attack, differences } from "./attack.ts";
import { exchange, type Place } from "./http.ts";
import { play } from "./run.ts";
import type { Stage } from "./stage.ts";

/** What attacks of this file are played on: a server that has the flaws, and one way to ask it. */
type Sender = Pick<Stage, "send">;

let server: Server;
let sender: Sender;

/** Every account is everybody's; nothing else is there; one route fails and one hangs up. */
function answer(path: string): { status: number; type: string; body: object } | undefined {
  const problem = (status: number, code: string) => ({ status, type: "application/problem+json", body: { code } });
  if (path.startsWith("/accounts/")) return { status: 200, type: "application/json", body: { balance: 7 } };
  if (path === "/forbidden") return problem(403, "access.denied");
  if (path === "/failing") return problem(500, "internal");
  return path === "/silent" ? undefined : problem(404, "resource.not_found");
}

beforeAll(async () => {
  server = createServer((request, response) => {
    const made = answer(request.url ?? "");
    if (made === undefined) {
      request.socket.destroy();
      return;
    }
    response.writeHead(made.status, { "content-type": made.type });
    response.end(JSON.stringify(made.body));
  });
  await new Promise<void>((done) => void server.listen(0, "127.0.0.1", done));
  const place: Place = { api: (server.address() as AddressInfo).port, bank: undefined, socket: "" };
  sender = { send: async (ask) => await exchange(place, { ...ask, from: "127.0.0.1" }) };
});
afterAll(() => void server.close());

const get = (path: string) => ({ method: "GET", path });

/** An attack on somebody else's account, as the vulnerable server sees it. */
function attackOn(twin: string, attack: string, over: Partial<Attack<Sender>> = {}): Attack<Sender> {
  return {
    id: "example",
    title: "An example",
    flaws: [60],
    layer: 3,
    expected: { status: 404, code: "resource.not_found" },
    differs: "the path",
    target: "api",
    scene: async () => await Promise.resolve({ twin: get(twin), attack: get(attack) }),
    ...over,
  };
}

describe("a row", () => {
  test("is STOPPED when the twin passes and the attack gets the expected answer", async () => {
    const row = await play(attackOn("/accounts/own", "/nowhere"), sender);
    expect(row).toMatchObject({ verdict: "stopped", got: "404 resource.not_found", note: "" });
  });

  test("is SUCCEEDED when a vulnerable server lets the attack through", async () => {
    const row = await play(attackOn("/accounts/own", "/accounts/other"), sender);
    expect(row).toMatchObject({ verdict: "succeeded", got: "200" });
  });

  test("is SUCCEEDED when the answer is right and the harm is done all the same", async () => {
    const scene = { twin: get("/accounts/own"), attack: get("/nowhere"), holds: () => "the money is gone" };
    const row = await play(attackOn("", "", { scene: async () => await Promise.resolve(scene) }), sender);
    expect(row).toMatchObject({ verdict: "succeeded", note: "the money is gone" });
  });

  test("is SUCCEEDED when what is lawful is refused", async () => {
    const row = await play(attackOn("/accounts/a", "/forbidden", { expected: { status: 200, code: "-" } }), sender);
    expect(row).toMatchObject({ verdict: "succeeded" });
  });

  test("is INVALID when the twin is refused too, whatever became of the attack", async () => {
    for (const attack of ["/nowhere", "/accounts/other"]) {
      expect(await play(attackOn("/not-there", attack), sender)).toMatchObject({ verdict: "invalid" });
    }
  });

  test("is INVALID when something else refused the attack", async () => {
    const row = await play(attackOn("/accounts/own", "/forbidden"), sender);
    expect(row).toMatchObject({ verdict: "invalid", got: "403 access.denied" });
  });

  test("is INVALID when the twin differs in more than one thing, unless the attack says in which fields", async () => {
    const other = { ...get("/nowhere"), headers: { origin: "null" } };
    const plain: Attack<Sender>["scene"] = async () =>
      await Promise.resolve({ twin: get("/accounts/own"), attack: other });
    const story: Attack<Sender>["scene"] = async (stage) =>
      await Promise.resolve({
        twin: async () => await stage.send(get("/accounts/own")),
        attack: async () => [await stage.send(get("/nowhere")), await stage.send(other)],
      });
    for (const scene of [plain, story]) {
      const row = await play(attackOn("", "", { scene }), sender);
      expect(row).toMatchObject({ verdict: "invalid", note: "the twin differs in 2 things: path, header.origin" });
      const declared = attackOn("", "", { scene, differsIn: ["path", "header.origin"] });
      expect(await play(declared, sender)).toMatchObject({ verdict: "stopped" });
    }
  });

  test("is ERROR when the server fails, hangs up, or the stage cannot be built", async () => {
    const broken: Attack<Sender> = attackOn("", "", {
      scene: async () => await Promise.reject(new TypeError("broken")),
    });
    for (const attack of [attackOn("/accounts/own", "/failing"), attackOn("/accounts/own", "/silent"), broken]) {
      expect(await play(attack, sender)).toMatchObject({ verdict: "error" });
    }
  });

  test("of several answers is as bad as the worst", async () => {
    const scene = async () => {
      const answers = [await sender.send(get("/nowhere")), await sender.send(get("/accounts/other"))];
      return { twin: get("/accounts/own"), attack: async () => await Promise.resolve(answers) };
    };
    expect(await play(attackOn("", "", { scene }), sender)).toMatchObject({ verdict: "succeeded" });
  });
});

test("differences names members and fields, not where a request comes from", () => {
  const base = { method: "POST", path: "/x", body: { a: 1, b: 2 }, headers: { origin: "a" }, from: "127.0.0.1" };
  expect(differences(base, { ...base, from: "127.0.0.2" })).toEqual([]);
  expect(differences(base, { ...base, body: { a: 1, b: 3, c: 4 }, headers: {} })).toEqual([
    "header.origin",
    "body.b",
    "body.c",
  ]);
  expect(differences(base, { ...base, method: "PUT", session: "s" })).toEqual(["method", "session"]);
});
