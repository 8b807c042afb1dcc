import type { Attack } from "../../attack.ts";
import { read } from "../../holders.ts";
import { type Answer, type Ask, member, textOf } from "../../http.ts";
import type { Stage } from "../../stage.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const DENIED = { status: 403, code: "access.denied" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;

/** Documents of the example bank, and what the bank does at its own edge. */
export const bankDocumentAttacks: readonly Attack[] = [
  {
    id: "other-banks-document",
    title: "A document of the other bank is read by id",
    flaws: [33, 60],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose document it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await write(stage, a.owner.session), await write(stage, b.owner.session)];
      const ask = (id: string): Ask => read(`/api/documents/${id}`, a.owner.session);
      return { twin: ask(own), attack: ask(other) };
    },
  },
  {
    id: "other-banks-document-deleted",
    title: "A document of the other bank is deleted by id",
    flaws: [33, 41],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose document it is",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await write(stage, a.owner.session), await write(stage, b.owner.session)];
      const ask = (id: string): Ask => ({ ...read(`/api/documents/${id}`, a.owner.session), method: "DELETE" });
      return {
        twin: ask(own),
        attack: ask(other),
        async holds() {
          const still = await stage.send(read(`/api/documents/${other}`, b.owner.session));
          return still.status === 200 ? undefined : "the other bank's document is gone";
        },
      };
    },
  },
  {
    id: "customer-deletes-document",
    title: "A customer deletes a document, without the permission to delete",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks, each of a document of its own",
    differsIn: ["session", "path"],
    target: "bank",
    async scene(stage) {
      const { a } = stage;
      const editor = await a.person("editor");
      const [one, other] = [await write(stage, editor.session), await write(stage, editor.session)];
      const remove = async (id: string, session: string): Promise<Answer> =>
        await stage.send({ ...read(`/api/documents/${id}`, session), method: "DELETE" });
      return {
        twin: async () => await remove(one, a.owner.session),
        attack: async () => await remove(other, editor.session),
      };
    },
  },
  {
    id: "viewer-writes",
    title: "An auditor, who may read, writes a document",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks",
    target: "bank",
    async scene({ a }) {
      const [editor, viewer] = [await a.person("editor"), await a.person("viewer")];
      const ask = (session: string): Ask => writeAsk(session, "A title", "A text");
      return { twin: ask(editor.session), attack: ask(viewer.session) };
    },
  },
  {
    id: "html-in-titles",
    title: "A title holds a script, an event handler or a javascript: link",
    flaws: [55, 56],
    layer: 3,
    expected: INVALID,
    differs: "the title",
    target: "bank",
    async scene(stage) {
      const { session } = stage.a.owner;
      const titles = [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">statement</a>',
        "<svg/onload=alert(1)>",
        "</title><b>",
        "<!--",
        "<?xml",
      ];
      return await Promise.resolve({
        twin: async () => await stage.send(writeAsk(session, "a < b, and c > d", "A text")),
        attack: async () => await Promise.all(titles.map((title) => stage.send(writeAsk(session, title, "A text")))),
      });
    },
  },
  {
    id: "texts-changed",
    title: "Ordinary texts that look like attacks are refused, or come back changed",
    flaws: [47, 53, 55],
    layer: 3,
    expected: { status: 201, code: "-" },
    differs: "the text",
    target: "bank",
    async scene(stage) {
      const { session } = stage.a.owner;
      const texts = [
        "SELECT * FROM users WHERE name = 'O''Brien'; DROP TABLE users; --",
        "Use ${HOME} and {{name}} in the template; then rm -rf ./x && curl https://example.com",
        '<p onclick="x">HTML is a text as well &amp; stays one</p><script>alert(1)</script>',
        "../../../etc/passwd and ..\\..\\windows",
        " leading, trailing and \t tab \r\n lines \u{1F600} e\u0301 \u200d ",
        "\\u0041 \\x41 %27 %00 &#39;",
      ];
      return await Promise.resolve({
        twin: async () => await stage.send(writeAsk(session, "A title", "A text")),
        attack: async () => await Promise.all(texts.map((text) => stage.send(writeAsk(session, "A title", text)))),
        async holds(answers) {
          for (const [index, answer] of answers.entries()) {
            const back = await stage.must(read(`/api/documents/${textOf(answer, "id")}`, session));
            if (member(back, "body") !== texts[index]) return `text ${index + 1} came back changed`;
            // HTML inside a text is harmless as long as no browser takes the answer for a page.
            const type = back.headers["content-type"] ?? "";
            if (!type.startsWith("application/json")) return `a text is given back as ${type}`;
          }
          return undefined;
        },
      });
    },
  },
  {
    id: "texts-cut",
    title: "A text or a title that is too long is cut instead of refused",
    flaws: [53],
    layer: 3,
    expected: INVALID,
    differs: "one character more",
    target: "bank",
    async scene(stage) {
      const { session } = stage.a.owner;
      const longest = "é".repeat(10_000);
      let id = "";
      return await Promise.resolve({
        async twin() {
          const answer = await stage.send(writeAsk(session, "t".repeat(200), longest));
          id = answer.status === 201 ? textOf(answer, "id") : "";
          return answer;
        },
        attack: async () => [
          await stage.send(writeAsk(session, "t".repeat(200), `${longest}x`)),
          await stage.send(writeAsk(session, "t".repeat(201), longest)),
        ],
        async holds() {
          const back = await stage.must(read(`/api/documents/${id}`, session));
          return member(back, "body") === longest ? undefined : "the longest lawful text came back changed";
        },
      });
    },
  },
  {
    id: "document-of-another-owner",
    title: "The author of a document names somebody else as its owner, or another bank",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "one member more",
    target: "bank",
    async scene(stage) {
      const { a, b } = stage;
      const { session } = a.owner;
      const send = async (extra: object): Promise<Answer> =>
        await stage.send({
          ...writeAsk(session, "A title", "A text"),
          body: { title: "A title", body: "x", ...extra },
        });
      const extras = [{ owner_id: b.owner.user }, { tenant_id: b.tenant }, { id: b.owner.user }];
      return await Promise.resolve({
        twin: async () => await send({}),
        attack: async () => await Promise.all(extras.map((extra) => send(extra))),
      });
    },
  },
  {
    id: "cookie-of-another-host",
    title: "The cookie of the API's server is taken by the bank, which has one of its own",
    flaws: [],
    layer: 3,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the cookie's name",
    target: "bank",
    async scene({ a }) {
      const { session } = await a.person("viewer");
      const ask = (name: string): Ask => ({
        method: "GET",
        server: "bank",
        path: "/api/session",
        headers: { cookie: `${name}=${session}` },
      });
      return { twin: ask("__Host-bank_session"), attack: ask("__Host-rw_session") };
    },
  },
  {
    id: "open-bank-routes",
    title: "Some route of the bank forgot to ask who comes",
    flaws: [45],
    layer: 3,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the session",
    differsIn: ["session", "method", "path"],
    target: "bank",
    async scene(stage) {
      const id = "01890000-0000-7000-8000-000000000000";
      const routes = [
        "GET /api/session",
        "DELETE /api/session",
        "POST /api/session/step-up",
        "POST /api/users",
        "POST /api/customers",
        `GET /api/customers/${id}`,
        "POST /api/accounts",
        "GET /api/accounts",
        `GET /api/accounts/${id}`,
        "POST /api/transfers",
        `GET /api/transfers?account=${id}`,
        "GET /api/documents",
        `GET /api/documents/${id}`,
        "POST /api/documents",
        `DELETE /api/documents/${id}`,
      ];
      return await Promise.resolve({
        twin: read("/api/session", stage.a.owner.session),
        attack: async () =>
          await Promise.all(
            routes.map(async (route) => {
              const [method = "", path = ""] = route.split(" ");
              return await stage.send({ method, path, server: "bank" });
            }),
          ),
      });
    },
  },
  {
    id: "page-with-inline-scripts",
    title: "The bank's page lets inline scripts and styles run, or has one nonce for all",
    flaws: [50, 51],
    layer: 1,
    expected: NOT_FOUND,
    differs: "a path that exists",
    target: "bank",
    async scene(stage) {
      const get = async (path: string): Promise<Answer> => await stage.send({ method: "GET", server: "bank", path });
      return await Promise.resolve({
        twin: async () => await get("/"),
        attack: async () => await get("/index.html"),
        async holds([refusal]) {
          const policies = [await get("/"), await get("/")].map(
            (page) => page.headers["content-security-policy"] ?? "",
          );
          if (refusal?.headers["content-security-policy"] === undefined) return "a refusal has no policy";
          if (policies.some((policy) => !policy.includes("'nonce-") || policy.includes("unsafe")))
            return "the policy is weak";
          return policies[0] === policies[1] ? "two pages have one nonce" : undefined;
        },
      });
    },
  },
];

function writeAsk(session: string, title: string, body: string): Ask {
  return { method: "POST", server: "bank", path: "/api/documents", session, body: { title, body } };
}

/** Writes a document and returns its id. */
async function write(stage: Stage, session: string): Promise<string> {
  return textOf(await stage.must(writeAsk(session, "A title", "A text")), "id");
}
