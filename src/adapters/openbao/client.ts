import { z } from "zod";
import { type Clock, type PlainSecret, RingwallError } from "../../core/index.ts";
import { callServer, type HttpAnswer, type HttpCall, type ServerPlace, unavailable } from "./http.ts";

/** How to sign in: a token as it is, or a role that gives one. Secrets are read anew whenever they are needed. */
export type Credential =
  | { readonly kind: "token"; readonly token: () => Promise<PlainSecret> }
  | {
      readonly kind: "approle";
      readonly mount: string;
      readonly roleId: string;
      readonly secretId: () => Promise<PlainSecret>;
    }
  | {
      /** The identity that Kubernetes gives a pod, or any JWT that the mount believes. */
      readonly kind: "jwt";
      readonly mount: string;
      readonly role: string;
      readonly jwt: () => Promise<PlainSecret>;
    };

/** A server, and who we are there. */
export interface ClientOptions extends ServerPlace {
  readonly namespace?: string | undefined;
  readonly credential: Credential;
  /** With a clock, a role's token is replaced at two thirds of its life; without, when the server refuses it. */
  readonly clock?: Clock | undefined;
}

const Login = z.object({
  auth: z.object({ client_token: z.string().min(1), lease_duration: z.number().nonnegative().default(0) }),
});
const RENEW_AT = 2 / 3;
const FORBIDDEN = 403;
const BAD_REQUEST = 400;
const OK = 200;

/** Calls with a token, and gets a new one once when the server no longer takes it. */
export class Client {
  readonly #options: ClientOptions;
  #signedIn: PromiseLike<string> | undefined;
  #renewAtMs = Number.POSITIVE_INFINITY;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** @throws RingwallError `keys.unavailable` for everything but an answer that was 200 or 400. */
  async call(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
    const answer = await this.ask(call);
    if (answer.status !== OK && answer.status !== BAD_REQUEST) throw unavailable(`status ${answer.status}`);
    return answer;
  }

  /** The same with any status. @throws RingwallError `keys.unavailable` without an answer; `keys.master_refused` */
  async ask(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
    let answer = await this.#send(call);
    if (answer.status === FORBIDDEN) {
      // Tokens run out and are revoked; a policy that forbids stays as it is, and is told apart by trying once more.
      this.#signedIn = undefined;
      answer = await this.#send(call);
    }
    return answer;
  }

  /** Forgets the token. */
  close(): void {
    this.#signedIn = undefined;
    this.#renewAtMs = Number.POSITIVE_INFINITY;
  }

  async #send(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
    if ((this.#options.clock?.() ?? 0) >= this.#renewAtMs) this.close();
    this.#signedIn ??= this.#signIn();
    const signing = this.#signedIn;
    try {
      const headers = { ...this.#headers(), "x-vault-token": await signing };
      return await callServer(this.#options, { ...call, headers });
    } catch (error) {
      // A sign-in that failed is tried anew by the next call.
      if (this.#signedIn === signing) this.#signedIn = undefined;
      throw error;
    }
  }

  async #signIn(): Promise<string> {
    const { clock, credential } = this.#options;
    if (credential.kind === "token") return (await credential.token()).open();
    const { mount } = credential;
    const body =
      credential.kind === "approle"
        ? { role_id: credential.roleId, secret_id: (await credential.secretId()).open() }
        : { role: credential.role, jwt: (await credential.jwt()).open() };
    const path = `auth/${mount}/login`;
    const answer = await callServer(this.#options, { method: "POST", path, headers: this.#headers(), body });
    const login = Login.safeParse(answer.body);
    if (answer.status === OK && login.success) {
      const { client_token: token, lease_duration: seconds } = login.data.auth;
      // Zero is a token without an end.
      if (clock !== undefined && seconds > 0) this.#renewAtMs = clock() + seconds * 1_000 * RENEW_AT;
      return token;
    }
    if (answer.status !== BAD_REQUEST && answer.status !== FORBIDDEN) throw unavailable(`status ${answer.status}`);
    throw new RingwallError("keys.master_refused", {
      message: `the server refused the role at auth/${mount}: check the role and its credential`,
    });
  }

  #headers(): Readonly<Record<string, string>> {
    const { namespace } = this.#options;
    return { "x-vault-request": "true", ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }) };
  }
}
