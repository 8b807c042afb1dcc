import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, globSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { TOTP } from "otpauth";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/core/index.ts";
import { freePort, opensslMissing } from "../../src/testing/index.ts";
import { untilRunning } from "../cli-process.ts";
import { until } from "../faults/until.ts";
import { type OwnPostgres, ownPostgres } from "../journeys/own-postgres.ts";
import { createTracker, hashPassword, SCHEMA } from "./tracker/before.ts";
import { openTracker } from "./tracker/tracker.ts";

// A tracker with two companies, as it was without Ringwall and as docs/guides/embedding.md makes it, on a PostgreSQL
// that is somebody's own. The page's sh and sql blocks are run as they stand there, its code is that of `tracker/`.

const missing = opensslMissing();
const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const APP = fileURLToPath(new URL("tracker", import.meta.url));
const PAGE = readFileSync(new URL("../../docs/guides/embedding.md", import.meta.url), "utf8");
const PASSWORD = "tide knot 52 ember";
const AUDIT_MS = 20_000;

const BLOCKS = [...PAGE.matchAll(/^```(\w+) ?(\w*)\n([\s\S]*?)^```$/gm)].map(
  ([, language = "", kind = "", body = ""]) => ({ language, kind, body }),
);

test("the code of the guide is the code that runs here", () => {
  const code = globSync("*.ts", { cwd: APP }).map((file) => readFileSync(join(APP, file), "utf8"));
  const blocks = BLOCKS.filter(({ language }) => language === "ts");
  expect(blocks.length).toBeGreaterThan(9);
  for (const { body } of blocks)
    expect(
      code.filter((file) => file.includes(body)),
      body,
    ).toHaveLength(1);
});

interface Answered {
  readonly status: number;
  // oxlint-disable-next-line typescript/no-explicit-any -- each test says which shape it expects, by comparing it
  readonly body: any;
}
type Ask = (method: string, path: string, body?: unknown, token?: string) => Promise<Answered>;

