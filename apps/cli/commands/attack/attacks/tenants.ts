import type { Attack } from "../attack.ts";
import { type Answer, fingerprint, itemsOf } from "../http.ts";

const NOT_FOUND = { status: 404, code: "resource.not_found" } as const;
const DENIED = { status: 403, code: "access.denied" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;
/** A well-formed id that nothing has. */
const NOBODY = "01890000-0000-7000-8000-000000000000";

/** The tenant wall on the server's own resources: people, sessions, secrets, the register of tenants. */
export const tenantAttacks: readonly Attack[] = [
  {
    id: "other-banks-person-role",
    title: "An owner gives a person of the other bank another role, by id",
    flaws: [33, 41],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "api",
    async scene({ a, b }) {
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const ask = (user: string) => ({
        method: "PUT",
        path: `/v1/users/${user}/role`,
        session: a.owner.session,
        body: { role: "editor" },
      });
      return { twin: ask(own.user), attack: ask(other.user) };
    },
  },
  {
    id: "other-banks-person-disable",
    title: "An owner disables a person of the other bank, by id",
    flaws: [33, 41],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const ask = (user: string) => ({
        method: "POST",
        path: `/v1/users/${user}/disable`,
        session: a.owner.session,
      });
      return {
        twin: ask(own.user),
        attack: ask(other.user),
        async holds() {
          const alive = await stage.send({ method: "GET", path: "/v1/session", session: other.session });
          return alive.status === 200 ? undefined : "the other bank's person cannot act any more";
        },
      };
    },
  },
  {
    id: "other-banks-session",
    title: "An owner ends a session of the other bank, by its public id",
    flaws: [33, 60],
    layer: 4,
    expected: NOT_FOUND,
    differs: "whose session it is",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const ask = (sid: string) => ({ method: "DELETE", path: `/v1/sessions/${sid}`, session: a.owner.session });
      return {
        twin: ask(own.sid),
        attack: ask(other.sid),
        async holds() {
          const alive = await stage.send({ method: "GET", path: "/v1/session", session: other.session });
          return alive.status === 200 ? undefined : "the other bank's session is over";
        },
      };
    },
  },
  {
    id: "existence-oracle-people",
    title: "The answer for another bank's person differs from the one for nobody",
    flaws: [60],
    layer: 3,
    expected: NOT_FOUND,
    differs: "whose person it is",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const [own, other] = [await a.person("viewer"), await b.person("viewer")];
      const disable = async (user: string): Promise<Answer> =>
        await stage.send({ method: "POST", path: `/v1/users/${user}/disable`, session: a.owner.session });
      return {
        twin: async () => await disable(own.user),
        attack: async () => [await disable(other.user), await disable(NOBODY)],
        holds: (answers) => (allAlike(answers) ? undefined : "the two answers differ"),
      };
    },
  },
  {
    id: "tenant-parameter",
    title: "A query that no route asked for names another tenant",
    flaws: [64],
    layer: 3,
    expected: INVALID,
    differs: "the tenant in the query",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const get = async (path: string): Promise<Answer> =>
        await stage.send({ method: "GET", path, session: a.owner.session });
      const paths = ["/v1/users", "/v1/audit-events"];
      return {
        twin: async () => await Promise.all(paths.map((path) => get(path))),
        attack: async () => await Promise.all(paths.map((path) => get(`${path}?tenant_id=${b.tenant}`))),
      };
    },
  },
  {
    id: "audit-of-the-rival",
    title: "An owner reads the other bank's audit log by naming it",
    flaws: [64],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the tenant in the query",
    target: "api",
    async scene({ a, b }) {
      const ask = (tenant: string) => ({
        method: "GET",
        path: `/v1/audit-events?tenant=${tenant}`,
        session: a.owner.session,
      });
      return await Promise.resolve({ twin: ask(a.tenant), attack: ask(b.tenant) });
    },
  },
  {
    id: "sessions-of-the-rival",
    title: "An owner lists who is signed in at the other bank by naming it",
    flaws: [64],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the tenant in the query",
    target: "api",
    async scene({ a, b }) {
      const ask = (tenant: string) => ({
        method: "GET",
        path: `/v1/sessions?tenant=${tenant}`,
        session: a.owner.session,
      });
      return await Promise.resolve({ twin: ask(a.tenant), attack: ask(b.tenant) });
    },
  },
  {
    id: "other-tenants-secrets",
    title: "An owner lists the secrets of the other bank by naming it",
    flaws: [40, 64],
    layer: 3,
    expected: NOT_FOUND,
    differs: "the tenant in the query",
    target: "api",
    async scene({ a, b }) {
      const ask = (tenant: string) => ({
        method: "GET",
        path: `/v1/secrets?tenant=${tenant}`,
        session: a.owner.session,
      });
      return await Promise.resolve({ twin: ask(a.tenant), attack: ask(b.tenant) });
    },
  },
  {
    id: "secret-path-traversal",
    title: "Dots and separators in a tenant's name reach another tenant's secrets",
    flaws: [40],
    layer: 3,
    expected: INVALID,
    differs: "separators in the tenant's name",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const get = async (tenant: string): Promise<Answer> => {
        const path = `/v1/secrets?tenant=${encodeURIComponent(tenant)}`;
        return await stage.send({ method: "GET", path, session: a.owner.session });
      };
      const names = [`../${b.tenant}`, `${a.tenant}/../${b.tenant}`, `${a.tenant}:${b.tenant}`, `${a.tenant}\0`];
      return await Promise.resolve({
        twin: async () => await get(a.tenant),
        attack: async () => await Promise.all(names.map((name) => get(name))),
      });
    },
  },
  {
    id: "forged-tenant-header",
    title: "A header names the other tenant",
    flaws: [33, 66],
    layer: 3,
    expected: { status: 200, code: "-" },
    differs: "the forged fields",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const get = async (headers: Record<string, string>): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/users", session: a.owner.session, headers });
      return await Promise.resolve({
        twin: async () => await get({}),
        attack: async () =>
          await Promise.all(
            ["x-tenant-id", "x-tenant", "tenant_id", "tenant"].map((name) => get({ [name]: b.tenant })),
          ),
        holds(answers) {
          const seen = answers.flatMap((answer) => itemsOf(answer)).map((item) => item["id"]);
          if (!seen.includes(a.owner.user)) return "one's own people were not shown";
          return seen.includes(b.owner.user) ? "the other bank's people were shown" : undefined;
        },
      });
    },
  },
  {
    id: "tenant-in-body",
    title: "A body names the tenant that an invitation is for",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "the member tenant_id",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const email = `${stage.name("mass")}@example.com`;
      const ask = (extra: object) => ({
        method: "POST",
        path: "/v1/invitations",
        session: a.owner.session,
        body: { email, role: "viewer", ...extra },
      });
      return await Promise.resolve({ twin: ask({}), attack: ask({ tenant_id: b.tenant }) });
    },
  },
  {
    id: "one-address-two-banks",
    title: "A password of one bank opens the account with the same address at the other",
    flaws: [19],
    layer: 3,
    expected: { status: 401, code: "identity.sign_in_failed" },
    differs: "the tenant",
    target: "api",
    async scene(stage) {
      const { a, b } = stage;
      const email = `${stage.name("twice")}@example.com`;
      const one = await stage.accept(a, await a.invite("viewer", email));
      await stage.accept(b, await b.invite("viewer", email));
      const ask = (tenant: string) => ({
        method: "POST",
        path: "/v1/sign-in",
        body: { tenant, email, password: one.password },
      });
      return { twin: ask(a.tenant), attack: ask(b.tenant) };
    },
  },
  {
    id: "suspend-the-rival",
    title: "A bank's owner, who may manage tenants, suspends the other bank",
    flaws: [33],
    layer: 3,
    expected: DENIED,
    differs: "network instead of the local socket",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const victim = await stage.bank();
      const path = `/v1/tenants/${victim.tenant}/suspend`;
      const resume = { method: "POST", path: `/v1/tenants/${victim.tenant}/resume`, server: "socket" } as const;
      return {
        async twin() {
          const done = await stage.send({ method: "POST", path, server: "socket", session: a.owner.session });
          await stage.must(resume);
          return done;
        },
        attack: { method: "POST", path, session: a.owner.session },
        async holds() {
          const alive = await stage.send({ method: "GET", path: "/v1/session", session: victim.owner.session });
          return alive.status === 200 ? undefined : "the other bank is shut";
        },
      };
    },
  },
  {
    id: "tenant-from-the-network",
    title: "A bank's owner enters a tenant in the register over the network",
    flaws: [33],
    layer: 3,
    expected: DENIED,
    differs: "network instead of the local socket",
    target: "api",
    async scene(stage) {
      const id = stage.name("attack");
      const session = stage.a.owner.session;
      return await Promise.resolve({
        twin: async () => await stage.enter(stage.name("attack")),
        attack: { method: "POST", path: "/v1/tenants", session, body: { id, name: id } },
      });
    },
  },
  {
    id: "suspended-tenant",
    title: "People of a suspended tenant go on with the sessions they have",
    flaws: [66],
    layer: 3,
    expected: { status: 401, code: "identity.sign_in_required" },
    differs: "the suspension",
    target: "api",
    async scene(stage) {
      const bank = await stage.bank();
      const look = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session: bank.owner.session });
      return {
        twin: look,
        async attack() {
          await stage.must({ method: "POST", path: `/v1/tenants/${bank.tenant}/suspend`, server: "socket" });
          return await look();
        },
      };
    },
  },
];

function allAlike(answers: readonly Answer[]): boolean {
  return new Set(answers.map((answer) => fingerprint(answer))).size === 1;
}
