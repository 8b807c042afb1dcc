import { readFileSync, writeFileSync } from "node:fs";
import { TOTP } from "otpauth";

/** Whoever is enrolled with the link of a start: the platform's first administrator. */
export interface Administrator {
  readonly email: string;
  readonly password: string;
  /** The code of the present step; each is good once. */
  readonly code: () => string;
}

/** An answer of the API, which a test knows the form of. */
export async function post<Answer>(port: number, path: string, body: object): Promise<Answer> {
  const answer = await fetch(`http://localhost:${port}${path}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Answer;
}

/** Enrols the first administrator over HTTP, and keeps their credential as the command line does. */
export async function enrolAdministrator(
  port: number,
  files: { readonly link: string; readonly credential: string },
): Promise<Administrator> {
  const token = new URL(readFileSync(files.link, "utf8").trim()).hash.slice(1);
  const [email, password] = ["root@ringwall.example", "tide knot 52 ember"];
  const first = { token, email, name: "Root", password };
  const { login } = await post<{ login: string }>(port, "/v1/bootstrap", first);
  const { uri } = await post<{ uri: string }>(port, "/v1/sign-in/enrolment", { login });
  const totp = new TOTP({ secret: new URL(uri).searchParams.get("secret") ?? "" });
  const confirmed = { login, code: totp.generate() };
  const opened = await post<{ token: string }>(port, "/v1/sign-in/enrolment/confirm", confirmed);
  writeFileSync(files.credential, `${opened.token}\n`, { mode: 0o600 });
  return { email, password, code: () => totp.generate() };
}
