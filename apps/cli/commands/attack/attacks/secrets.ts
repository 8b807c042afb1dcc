import { randomToken } from "ringwall/core";
import type { Attack } from "../attack.ts";
import type { Answer, Ask } from "../http.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;

/** Secrets that tenants keep, and what else tenants must not reach of each other by naming it. */
export const secretAttacks: readonly Attack[] = [
  {
    id: "secret-of-the-rival",
    title: "An owner writes a secret that the other bank will use",
    flaws: [40, 33],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the tenant",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const value = stage.secret(randomToken(24));
      const ask = (tenant: string): Ask => ({
        method: "PUT",
        path: "/v1/secrets",
        session: a.owner.session,
        body: { name: "payments/api-key", value, tenant },
      });
      return await Promise.resolve({
        twin: ask(a.tenant),
        attack: ask(b.tenant),
        async holds() {
          const list = async (session: string): Promise<string> =>
            (await stage.must({ method: "GET", path: "/v1/secrets", session })).text;
          const [own, other] = [await list(a.owner.session), await list(b.owner.session)];
          if (own.includes(value)) return "the list shows what the secret holds";
          return other.includes("payments/api-key") ? "the other bank has the secret" : undefined;
        },
      });
    },
  },
  {
    id: "secret-names-as-paths",
    title: "A secret's name climbs out of its tenant with dots and separators",
    flaws: [40],
    layer: 3,
    expected: INVALID,
    differs: "the name",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const value = stage.secret(randomToken(24));
      const put = async (name: unknown): Promise<Answer> =>
        await stage.send({ method: "PUT", path: "/v1/secrets", session: a.owner.session, body: { name, value } });
      const names = [
        `../${b.tenant}/key`,
        "mail/../../key",
        "/mail/key",
        "mail//key",
        "mail/key/",
        "mail\\key",
        "mail:key",
        "mail/%2e%2e/key",
        "MAIL/KEY",
        "mail/key ",
        "",
        ["mail", "key"],
      ];
      return await Promise.resolve({
        twin: async () => await put("mail/key"),
        attack: async () => await Promise.all(names.map((name) => put(name))),
      });
    },
  },
  {
    id: "editor-writes-secret",
    title: "An editor exchanges a secret that the bank uses",
    flaws: [45],
    layer: 3,
    expected: { status: 403, code: "access.denied" },
    differs: "who asks",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const editor = await a.person("editor");
      const body = { name: "mail/password", value: stage.secret(randomToken(24)) };
      const ask = (session: string): Ask => ({ method: "PUT", path: "/v1/secrets", session, body });
      return { twin: ask(a.owner.session), attack: ask(editor.session) };
    },
  },
  {
    id: "invitation-into-the-rival",
    title: "An owner invites an accomplice into the other bank",
    flaws: [33, 64],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the tenant",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const email = `${stage.name("friend")}@example.com`;
      const ask = (tenant: string): Ask => ({
        method: "POST",
        path: "/v1/invitations",
        session: a.owner.session,
        body: { email, role: "viewer", tenant },
      });
      return await Promise.resolve({ twin: ask(a.tenant), attack: ask(b.tenant) });
    },
  },
  {
    id: "register-of-tenants",
    title: "A bank's owner reads who else is a customer here",
    flaws: [64],
    layer: 3,
    expected: { status: 403, code: "access.denied" },
    differs: "network instead of the local socket",
    target: "api",
    async scene({ a }) {
      const ask: Ask = { method: "GET", path: "/v1/tenants", session: a.owner.session };
      return await Promise.resolve({ twin: { ...ask, server: "socket" }, attack: ask });
    },
  },
];
