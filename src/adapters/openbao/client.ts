import { z } from "zod";
import { type PlainSecret, RingwallError } from "../../core/index.ts";
import { callServer, type HttpAnswer, type HttpCall, type ServerPlace, unavailable } from "./http.ts";

/** How to sign in: a token as it is, or a role that gives one. Secrets are read anew whenever they are needed. */
export type Credential =
  | { readonly kind: "token"; readonly token: () => Promise<PlainSecret> }
  | {
      readonly kind: "approle";
      readonly mount: string;
      readonly roleId: string;
      readonly secretId: () => Promise<PlainSecret>;
    };

/** A server, and who we are there. */
export interface ClientOptions extends ServerPlace {
  readonly namespace?: string | undefined;
  readonly credential: Credential;
}

const Login = z.object({ auth: z.object({ client_token: z.string().min(1) }) });
const FORBIDDEN = 403;
const BAD_REQUEST = 400;
const OK = 200;

/** Calls with a token, and gets a new one once when the server no longer takes it. */
export class Client {
  readonly #options: ClientOptions;
  #signedIn: PromiseLike<string> | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
  }

  /** @throws RingwallError `keys.unavailable` for everything but an answer that was 200 or 400. */
  async call(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
    let answer = await this.#send(call);
    if (answer.status === FORBIDDEN) {
      // Tokens run out and are revoked; a policy that forbids stays as it is, and is told apart by trying once more.
      this.#signedIn = undefined;
      answer = await this.#send(call);
    }
    if (answer.status !== OK && answer.status !== BAD_REQUEST) throw unavailable(`status ${answer.status}`);
    return answer;
  }

  /** Forgets the token. */
  close(): void {
    this.#signedIn = undefined;
  }

  async #send(call: Omit<HttpCall, "headers">): Promise<HttpAnswer> {
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
    const { credential } = this.#options;
    if (credential.kind === "token") return (await credential.token()).open();
    const { mount, roleId, secretId } = credential;
    const body = { role_id: roleId, secret_id: (await secretId()).open() };
    const path = `auth/${mount}/login`;
    const answer = await callServer(this.#options, { method: "POST", path, headers: this.#headers(), body });
    const login = Login.safeParse(answer.body);
    if (answer.status === OK && login.success) return login.data.auth.client_token;
    if (answer.status !== BAD_REQUEST && answer.status !== FORBIDDEN) throw unavailable(`status ${answer.status}`);
    throw new RingwallError("keys.master_refused", {
      message: `the server refused the role at auth/${mount}: check roleId and secretId`,
    });
  }

  #headers(): Readonly<Record<string, string>> {
    const { namespace } = this.#options;
    return { "x-vault-request": "true", ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }) };
  }
}
