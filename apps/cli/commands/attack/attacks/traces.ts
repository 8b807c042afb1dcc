import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { randomToken } from "ringwall/core";
import type { Attack } from "../attack.ts";
import { itemsOf } from "../http.ts";
import { signInAsk } from "../people.ts";
import type { Stage } from "../stage.ts";

/** What of all this can be read afterwards. These attacks come last. */
export const traceAttacks: readonly Attack[] = [
  {
    id: "secrets-in-log-lines",
    title: "Somebody who reads the logs finds passwords, tokens, codes and card numbers",
    flaws: [52],
    layer: 1,
    expected: { status: 404, code: "resource.not_found" },
    differs: "a path that exists",
    target: "api",
    last: true,
    async scene(stage) {
      const { session } = await stage.a.person("viewer");
      const card = stage.secret("4111111111111111");
      const typed = stage.secret(randomToken(15));
      const query = `password=${typed}&token=${session}&card=${card}`;
      const headers = { "user-agent": `curl Bearer ${session} card ${card} password=${typed}` };
      const ask = (path: string) => ({ method: "GET", path, session, headers });
      return {
        twin: ask("/v1/session"),
        attack: async () => [
          await stage.send(ask(`/v1/nowhere?${query}`)),
          await stage.send(ask(`/v1/nowhere/${session}/${card}`)),
          await stage.send(ask(`/v1/nowhere/${encodeURIComponent(`password=${typed}`)}`)),
        ],
        async holds() {
          const lines = await logLines(stage, "/v1/nowhere");
          if (lines === undefined) return "the log does not show the requests after 5 s, so it cannot be judged";
          const found = [...stage.secrets].filter((secret) => lines.some((line) => shows(line, secret)));
          return found.length === 0 ? undefined : `${found.length} of ${stage.secrets.size} secrets stand in the log`;
        },
      };
    },
  },
  {
    id: "log-without-people",
    title: "The request log does not say who did it, because it is written before that is known",
    flaws: [67],
    layer: 1,
    expected: { status: 403, code: "access.denied" },
    differs: "who asks",
    target: "api",
    last: true,
    async scene(stage) {
      const { a } = stage;
      const viewer = await a.person("viewer");
      const ask = { method: "GET", path: "/v1/audit-events" };
      return {
        twin: { ...ask, session: a.owner.session },
        attack: { ...ask, session: viewer.session },
        async holds([answer]) {
          const id = answer?.headers["x-request-id"] ?? "";
          const lines = (await logLines(stage, id)) ?? [];
          const line = lines.find((each) => each.includes(id));
          if (line === undefined) return "the request is not in the log";
          const named = line.includes(viewer.user) && line.includes(a.tenant);
          return named ? undefined : "its line names neither tenant nor person";
        },
      };
    },
  },
  {
    id: "forged-log-lines",
    title: "A field of a request writes a line of its own into the log",
    flaws: [32, 52],
    layer: 1,
    expected: { status: 404, code: "resource.not_found" },
    differs: "a path that exists",
    target: "api",
    last: true,
    async scene(stage) {
      const mark = stage.name("forged");
      const line = `{"level":30,"msg":"${mark}"}`;
      return await Promise.resolve({
        twin: async () => await stage.send({ method: "GET", path: "/healthz" }),
        attack: async () => await stage.send({ method: "GET", path: `/v1/%0a${encodeURIComponent(line)}` }),
        async holds() {
          const healthz = { method: "GET", path: "/healthz" };
          await stage.prepare({ ...healthz, headers: { "user-agent": `x\t","a":${line}` } });
          const last = await stage.prepare({ ...healthz, headers: { "x-request-id": mark } });
          const id = last.headers["x-request-id"] ?? "";
          const lines = await logLines(stage, id);
          if (lines === undefined) return "the log does not show the requests after 5 s, so it cannot be judged";
          const broken = lines.filter((each) => each.includes(mark)).some((each) => !isRecord(each, mark));
          return broken ? "a line of the log is the visitor's, or no JSON" : undefined;
        },
      });
    },
  },
  {
    id: "address-of-nobody-in-audit",
    title: "A password typed into the box for the address stands in the audit log",
    flaws: [35],
    layer: 5,
    expected: { status: 401, code: "identity.sign_in_failed" },
    differs: "the address of somebody who is there",
    target: "api",
    last: true,
    async scene(stage) {
      const { a } = stage;
      const person = await a.person("viewer");
      const typed = `typed-${stage.name("pw")}@example.com`;
      return {
        twin: signInAsk(person),
        attack: signInAsk(person, { email: typed }),
        async holds() {
          const path = "/v1/audit-events?action=sign_in.failed&limit=200";
          for (let round = 0; round < 60; round += 1) {
            const log = await stage.must({ method: "GET", path, session: a.owner.session });
            if (log.text.includes(typed)) return "the audit holds it";
            // The failure itself must be there, or nothing was looked at.
            if (itemsOf(log).length > 0) return undefined;
            await stage.delay(250);
          }
          return "the audit shows no failed sign-in after 15 s";
        },
      };
    },
  },
  {
    id: "secrets-in-refusals",
    title: "A refusal repeats what was sent, or tells how the server is made",
    flaws: [],
    layer: 1,
    expected: { status: 400, code: "request.invalid" },
    differs: "one member's type",
    target: "api",
    last: true,
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const { tenant, email, password } = person;
      const ask = (over: object) => ({
        method: "POST",
        path: "/v1/sign-in",
        body: { tenant, email, password, ...over },
      });
      return {
        twin: ask({}),
        attack: ask({ password: [password] }),
        holds() {
          const all = stage.refusals;
          const told = [...stage.secrets].filter(
            (secret) => secret.length > 6 && all.some((text) => text.includes(secret)),
          );
          if (told.length > 0) return `${told.length} secrets stand in refusals`;
          const inner = /\bat \w+ \(|node_modules|\.ts:\d|select .* from|ringwall_app|SQLSTATE|permission denied/i;
          const talkative = all.find((text) => inner.test(text));
          return talkative === undefined ? undefined : "a refusal tells how the server is made";
        },
      };
    },
  },
];

/** The lines of all logs, once one of them holds `mark`; undefined when none does within five seconds. */
async function logLines(stage: Stage, mark: string): Promise<readonly string[] | undefined> {
  for (let round = 0; round < 50; round += 1) {
    const files = readdirSync(stage.logFolder).filter((name) => /\.log(?:\.1)?$/.test(name));
    const lines = files.flatMap((name) => readFileSync(join(stage.logFolder, name), "utf8").split("\n"));
    if (mark !== "" && lines.some((line) => line.includes(mark))) return lines;
    await stage.delay(100);
  }
  return undefined;
}

/** Short codes are digits, which ids and times hold by chance: they count only where nothing of that kind is around. */
function shows(line: string, secret: string): boolean {
  if (!/^\d{6}$/.test(secret)) return line.includes(secret);
  return new RegExp(`(?<![\\w.-])${secret}(?![\\w.-])`).test(
    line.replaceAll(/"(?:time|bytes|durationMs)":[\d.]+/g, ""),
  );
}

/** Whether a line is one JSON object of the server's, and not the one that the visitor wrote. */
function isRecord(line: string, mark: string): boolean {
  try {
    const record = JSON.parse(line) as unknown;
    return typeof record === "object" && record !== null && Reflect.get(record, "msg") !== mark;
  } catch {
    return false;
  }
}
