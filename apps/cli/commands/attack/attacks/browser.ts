import type { Attack } from "../attack.ts";
import { type Answer, type Ask, portOf } from "../http.ts";
import { signInAsk } from "../people.ts";
import type { Stage } from "../stage.ts";

const CROSS_SITE = { status: 403, code: "request.cross_site" } as const;
const ORIGIN_REFUSED = { status: 403, code: "request.origin_refused" } as const;

/** What a page of another site makes the browser of somebody who is signed in send. */
export const browserAttacks: readonly Attack[] = [
  {
    id: "csrf-origin",
    title: "A page of another site sends a request that changes something",
    flaws: [36, 59],
    layer: 1,
    expected: ORIGIN_REFUSED,
    differs: "the field Origin",
    target: "api",
    async scene(stage) {
      const act = await invitation(stage);
      const own = ownOrigin(stage);
      return { twin: withHeaders(act, { origin: own }), attack: withHeaders(act, { origin: "https://evil.example" }) };
    },
  },
  {
    id: "csrf-null-origin",
    title: "A sandboxed frame, whose origin is null, sends a request that changes something",
    flaws: [36, 59],
    layer: 1,
    expected: ORIGIN_REFUSED,
    differs: "the field Origin",
    target: "api",
    async scene(stage) {
      const act = await invitation(stage);
      return { twin: withHeaders(act, { origin: ownOrigin(stage) }), attack: withHeaders(act, { origin: "null" }) };
    },
  },
  {
    id: "csrf-fetch-metadata",
    title: "A browser says that the request comes from another site, or another origin of ours",
    flaws: [36],
    layer: 1,
    expected: CROSS_SITE,
    differs: "the field Sec-Fetch-Site",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const sign = async (site: string): Promise<Answer> =>
        await stage.send(withHeaders(signInAsk(person), { "sec-fetch-site": site }));
      return {
        twin: async () => await sign("same-origin"),
        attack: async () => await Promise.all(["cross-site", "same-site", "nonsense"].map((site) => sign(site))),
      };
    },
  },
  {
    id: "csrf-cookie-alone",
    title: "A request with the session's cookie and no word about where it comes from",
    flaws: [36],
    layer: 1,
    expected: CROSS_SITE,
    differs: "the field Sec-Fetch-Site",
    target: "api",
    async scene(stage) {
      const { session, ...act } = await invitation(stage);
      const cookie = `__Host-rw_session=${session ?? ""}`;
      return {
        twin: withHeaders(act, { cookie, "sec-fetch-site": "same-origin" }),
        attack: withHeaders(act, { cookie }),
      };
    },
  },
  {
    id: "login-csrf",
    title: "A page of another site signs its visitor in to the attacker's account",
    flaws: [36],
    layer: 1,
    expected: ORIGIN_REFUSED,
    differs: "the field Origin",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      const ask = (origin: string): Ask => withHeaders(signInAsk(person), { origin });
      return { twin: ask(ownOrigin(stage)), attack: ask("http://localhost.evil.example") };
    },
  },
  {
    id: "cors-foreign-read",
    title: "A page of another site reads an answer, or is told that it may send more",
    flaws: [59],
    layer: 1,
    expected: ORIGIN_REFUSED,
    differs: "the field Origin",
    target: "api",
    async scene(stage) {
      const { session } = await stage.a.person("viewer");
      const get = async (origin: string): Promise<Answer> =>
        await stage.send({ method: "GET", path: "/v1/session", session, headers: { origin } });
      const own = ownOrigin(stage);
      const foreign = [
        "https://evil.example",
        "null",
        own.replace("http:", "https:"),
        own.slice(0, -1),
        `${own}.evil.example`,
      ];
      return {
        twin: async () => await get(own),
        attack: async () => await Promise.all(foreign.map((origin) => get(origin))),
        async holds(answers) {
          const asking = {
            "access-control-request-method": "DELETE",
            "access-control-request-headers": "authorization",
          };
          const preflights = await Promise.all(
            ["https://evil.example", "null"].map((origin) =>
              stage.send({ method: "OPTIONS", path: "/v1/session", headers: { origin, ...asking } }),
            ),
          );
          if (preflights.some((answer) => answer.code !== ORIGIN_REFUSED.code)) return "a preflight is not refused";
          return noneAllowed([...answers, ...preflights]);
        },
      };
    },
  },
  {
    id: "cookie-read-by-scripts",
    title: "A script, or a subdomain, gets at the session's cookie",
    flaws: [36],
    layer: 1,
    expected: { status: 200, code: "-" },
    differs: "a program instead of a browser",
    target: "api",
    async scene(stage) {
      const person = await stage.a.person("viewer");
      return {
        twin: signInAsk(person),
        attack: withHeaders(signInAsk(person), { "sec-fetch-site": "same-origin" }),
        holds([answer]) {
          const cookie = answer?.headers["set-cookie"] ?? "";
          const token = /__Host-rw_session=(rws_[\w-]+)/.exec(cookie)?.[1];
          if (token === undefined) return "a browser got no __Host- cookie";
          stage.secret(token);
          const lacking = ["Secure", "HttpOnly", "SameSite=Strict", "Path=/"].filter((word) => !cookie.includes(word));
          if (/domain=/i.test(cookie)) return "the cookie names a domain";
          if (answer?.text.includes(token) === true)
            return "the token stands in the body as well, where scripts read it";
          return lacking.length === 0 ? undefined : `the cookie lacks ${lacking.join(", ")}`;
        },
      };
    },
  },
];

function ownOrigin(stage: Stage): string {
  return `http://localhost:${portOf(stage.place, "api")}`;
}

function withHeaders(ask: Ask, headers: Readonly<Record<string, string>>): Ask {
  return { ...ask, headers: { ...ask.headers, ...headers } };
}

/** An act that may be done twice with one session: an invitation of one address takes the place of the one before. */
async function invitation(stage: Stage): Promise<Ask> {
  const { owner } = stage.a;
  const body = { email: `${stage.name("csrf")}@example.com`, role: "viewer" };
  return await Promise.resolve({ method: "POST", path: "/v1/invitations", session: owner.session, body });
}

function noneAllowed(answers: readonly Answer[]): string | undefined {
  const allowed = answers.some((answer) => answer.headers["access-control-allow-origin"] !== undefined);
  return allowed ? "an answer allows the foreign origin" : undefined;
}
