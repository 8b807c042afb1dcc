import type { Attack, Scene } from "../attack.ts";
import { type Answer, itemsOf } from "../http.ts";
import { signInAsk } from "../people.ts";
import type { Stage } from "../stage.ts";

const MALFORMED = { status: 400, code: "request.malformed" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;
const FAILED = { status: 401, code: "identity.sign_in_failed" } as const;
const TOO_LARGE = { status: 413, code: "request.too_large" } as const;
const SQL = ["' OR '1'='1", "'; DROP TABLE ringwall.user_account; --", "'; select pg_sleep(5)--", "1) OR (1=1"];

/** Bodies, ids and parameters that are not what they should be. */
export const inputAttacks: readonly Attack[] = [
  {
    id: "sql-in-sign-in",
    title: "SQL stands in the address and the password of a sign-in",
    flaws: [34],
    layer: 4,
    expected: FAILED,
    differs: "the SQL",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const sign = async (over: { email?: string; password?: string }): Promise<Answer> =>
        await stage.send(signInAsk(person, over));
      const [local = ""] = person.email.split("@");
      return {
        twin: async () => await sign({}),
        attack: async () => [
          await sign({ email: `${local}'or'1'='1'--@example.com` }),
          await sign({ email: `'or'1'='1@example.com` }),
          await sign({ password: `' OR '1'='1' -- ` }),
        ],
      };
    },
  },
  {
    id: "sql-in-ids",
    title: "SQL stands where ids and tenants belong, in paths, queries and bodies",
    flaws: [34],
    layer: 3,
    expected: INVALID,
    differs: "the SQL",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const { session, user, email, password } = a.owner;
      const get = async (path: string): Promise<Answer> => await stage.send({ method: "GET", path, session });
      const end = async (sid: string): Promise<Answer> =>
        await stage.send({ method: "DELETE", path: `/v1/sessions/${encodeURIComponent(sid)}`, session });
      const sign = async (tenant: string): Promise<Answer> =>
        await stage.send({ method: "POST", path: "/v1/sign-in", body: { tenant, email, password } });
      return await Promise.resolve({
        twin: async () => [await get(`/v1/users?after=${user}`), await sign(a.tenant)],
        attack: async () =>
          await Promise.all(
            SQL.flatMap((sql) => [
              get(`/v1/users?after=${encodeURIComponent(user + sql)}`),
              get(`/v1/audit-events?action=${encodeURIComponent(sql)}`),
              get(`/v1/audit-events?limit=${encodeURIComponent(`1 ${sql}`)}`),
              end(a.owner.sid + sql),
              sign(`${a.tenant}${sql}`),
            ]),
          ),
      });
    },
  },
  {
    id: "malformed-bodies",
    title: "Bodies are no JSON, or JSON that two readers read in two ways",
    flaws: [47],
    layer: 1,
    expected: MALFORMED,
    differs: "the body's bytes",
    target: "api",
    async scene(stage) {
      const { tenant, email, password } = await stage.a.person("viewer");
      const good = JSON.stringify({ tenant, email, password });
      const inner = good.slice(1, -1);
      const bad = [
        good.slice(0, -1),
        `${good}x`,
        `\u{FEFF}${good}`,
        `{${inner},"password":"other"}`,
        `{"tenant":"platform",${inner}}`,
        `{${inner},"__proto__":{"role":"owner"}}`,
        `{${inner},"constructor":{"prototype":{"role":"owner"}}}`,
        `{${inner},"extra":"\\u0000"}`,
        `{${inner},"extra":"\\ud800"}`,
        `{${inner},"extra":1e999}`,
        `{${inner},"extra":${"[".repeat(40)}${"]".repeat(40)}}`,
        `{'tenant':'${tenant}'}`,
        "",
      ];
      return {
        twin: async () => await signInBytes(stage, Buffer.from(good)),
        attack: async () => await Promise.all(bad.map((text) => signInBytes(stage, Buffer.from(text)))),
      };
    },
  },
  {
    id: "member-flood",
    title: "A body of very many members makes the parser build very large maps",
    flaws: [48],
    layer: 1,
    expected: MALFORMED,
    differs: "the members",
    differsIn: ["body", "bytes"],
    target: "api",
    async scene(stage) {
      const { session } = stage.a.owner;
      const put = { method: "PUT", path: "/v1/secrets", session };
      const members = Array.from({ length: 10_001 }, (_, index) => `"k${index}":1`);
      return await Promise.resolve({
        twin: { ...put, body: { name: "flood/key", value: "x" } },
        attack: { ...put, bytes: Buffer.from(`{"name":"flood/key","value":"x","extra":{${members.join(",")}}}`) },
      });
    },
  },
  {
    id: "broken-utf8",
    title: "Bytes that are no UTF-8 are replaced, so that different texts become equal",
    flaws: [53],
    layer: 1,
    expected: MALFORMED,
    differs: "the body's bytes",
    target: "api",
    async scene(stage) {
      const { tenant, email, password } = await stage.a.person("viewer");
      const good = JSON.stringify({ tenant, email, password });
      const broken = [[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]].map((bytes) =>
        Buffer.concat([Buffer.from(good.slice(0, -2)), Buffer.from(bytes), Buffer.from('"}')]),
      );
      return {
        twin: async () => await signInBytes(stage, Buffer.from(good)),
        attack: async () => await Promise.all(broken.map((bytes) => signInBytes(stage, bytes))),
      };
    },
  },
  {
    id: "compressed-body",
    title: "A small body unpacks into a large one",
    flaws: [48],
    layer: 1,
    expected: MALFORMED,
    differs: "the packing",
    differsIn: ["bytes", "header.content-encoding"],
    target: "api",
    async scene(stage) {
      const { gzipSync } = await import("node:zlib");
      const { tenant, email, password } = await stage.a.person("viewer");
      const good = Buffer.from(JSON.stringify({ tenant, email, password }));
      const bomb = gzipSync(Buffer.from(JSON.stringify({ tenant, email, password, extra: "0".repeat(8_000_000) })));
      return {
        twin: async () => await signInBytes(stage, good),
        attack: async () => [
          await signInBytes(stage, bomb, { "content-encoding": "gzip" }),
          await signInBytes(stage, gzipSync(good), { "content-encoding": "gzip" }),
        ],
      };
    },
  },
  {
    id: "wrong-media-types",
    title: "A form of another site, or JSON under a false name, is read as JSON",
    flaws: [36],
    layer: 1,
    expected: { status: 415, code: "request.media_type" },
    differs: "the field Content-Type",
    target: "api",
    async scene(stage) {
      const { tenant, email, password } = await stage.a.person("viewer");
      const good = Buffer.from(JSON.stringify({ tenant, email, password }));
      const types = [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain; application/json",
        "application/jsonx",
        "application/xml",
        "text/json",
      ];
      return {
        twin: async () => await signInBytes(stage, good),
        attack: async () => await Promise.all(types.map((type) => signInBytes(stage, good, { "content-type": type }))),
      };
    },
  },
  {
    id: "oversized-body",
    title: "A body larger than any route takes",
    flaws: [48],
    layer: 1,
    expected: TOO_LARGE,
    differs: "the body's size",
    target: "api",
    scene: async (stage) => await bodySizes(stage, {}),
  },
  {
    id: "oversized-body-undeclared",
    title: "A body larger than any route takes, whose length nobody declared",
    flaws: [48],
    layer: 1,
    expected: TOO_LARGE,
    differs: "the body's size",
    target: "api",
    scene: async (stage) => await bodySizes(stage, { "transfer-encoding": "chunked" }),
  },
  {
    id: "names-cut",
    title: "A name that is too long is cut instead of refused, and controls are taken out",
    flaws: [53],
    layer: 3,
    expected: INVALID,
    differs: "the name",
    target: "api",
    async scene(stage) {
      const password = stage.secret("granite-otter-fifteen-lamps");
      const longest = `é${stage.name("n")}`.padEnd(100, "o");
      const [one, other] = [await stage.a.invite("viewer"), await stage.a.invite("viewer")];
      const accept = async (token: string, name: string): Promise<Answer> => {
        const body = { token, name, password };
        return await stage.send({ method: "POST", path: "/v1/invitations/accept", body });
      };
      const bad = [`${longest}x`, "a\tb", "line\nline", "\u202Egnp.exe", " ", "", "x".repeat(5_000)];
      return {
        twin: async () => await accept(one.token, longest),
        attack: async () => await Promise.all(bad.map((name) => accept(other.token, name))),
        async holds() {
          const list = await stage.must({ method: "GET", path: "/v1/users", session: stage.a.owner.session });
          const kept = itemsOf(list).some((item) => item["name"] === longest);
          return kept ? undefined : "the longest lawful name was not given back as it was sent";
        },
      };
    },
  },
  {
    id: "wrong-types",
    title: "Members hold arrays, numbers and objects where texts belong",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "one member's type",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const { tenant, email, password } = person;
      const sign = async (over: object): Promise<Answer> => {
        const body = { tenant, email, password, ...over };
        return await stage.send({ method: "POST", path: "/v1/sign-in", body });
      };
      const bad = [
        { email: [email] },
        { password: { $ne: null } },
        { password: null },
        { password: true },
        { tenant: 1 },
        { tenant: { $gt: "" } },
        { email: { toString: "x" } },
      ];
      return {
        twin: async () => await sign({}),
        attack: async () => await Promise.all(bad.map((over) => sign(over))),
      };
    },
  },
];

async function bodySizes(stage: Stage, headers: Record<string, string>): Promise<Scene> {
  const { tenant, email, password } = await stage.a.person("viewer");
  const padded = (bytes: number): Buffer =>
    Buffer.from(JSON.stringify({ tenant, email, password }) + " ".repeat(bytes));
  return {
    twin: async () => await signInBytes(stage, padded(100), headers),
    attack: async () => await signInBytes(stage, padded(1_100_000), headers),
  };
}

async function signInBytes(stage: Stage, bytes: Buffer, headers: Record<string, string> = {}): Promise<Answer> {
  return await stage.send({ method: "POST", path: "/v1/sign-in", bytes, headers });
}
