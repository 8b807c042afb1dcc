import type { Identity, SignedIn } from "ringwall/application/identity";
import { requests } from "ringwall/application/identity";
import { RingwallError, randomToken } from "ringwall/core";
import type { Exchange } from "ringwall/pipeline";
import { holdsToken } from "../fields.ts";
import {
  challengeOf,
  cookieOf,
  endedCookie,
  HOST_COOKIE,
  LOGIN_COOKIE,
  type SealedCookies,
  SIGN_IN_COOKIE,
  STATE_COOKIE,
  shortCookie,
} from "../sealed-cookies.ts";
import { codeForm, type Destination, page, passwordForm, signOutForm } from "./pages.ts";

/** Time to find a password, an app and a code. */
const STATE_SECONDS = 600;
/** Longer ones start at the front page; a cookie must stay small. */
const TARGET_CHARS_MAX = 1_000;
const NONCE_BYTES = 16;
const HTML = "text/html; charset=utf-8";
const STATE = /^([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]*)$/;
const CHALLENGE = /^[A-Za-z0-9_-]{43}$/;

/** An answer of the entrance's. */
export interface EntranceAnswer {
  readonly status: 200 | 302 | 303 | 400 | 401 | 429 | 503;
  readonly fields: readonly string[];
  readonly body: string;
}

/** One request to the entrance. */
export interface EntranceVisit {
  readonly exchange: Exchange;
  /** The host name without port. */
  readonly hostName: string;
  /** `Host` as it came, with its port. */
  readonly authority: string;
  readonly query: URLSearchParams;
  /** A form's fields; empty for GET. */
  readonly form: URLSearchParams;
}

/** What the entrance stands on. */
export interface EntranceParts {
  readonly identity: Pick<
    Identity,
    "authenticate" | "signIn" | "giveCode" | "beginLoginEnrolment" | "confirmLoginEnrolment" | "signOut"
  >;
  readonly cookies: SealedCookies;
  readonly hosts: ReadonlySet<string>;
  readonly signInHost: string;
}

/** Signing in once for all hosts of the gateway, and each host's own cookie out of it. */
export class Entrance {
  readonly #parts: EntranceParts;

  constructor(parts: EntranceParts) {
    this.#parts = parts;
  }

  /** Sends a browser to the sign-in page, with something to recognise it by when it comes back. */
  begin({ authority, exchange }: Pick<EntranceVisit, "authority" | "exchange">, target: string): EntranceAnswer {
    const verifier = randomToken();
    const path = isReturnTarget(target) ? Buffer.from(target).toString("base64url") : "";
    const query = new URLSearchParams({ host: authority, state: challengeOf(verifier) }).toString();
    const port = /:[0-9]{1,5}$/.exec(authority)?.[0] ?? "";
    const location = `${schemeOf(exchange)}://${this.#parts.signInHost}${port}/.ringwall/sign-in?${query}`;
    return redirect(302, location, [shortCookie(STATE_COOKIE, `${verifier}.${path}`, STATE_SECONDS)]);
  }

  /** The page; somebody who is signed in already is led on without it. */
  async show(visit: EntranceVisit): Promise<EntranceAnswer> {
    this.#requireSignInHost(visit);
    if (!visit.query.has("host") && !visit.query.has("state")) return this.begin(visit, "/");
    const to = this.#destination(visit, visit.query);
    const token = await this.#signedInToken(visit);
    if (token === undefined) return shown(visit, 200, "Sign in", passwordForm(to));
    return redirect(302, await this.#callback(visit, to, token), []);
  }

  async givePassword(visit: EntranceVisit): Promise<EntranceAnswer> {
    this.#requireSignInHost(visit);
    const to = this.#destination(visit, visit.form);
    const fields = Object.fromEntries(
      ["tenant", "email", "password"].map((name) => [name, visit.form.get(name) ?? ""]),
    );
    const input = requests.signIn.safeParse(fields);
    if (!input.success) return shown(visit, 400, "Sign in", passwordForm(to, "Look at tenant, address and password."));
    try {
      return await this.#next(visit, to, await this.#parts.identity.signIn(input.data, originOf(visit.exchange)));
    } catch (error) {
      return this.#refused(visit, error, (text) => passwordForm(to, text));
    }
  }

  async giveCode(visit: EntranceVisit, step: "code" | "enrolment"): Promise<EntranceAnswer> {
    this.#requireSignInHost(visit);
    const { identity } = this.#parts;
    const to = this.#destination(visit, visit.form);
    const login = cookieOf(visit.exchange.visit.site.cookie, LOGIN_COOKIE) ?? "";
    const input = requests.loginCode.safeParse({ login, code: visit.form.get("code") ?? "" });
    if (!requests.loginEnrolment.safeParse({ login }).success) return shown(visit, 400, "Sign in", passwordForm(to));
    try {
      if (!input.success) throw new RingwallError("identity.sign_in_failed");
      const give = step === "code" ? identity.giveCode : identity.confirmLoginEnrolment;
      return await this.#next(visit, to, await give.call(identity, login, input.data.code, originOf(visit.exchange)));
    } catch (error) {
      // The secret is told once; whoever mistypes the first code finds it in the app already.
      return this.#refused(visit, error, (text) => codeForm(to, undefined, text), step);
    }
  }

  /** A browser comes back with its code, and gets this host's own cookie for it. */
  async callback({ authority, exchange, hostName, query }: EntranceVisit): Promise<EntranceAnswer> {
    const { cookies } = this.#parts;
    const state = STATE.exec(cookieOf(exchange.visit.site.cookie, STATE_COOKIE) ?? "");
    const [, verifier, path = ""] = state ?? [];
    if (verifier === undefined)
      throw new RingwallError("identity.sign_in_required", { detail: { reason: "no_state" } });
    const token = await cookies.redeem(authority, verifier, query.get("code") ?? "");
    // Somebody whose session ended meanwhile gets nothing.
    await this.#parts.identity.authenticate(token);
    const target = Buffer.from(path, "base64url").toString("utf8");
    const own = await cookies.cookie(HOST_COOKIE, hostName, token);
    return redirect(302, isReturnTarget(target) ? target : "/", [own, endedCookie(STATE_COOKIE)]);
  }

  askSignOut(visit: EntranceVisit): EntranceAnswer {
    return shown(visit, 200, "Sign out", signOutForm());
  }

  /** Ends the session, which is one for all hosts; the other hosts' cookies are worth nothing from then on. */
  async signOut({ exchange }: EntranceVisit): Promise<EntranceAnswer> {
    if (exchange.principal !== undefined) await this.#parts.identity.signOut(exchange.principal);
    return redirect(303, "/", [HOST_COOKIE, SIGN_IN_COOKIE].map(endedCookie));
  }

  async #next(visit: EntranceVisit, to: Destination, signedIn: SignedIn): Promise<EntranceAnswer> {
    const token = signedIn.token.open();
    if (signedIn.kind === "session") {
      const own = await this.#parts.cookies.cookie(SIGN_IN_COOKIE, visit.hostName, token);
      const location = await this.#callback(visit, to, token);
      const link = `<p><a href="${location.replaceAll("&", "&amp;")}">Go on</a></p>`;
      return shown(visit, 200, "Signed in", link, { cookies: [own, endedCookie(LOGIN_COOKIE)], refresh: location });
    }
    const keep = [shortCookie(LOGIN_COOKIE, token, STATE_SECONDS)];
    if (signedIn.next === "code") return shown(visit, 200, "Sign in", codeForm(to), { cookies: keep });
    const { base32 } = await this.#parts.identity.beginLoginEnrolment(token);
    return shown(visit, 200, "Set up a second factor", codeForm(to, base32.open()), { cookies: keep });
  }