function asking(url: string, scheme: string): Ask {
  return async (method, path, body, token) => {
    const answer = await fetch(`${url}${path}`, {
      method,
      headers: {
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(token === undefined ? {} : { authorization: `${scheme}${token}` }),
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const said = await answer.text();
    return { status: answer.status, body: said === "" ? undefined : JSON.parse(said) };
  };
}

let own: OwnPostgres;
let port: number;
let service: ChildProcess | undefined;
let tracker: Awaited<ReturnType<typeof openTracker>>;
let ask: Ask;
let old: { readonly acme: string; readonly globex: string };
let tokens: { readonly olga: string; readonly gina: string; readonly ann: string; readonly vic: string };

beforeAll(async () => {
  if (missing !== undefined) return;
  own = await ownPostgres();
  port = await freePort();
}, 120_000);

afterAll(async () => {
  if (missing !== undefined) return;
  await tracker?.close();
  if (service !== undefined && service.exitCode === null) {
    const exited = once(service, "exit");
    service.kill("SIGTERM");
    await exited;
  }
  await own.stop();
}, 60_000);

function place(user: string, password: string, database = "tracker") {
  const ssl = { ca: readFileSync(own.authority.caFile, "utf8") };
  return { host: "localhost", port: own.postgres.port, user, password, database, ssl };
}

async function asSuperuser<T>(work: (client: Client) => Promise<T>, database = "tracker"): Promise<T> {
  const client = new Client(place("postgres", own.postgres.superuserPassword().open(), database));
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function shell(block: string): ChildProcess {
  const { PATH = "", HOME = "" } = process.env;
  const command = `"${ROOT}node_modules/.bin/node" --conditions=source "${ROOT}apps/cli/main.ts"`;
  const settings = `APP='${APP}'\nPORT='${port}'\nringwall() { ${command} "$@"; }`;
  return spawn(
    "bash",
    ["-c", `set -euo pipefail\n${settings}\n${block.replace(/^ringwall start/, `exec ${command} start`)}`],
    {
      cwd: own.folder,
      env: { PATH, HOME },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
}

async function run(block: string): Promise<string> {
  const child = shell(block);
  const { stderr, stdout } = child;
  if (stdout === null || stderr === null) throw new TypeError("a shell has pipes");
  const [said, complained] = await Promise.all([text(stdout), text(stderr), once(child, "exit")]);
  expect(child.exitCode, `${block}\n${said}\n${complained}`).toBe(0);
  return said;
}

/** Runs until it is asked to end; ready when it says so. */
async function serve(block: string): Promise<void> {
  const child = shell(block);
  service = child;
  await untilRunning(child);
}

/** Behind a company's link, at Ringwall's own server: a password, a second factor, a session. */
async function joinAsOwner(company: string): Promise<string> {
  const api = asking(`http://localhost:${port}`, "Bearer ");
  const token = readFileSync(join(own.folder, `${company}.link`), "utf8")
    .trim()
    .split("#")
    .at(-1)
    ?.split("=")
    .at(-1);
  const login = (await api("POST", "/v1/invitations/accept", { token, name: "Olga", password: PASSWORD })).body.login;
  const { uri } = (await api("POST", "/v1/sign-in/enrolment", { login })).body;
  const code = new TOTP({ secret: new URL(uri).searchParams.get("secret") ?? "" }).generate();
  return (await api("POST", "/v1/sign-in/enrolment/confirm", { login, code })).body.token;
}

/** A colleague is invited, joins and signs in, all at the tracker. */
async function joinAs(owner: string, email: string, role: string): Promise<string> {
  const { link } = (await ask("POST", "/invitations", { email, role }, owner)).body;
  const token = new URL(link).hash.slice(1);
  expect((await ask("POST", "/join", { token, name: "Somebody", password: PASSWORD })).status).toBe(200);
  const { body } = await ask("POST", "/sign-in", { tenant: "acme", email, password: PASSWORD });
  return body.token;
}

describe.skipIf(missing !== undefined)(
  `docs/guides/embedding.md${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  { timeout: 180_000 },
  () => {
    test("before: another company's ticket is shown, and a stranger deletes one", async () => {
      await asSuperuser(async (client) => {
        await client.query("create role tracker login password 'before'");
        await client.query("create database tracker owner tracker");
      }, "postgres");
      const pool = new Pool(place("tracker", "before"));
      await pool.query(SCHEMA);
      for (const [company, name] of [
        ["acme", "Olga"],
        ["acme", "Ann"],
        ["acme", "Vic"],
        ["globex", "Olga"],
      ]) {
        const email = `${name}@${company}.example`;
        await pool.query("insert into tracker.app_user (company, email, name, password) values ($1, $2, $3, $4)", [
          company,
          email,
          name,
          hashPassword("before"),
        ]);
      }
      const app = createTracker(pool);
      const before = asking(await app.listen({ port: 0 }), "");
      const enter = async (email: string) =>
        (await before("POST", "/login", { email, password: "before" })).body.token as string;
      const [ann, gina] = [await enter("Ann@acme.example"), await enter("Olga@globex.example")];
      const write = async (as: string, title: string) =>
        (await before("POST", "/tickets", { title, contact: "+46 70 123 45 67" }, as)).body.id as string;
      old = { acme: await write(ann, "The printer burns"), globex: await write(gina, "The lift sings") };
      expect((await before("GET", `/tickets/${old.globex}`, undefined, ann)).body.title).toBe("The lift sings");
      const gone = await write(gina, "Deleted by nobody");
      expect((await before("DELETE", `/tickets/${gone}`)).status).toBe(200);
      expect((await before("GET", `/tickets/${gone}`, undefined, gina)).status).toBe(404);
      await app.close();
      await pool.end();
    });

    test("the page leads from there to a tracker on Ringwall", async () => {
      copyFileSync(own.authority.caFile, join(own.folder, "postgres-ca.pem"));
      for (const { body, kind, language } of BLOCKS) {
        if (language === "json") {
          const config = body
            .replace("5432", String(own.postgres.port))
            .replaceAll(/"(postgres-ca\.pem)"|file:(data)/g, (_, ca, data) =>
              ca === undefined ? `file:${own.folder}/${data}` : `"${own.folder}/${ca}"`,
            );
          writeFileSync(join(own.folder, "ringwall.config.json"), config, { mode: 0o600 });
        } else if (language === "sql") await asSuperuser(async (client) => await client.query(body));
        else if (kind === "service") await serve(body);
        else if (language === "sh" && !body.includes("audit verify")) await run(body);
      }
      tracker = await openTracker(
        {
          configFile: join(own.folder, "ringwall.config.json"),
          dataDir: join(own.folder, "data"),
          origin: "http://localhost",
        },
        silentLogger,
      );
      const url = await tracker.app.listen({ host: "127.0.0.1", port: 0 });
      ask = asking(url.replace("127.0.0.1", "localhost"), "Bearer ");
      const [olga, gina] = [await joinAsOwner("acme"), await joinAsOwner("globex")];
      const ann = await joinAs(olga, "ann@acme.example", "editor");
      tokens = { olga, gina, ann, vic: await joinAs(olga, "vic@acme.example", "viewer") };
    });

    test("old people see their company's old tickets, and what was in clear is sealed", async () => {
      const { ann } = tokens;
      expect((await ask("GET", "/tickets", undefined, ann)).body).toEqual([
        { id: old.acme, title: "The printer burns" },
      ]);
      const ticket = await ask("GET", `/tickets/${old.acme}`, undefined, ann);
      expect(ticket.body.contact).toBe("+46 70 123 45 67");
      const made = await ask("POST", "/tickets", { title: "New", contact: "ann@home.example" }, ann);
      expect(made.status).toBe(201);
      const { rows } = await asSuperuser(
        async (client) =>
          await client.query(
            "select u.email, u.ringwall_user is not null as linked, t::text as whole from tracker.ticket t join tracker.app_user u on u.user_id = t.author where u.tenant_id = 'acme'",
          ),
      );
      expect(rows.map(({ email, linked }) => [email, linked])).toEqual([
        ["Ann@acme.example", true],
        ["Ann@acme.example", true],
      ]);
      for (const { whole } of rows) expect(whole).not.toMatch(/46 70|home\.example/);
    });

    test("strangers are refused everywhere, and the old entrance is gone", async () => {
      for (const [method, path] of [
        ["GET", "/tickets"],
        ["GET", `/tickets/${old.acme}`],
        ["POST", "/tickets"],
        ["DELETE", `/tickets/${old.acme}`],
        ["GET", `/tickets/${old.acme}/notes`],
        ["POST", "/invitations"],
      ] as const) {
        const body = method === "POST" ? {} : undefined;
        expect([method, path, (await ask(method, path, body)).status]).toEqual([method, path, 401]);
        expect((await ask(method, path, body, "rws_invented")).status).toBe(401);
      }
      expect((await ask("POST", "/login", { email: "Ann@acme.example", password: "before" })).status).toBe(404);
      const wrong = { tenant: "acme", email: "ann@acme.example", password: "before" };
      expect((await ask("POST", "/sign-in", wrong)).status).toBe(401);
    });

    test("another tenant's ticket is one that does not exist, in the application and in SQL", async () => {
      for (const [method, as] of [
        ["GET", tokens.ann],
        ["DELETE", tokens.olga],
      ] as const) {
        const [other, none] = [old.globex, "0198c1a0-0000-7000-8000-000000000001"].map(
          async (id) => await ask(method, `/tickets/${id}`, undefined, as),
        );
        const [there, nowhere] = [await other, await none];
        expect([there?.status, nowhere?.status]).toEqual([404, 404]);
        expect({ ...there?.body, request_id: "" }).toEqual({ ...nowhere?.body, request_id: "" });
      }
      expect((await ask("GET", `/tickets/${old.globex}`, undefined, tokens.gina)).body.title).toBe("The lift sings");
      const password = readFileSync(join(own.folder, "data/secrets/tracker_app.password"), "utf8").trim();
      const client = new Client(place("tracker_app", password));
      await client.connect();
      for (const table of ["tracker.ticket", "tracker.app_user", "tracker.note"]) {
        expect((await client.query(`select * from ${table}`)).rows).toEqual([]);
      }
      await client.query("select set_config('ringwall.context', 'globex', false)");
      await expect(client.query("select * from tracker.ticket")).rejects.toThrow();
      await expect(client.query("alter table tracker.ticket disable row level security")).rejects.toThrow(/owner/);
      await client.end();
      await expect(new Client(place("tracker", "before")).connect()).rejects.toThrow(/denied|permission/);
    });

    test("a role that may not is refused, and one that may is not", async () => {
      const ticket = { title: "Mine", contact: "me" };
      const statusOf = async (method: string, path: string, body: unknown, as: string) =>
        (await ask(method, path, body, as)).status;
      expect(await statusOf("POST", "/tickets", ticket, tokens.vic)).toBe(403);
      expect(await statusOf("DELETE", `/tickets/${old.acme}`, undefined, tokens.ann)).toBe(403);
      expect(await statusOf("POST", `/tickets/${old.acme}/notes`, { text: "no" }, tokens.ann)).toBe(403);
      const invited = { email: "eve@acme.example", role: "owner" };
      expect(await statusOf("POST", "/invitations", invited, tokens.ann)).toBe(403);
      expect(await statusOf("POST", `/tickets/${old.acme}/notes`, { text: "Call them." }, tokens.olga)).toBe(201);
      expect((await ask("GET", `/tickets/${old.acme}/notes`, undefined, tokens.olga)).body).toEqual(["Call them."]);
      const { id } = (await ask("POST", "/tickets", ticket, tokens.olga)).body;
      expect(await statusOf("DELETE", `/tickets/${id}`, undefined, tokens.olga)).toBe(204);
    });

    test("a body is strict JSON of the declared form, and no larger than the route takes", async () => {
      const post = async (body: string, path = "/tickets", as = tokens.ann): Promise<unknown> => {
        const { body: problem, status } = await ask("POST", path, body, as);
        return [status, problem.code];
      };
      expect(await post('{"title":"a","title":"b","contact":"c"}')).toEqual([400, "request.malformed"]);
      expect(await post('{"title":"a","contact":"c",}')).toEqual([400, "request.malformed"]);
      expect(await post('{"title":"a","contact":"c","tenant_id":"globex"}')).toEqual([400, "request.invalid"]);
      const large = JSON.stringify({ text: "x".repeat(9_000) });
      expect(await post(large, `/tickets/${old.acme}/notes`, tokens.olga)).toEqual([413, "request.too_large"]);
    });

    test("every act is in the company's own audit, which verifies", async () => {
      const tail = async (company: string): Promise<string[]> => {
        const said = await run(`ringwall audit tail --tenant ${company} --limit 200 --json --data data`);
        const lines = said.trim().split("\n");
        return lines.map((line) => (JSON.parse(line) as { action: string }).action);
      };
      await until("the acts are chained", AUDIT_MS, async () => {
        const actions = await tail("acme");
        const wanted = [
          "app.ticket_read",
          "app.ticket_written",
          "app.ticket_deleted",
          "app.note_written",
          "access.denied",
        ];
        return wanted.every((action) => actions.includes(action)) ? true : undefined;
      });
      expect(await tail("globex")).not.toContain("app.note_written");
      const verify = BLOCKS.find(({ body }) => body.includes("audit verify"))?.body ?? "";
      expect(await run(verify)).toContain("the audit log is whole");
    });
  },
);
