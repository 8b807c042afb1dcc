import type { Attack } from "../attack.ts";
import { type Answer, itemsOf } from "../http.ts";

const DENIED = { status: 403, code: "access.denied" } as const;
const INVALID = { status: 400, code: "request.invalid" } as const;
const SIGN_IN_REQUIRED = { status: 401, code: "identity.sign_in_required" } as const;

/** What a role may not do, and what nobody may make of their own role. */
export const roleAttacks: readonly Attack[] = [
  {
    id: "viewer-reads-audit",
    title: "A viewer reads the audit log",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks",
    target: "api",
    async scene({ a }) {
      const viewer = await a.person("viewer");
      const ask = (session: string) => ({ method: "GET", path: "/v1/audit-events", session });
      return { twin: ask(a.owner.session), attack: ask(viewer.session) };
    },
  },
  {
    id: "editor-invites",
    title: "An editor invites an accomplice",
    flaws: [45],
    layer: 3,
    expected: DENIED,
    differs: "who asks",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const editor = await a.person("editor");
      const body = { email: `${stage.name("friend")}@example.com`, role: "viewer" };
      const ask = (session: string) => ({ method: "POST", path: "/v1/invitations", session, body });
      return { twin: ask(a.owner.session), attack: ask(editor.session) };
    },
  },
  {
    id: "admin-makes-owner",
    title: "An administrator makes somebody an owner, who holds more than they do",
    flaws: [42],
    layer: 3,
    expected: DENIED,
    differs: "the role",
    target: "api",
    async scene({ a }) {
      const [admin, viewer] = [await a.person("admin"), await a.person("viewer")];
      const ask = (role: string) => ({
        method: "PUT",
        path: `/v1/users/${viewer.user}/role`,
        session: admin.session,
        body: { role },
      });
      return { twin: ask("editor"), attack: ask("owner") };
    },
  },
  {
    id: "unknown-role",
    title: "Roles that do not exist are given, among them members of every object",
    flaws: [42],
    layer: 3,
    expected: INVALID,
    differs: "the role",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const viewer = await a.person("viewer");
      const give = async (role: unknown): Promise<Answer> =>
        await stage.send({
          method: "PUT",
          path: `/v1/users/${viewer.user}/role`,
          session: a.owner.session,
          body: { role },
        });
      const roles = ["superuser", "Owner", "constructor", "toString", "", ["owner"], { name: "owner" }, null, 1];
      return {
        twin: async () => await give("editor"),
        attack: async () => await Promise.all(roles.map((role) => give(role))),
      };
    },
  },
  {
    id: "role-on-joining",
    title: "Somebody who accepts an invitation names a better role than the one offered",
    flaws: [70],
    layer: 3,
    expected: INVALID,
    differs: "the member role",
    target: "api",
    async scene(stage) {
      const password = stage.secret("granite-otter-fifteen-lamps");
      const ask = async (token: string, extra: object): Promise<Answer> =>
        await stage.send({
          method: "POST",
          path: "/v1/invitations/accept",
          body: { token, name: "Alex Example", password, ...extra },
        });
      const [one, other] = [await stage.a.invite("viewer"), await stage.a.invite("viewer")];
      return {
        twin: async () => await ask(one.token, {}),
        attack: async () => [
          await ask(other.token, { role: "owner" }),
          await ask(other.token, { tenant_id: stage.b.tenant }),
          await ask(other.token, { is_admin: true }),
        ],
      };
    },
  },
  {
    id: "second-factor-in-body",
    title: "The client says that the second factor was given",
    flaws: [2, 70],
    layer: 3,
    expected: INVALID,
    differs: "the member mfa_verified",
    target: "api",
    async scene({ a: { owner } }) {
      const { tenant, email, password } = owner;
      const ask = (extra: object) => ({
        method: "POST",
        path: "/v1/sign-in",
        body: { tenant, email, password, ...extra },
      });
      return await Promise.resolve({ twin: ask({}), attack: ask({ mfa_verified: true }) });
    },
  },
  {
    id: "stale-role",
    title: "An administrator who was made a viewer acts with the role the session began with",
    flaws: [11, 24],
    layer: 3,
    expected: DENIED,
    differs: "the role at this moment",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const admin = await a.person("admin");
      const list = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/users", session: admin.session });
      return {
        twin: list,
        async attack() {
          const path = `/v1/users/${admin.user}/role`;
          await stage.must({ method: "PUT", path, session: a.owner.session, body: { role: "viewer" } });
          return await list();
        },
      };
    },
  },
  {
    id: "disabled-person",
    title: "Somebody who was disabled goes on with an open session",
    flaws: [29],
    layer: 3,
    expected: SIGN_IN_REQUIRED,
    differs: "the disabling",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const person = await a.person("editor");
      const look = async (): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session: person.session });
      return {
        twin: look,
        async attack() {
          await stage.must({ method: "POST", path: `/v1/users/${person.user}/disable`, session: a.owner.session });
          return await look();
        },
      };
    },
  },
  {
    id: "refused-look-is-recorded",
    title: "Somebody tries doors and hopes that nobody will know",
    flaws: [46],
    layer: 5,
    expected: DENIED,
    differs: "who asks",
    target: "api",
    async scene(stage) {
      const { a } = stage;
      const viewer = await a.person("viewer");
      const look = { method: "GET", path: "/v1/users" };
      return {
        twin: { ...look, session: a.owner.session },
        attack: { ...look, session: viewer.session },
        async holds() {
          const path = "/v1/audit-events?action=access.denied&limit=200";
          // Refusals are gathered for a moment before they are written, and the sequencer follows after that.
          for (let round = 0; round < 60; round += 1) {
            const events = itemsOf(await stage.must({ method: "GET", path, session: a.owner.session }));
            if (events.some((event) => String(event["actor"]).includes(viewer.user))) return undefined;
            await stage.delay(250);
          }
          return "the audit does not show it after 15 s";
        },
      };
    },
  },
];