  /** Refusals of the person are shown in the page; everything else goes on as what it is. */
  #refused(
    visit: EntranceVisit,
    error: unknown,
    form: (text: string) => string,
    step: "password" | "code" | "enrolment" = "password",
  ): EntranceAnswer {
    if (!(error instanceof RingwallError)) throw error;
    const { status } = error;
    if (status !== 401 && status !== 429 && status !== 503) throw error;
    const over = step !== "password" && error.code === "identity.sign_in_required";
    if (over) throw error;
    visit.exchange.refusal = error.code;
    return shown(visit, status, "Sign in", form(error.message));
  }

  async #signedInToken({ exchange, hostName }: EntranceVisit): Promise<string | undefined> {
    const sealed = cookieOf(exchange.visit.site.cookie, SIGN_IN_COOKIE);
    if (sealed === undefined) return undefined;
    try {
      const token = await this.#parts.cookies.open(SIGN_IN_COOKIE, hostName, sealed);
      await this.#parts.identity.authenticate(token);
      return token;
    } catch (error) {
      if (error instanceof RingwallError && error.code === "identity.sign_in_required") return undefined;
      throw error;
    }
  }

  async #callback({ exchange }: EntranceVisit, to: Destination, token: string): Promise<string> {
    const code = await this.#parts.cookies.code(to.host, to.state, token);
    return `${schemeOf(exchange)}://${to.host}/.ringwall/callback?code=${code}`;
  }

  /**
   * Codes go to our own hosts, at this very port: a server beside us on the same name gets none.
   * @throws RingwallError `request.invalid`
   */
  #destination({ authority }: EntranceVisit, from: URLSearchParams): Destination {
    const [host, state] = [from.get("host") ?? "", from.get("state") ?? ""];
    const [, name = "", port = ""] = /^([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?$/.exec(host) ?? [];
    const own = /:[0-9]{1,5}$/.exec(authority)?.[0] ?? "";
    if (!this.#parts.hosts.has(name) || port !== own || !CHALLENGE.test(state)) {
      throw new RingwallError("request.invalid", { detail: { reason: "destination" } });
    }
    return { host, state };
  }

  #requireSignInHost({ hostName }: EntranceVisit): void {
    if (hostName !== this.#parts.signInHost) throw new RingwallError("resource.not_found");
  }
}

/** Only a path of the same host, and none that holds a credential. */
function isReturnTarget(target: string): boolean {
  if (target.length > TARGET_CHARS_MAX || holdsToken(target)) return false;
  return /^\/(?![/\\])[\x21-\x7e]*$/.test(target) && !target.startsWith("/.ringwall/");
}

function schemeOf({ visit }: Exchange): "http" | "https" {
  return visit.site.https ? "https" : "http";
}

function originOf({ id, visit }: Exchange): { address: string; requestId: string; userAgent?: string } {
  const { userAgent } = visit.header;
  return { address: visit.client.address, requestId: id, ...(userAgent === undefined ? {} : { userAgent }) };
}

function redirect(status: 302 | 303, location: string, cookies: readonly string[]): EntranceAnswer {
  return { status, fields: ["location", location, ...setCookies(cookies)], body: "" };
}

function shown(
  { exchange }: EntranceVisit,
  status: EntranceAnswer["status"],
  title: string,
  body: string,
  extra: { readonly cookies?: readonly string[]; readonly refresh?: string } = {},
): EntranceAnswer {
  const nonce = randomToken(NONCE_BYTES);
  exchange.nonce = nonce;
  const fields = ["content-type", HTML, ...setCookies(extra.cookies ?? [])];
  return { status, fields, body: page(title, body, nonce, extra.refresh) };
}

function setCookies(cookies: readonly string[]): string[] {
  return cookies.flatMap((cookie) => ["set-cookie", cookie]);
}
